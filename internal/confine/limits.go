package confine

import (
	"bufio"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/stockade-security/stockade/event"
)

// limits plans capabilities and resources.
func (p *planner) limits() {
	q := p.process
	for _, r := range q.BlockedCapabilities.Rules {
		mask := event.CapabilityMask([]string{r.Text})
		if r.Text == "ALL" {
			mask = math.MaxUint64
		}
		p.plan.capabilities |= mask
	}
	if p.plan.capabilities != 0 {
		p.open(q.BlockedCapabilities.Pos, "blocked_capabilities", "in a user namespace of its own the command has them, for what belongs to that namespace")
	}
	if q.MaxMemoryMB.Value > 0 {
		p.open(q.MaxMemoryMB.Pos, "max_memory_mb", "resource limits count the memory of each process alone, and what it reserves with it")
	}
	if q.MaxCPUPercent.Value > 0 {
		p.open(q.MaxCPUPercent.Pos, "max_cpu_percent", "resource limits count seconds and no share of time")
	}
	switch limit := q.MaxProcesses; {
	case limit.Value == 0:
	case p.UID == 0:
		p.open(limit.Pos, "max_processes", "the limit of a user's processes does not hold root")
	default:
		there := tasksOf(p.UID)
		p.plan.processes = uint64(limit.Value) + there
		p.open(limit.Pos, "max_processes", "the limit is one of all threads of the user: %d with the %d that there are", p.plan.processes, there)
	}
}

// tasksOf counts the threads of a user, as far as /proc shows them, without this process.
func tasksOf(uid int) (n uint64) {
	list, _ := filepath.Glob("/proc/[0-9]*/status")
	self := strconv.Itoa(os.Getpid())
	for _, name := range list {
		if filepath.Base(filepath.Dir(name)) == self {
			continue
		}
		n += threads(name, uid)
	}
	return n
}

// threads reads the number of threads from a status file, 0 if they are another user's or have ended.
func threads(name string, uid int) uint64 {
	f, err := os.Open(name)
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		switch fields := strings.Fields(lines.Text()); {
		case len(fields) < 2:
		case fields[0] == "Uid:" && fields[1] != strconv.Itoa(uid):
			return 0
		case fields[0] == "Threads:":
			n, _ := strconv.ParseUint(fields[1], 10, 32)
			return n
		}
	}
	return 0
}
