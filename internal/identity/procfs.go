package identity

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/stockade-security/stockade/event"
)

// procInfo is a process as /proc shows it: all facets but the parent, which is ppid.
type procInfo struct {
	ppid      int
	proc      event.Process // StartNS is the lower end of a clock tick
	ids       IDs
	changedNS int64
	cgroup    string
	cgroupV2  bool // cgroup is a path of the v2 tree
}

// procStat is /proc/PID/stat. All of it together changes when the pid is reused or the process executes.
type procStat struct {
	pid, ppid int
	comm      string
	flags     uint64
	ticks     uint64
	image     [3]string // start of code, stack and arguments: chosen anew by each exec
}

// pfKthread is PF_KTHREAD of the kernel's sched.h.
const pfKthread = 0x00200000

var errStat = errors.New("not of the form of /proc/PID/stat")

// parseStat reads proc_pid_stat(5). The comm may hold blanks and brackets.
func parseStat(b []byte) (procStat, error) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 1 || end < open {
		return procStat{}, errStat
	}
	// f[i] is field i+3 of the manual page.
	f := strings.Fields(string(b[end+1:]))
	if len(f) < 46 {
		return procStat{}, errStat
	}
	s := procStat{comm: string(b[open+1 : end]), image: [3]string{f[23], f[25], f[45]}}
	var errs [4]error
	s.pid, errs[0] = strconv.Atoi(strings.TrimSpace(string(b[:open])))
	s.ppid, errs[1] = strconv.Atoi(f[1])
	s.flags, errs[2] = strconv.ParseUint(f[6], 10, 64)
	s.ticks, errs[3] = strconv.ParseUint(f[19], 10, 64)
	if errors.Join(errs[:]...) != nil || s.ticks > 1<<63/tickNS {
		return procStat{}, errStat
	}
	return s, nil
}

// parseStatus takes the ids and the effective capabilities from /proc/PID/status.
func parseStatus(b []byte) IDs {
	var ids IDs
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		f := strings.Fields(value)
		switch {
		case key == "Uid" && len(f) >= 2:
			ids.UID, ids.EUID = parseID(f[0]), parseID(f[1])
		case key == "Gid" && len(f) >= 2:
			ids.GID, ids.EGID = parseID(f[0]), parseID(f[1])
		case key == "CapEff" && len(f) == 1:
			ids.Capabilities, _ = strconv.ParseUint(f[0], 16, 64)
		}
	}
	return ids
}

// parseLoginUID reads /proc/PID/loginuid, which holds the id that nobody has when nobody logged in.
func parseLoginUID(b []byte) *uint32 {
	id := parseID(strings.TrimSpace(string(b)))
	if id == nobody {
		return nil
	}
	return &id
}

// nobody is the id that no user can have.
const nobody = ^uint32(0)

func parseID(s string) uint32 {
	id, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return nobody
	}
	return uint32(id)
}

// parseCmdline splits what is left of the arguments in /proc/PID/cmdline.
func parseCmdline(b []byte) []string {
	b = bytes.TrimRight(b, "\x00")
	if len(b) == 0 {
		return nil
	}
	return strings.Split(string(b), "\x00")
}

// parseCgroups picks the path that says most from /proc/PID/cgroup: the v2 one, unless that is the root and a v1
// hierarchy knows systemd's. v2 says which it is.
func parseCgroups(b []byte) (path string, v2 bool) {
	systemd := ""
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		switch {
		case len(f) != 3:
		case f[0] == "0" && f[1] == "":
			path = f[2]
		case f[1] == "name=systemd":
			systemd = f[2]
		}
	}
	if (path == "" || path == "/") && len(systemd) > 1 {
		return systemd, false
	}
	return path, path != ""
}
