package limits

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// hertz is that of the times in /proc (USER_HZ, 100 on every architecture that Go runs on).
const hertz = 100

// usage is what one process uses.
type usage struct {
	pid     int
	start   uint64 // ticks since boot: with the pid it names one process
	ticks   uint64 // of processor time, so far
	memory  uint64 // bytes
	threads uint64
	percent float64 // of one CPU, since the sample before
}

// meter measures processes, and remembers how much processor time they had used.
type meter struct {
	procfs string
	before map[int]usage
}

// read measures processes once each; those that have gone meanwhile are left out. elapsed is the time since the last call,
// 0 if there was none.
func (m *meter) read(pids []int, elapsed time.Duration) map[int]usage {
	now := make(map[int]usage, len(pids))
	for _, pid := range pids {
		if _, done := now[pid]; done {
			continue
		}
		u, err := measure(m.procfs, pid)
		if err != nil {
			continue
		}
		if elapsed > 0 {
			ticks := u.ticks
			if old, ok := m.before[pid]; ok && old.start == u.start {
				ticks -= min(ticks, old.ticks)
			} else {
				// It is new, or new to its subject: it cannot have used more since then than there was.
				ticks = min(ticks, uint64(elapsed.Seconds()*hertz*float64(u.threads)))
			}
			u.percent = float64(ticks) / hertz / elapsed.Seconds() * 100
		}
		now[pid] = u
	}
	m.before = now
	return now
}

func measure(procfs string, pid int) (usage, error) {
	dir := filepath.Join(procfs, strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return usage{}, err
	}
	u, err := parseStat(stat)
	if err != nil {
		return usage{}, err
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	u.pid, u.memory = pid, 1024*(field(status, "RssAnon")+field(status, "VmSwap"))
	return u, err
}

var errStat = errors.New("it is no process's stat")

// parseStat reads what stands behind the name, which may hold blanks and brackets: fields 14 and 15 are its times, 20 its
// threads, 22 its start (proc_pid_stat(5)).
func parseStat(text []byte) (usage, error) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return usage{}, errStat
	}
	fields := bytes.Fields(text[end+1:])
	if len(fields) < 20 {
		return usage{}, errStat
	}
	var n [4]uint64
	for i, at := range [...]int{14, 15, 20, 22} {
		var err error
		if n[i], err = strconv.ParseUint(string(fields[at-3]), 10, 64); err != nil {
			return usage{}, errStat
		}
	}
	return usage{ticks: n[0] + n[1], threads: n[2], start: n[3]}, nil
}

// field reads a number of /proc/PID/status; 0 if it is not there, as of kernel threads.
func field(text []byte, name string) uint64 {
	_, rest, _ := bytes.Cut(text, []byte("\n"+name+":"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	n, _ := strconv.ParseUint(string(bytes.TrimSuffix(bytes.TrimSpace(line), []byte(" kB"))), 10, 64)
	return n
}
