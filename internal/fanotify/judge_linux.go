package fanotify

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/policy"
)

// judge answers a question by verdict. A task waits in open or execve while its files in /proc are read, which takes no lock
// that it holds there.
func (g *group) judge(q *question) {
	seen, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(q.fd))
	if err != nil {
		seen = "" // longer than PATH_MAX: the object is known by its inode all the same
	}
	pid := groupOf(q.tid)
	d := Denial{PID: pid, TID: q.tid, Image: g.img, Task: g.guard.cfg.Identify(g.img, pid), Seen: seen}
	execution := q.mask&unix.FAN_OPEN_EXEC_PERM != 0
	k, follows := g.follows(q, execution)
	if follows || !enforces(g.img, g.guard.cfg.Mode, d.Task.Subject) || !g.denies(&d, g.marks.names(q.fd, seen, q.tid), execution) ||
		g.guard.cfg.Exempt != nil && g.guard.cfg.Exempt(pid) {
		g.allow(q, execution, k)
		return
	}
	d.Time = time.Now()
	if g.answer(q, unix.FAN_DENY, &g.guard.denied) && g.guard.cfg.Report != nil {
		g.guard.cfg.Report(d)
	}
}

// follows says whether an open belongs to an execution that was allowed just before: the kernel asks about each execution
// twice, and a program need not be readable to be run.
func (g *group) follows(q *question, execution bool) (k key, follows bool) {
	st, err := stat(q.fd, "", unix.AT_EMPTY_PATH)
	if err != nil {
		return k, false
	}
	k = keyOf(&st)
	g.mu.Lock()
	defer g.mu.Unlock()
	before, ok := g.executing[q.tid]
	delete(g.executing, q.tid)
	return k, ok && !execution && before == k
}

func (g *group) allow(q *question, execution bool, k key) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if execution && !q.answered {
		if len(g.executing) >= queued {
			clear(g.executing) // those of tasks that were killed in between
		}
		g.executing[q.tid] = k
	}
	g.reply(q, unix.FAN_ALLOW, &g.guard.allowed)
}

// denies completes d by the first name under which the access is denied.
func (g *group) denies(d *Denial, names []string, isExecution bool) bool {
	for _, name := range names {
		d.Access = execution(name)
		if !isExecution {
			d.Access = opening(name, policy.AccessRead)
		}
		d.Decision = decide(g.img, d.Task, d.Access)
		if !denied(g.img, d.Decision) {
			continue
		}
		if isExecution || denied(g.img, decide(g.img, d.Task, opening(name, policy.AccessWrite))) || !writesOnly(d.TID) {
			return true
		}
	}
	return false
}

// writesOnly says whether the open that a thread waits in asks for nothing but writing. The kernel does not say so in the
// event, but shows the call's arguments (proc_pid_syscall(5)), which the task cannot change any more. It is certain only of
// openat; what other calls ask for counts as reading too.
func writesOnly(tid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", tid))
	if err != nil {
		return false
	}
	flags, ok := openatFlags(string(text))
	return ok && flags&unix.O_ACCMODE == unix.O_WRONLY
}

// openatFlags reads /proc/TID/syscall: the call's number, then its arguments in hexadecimal.
func openatFlags(text string) (flags uint64, ok bool) {
	fields := strings.Fields(text)
	if len(fields) < 4 || fields[0] != strconv.Itoa(unix.SYS_OPENAT) {
		return 0, false
	}
	flags, err := strconv.ParseUint(fields[3], 0, 64)
	return flags, err == nil
}

// groupOf returns the process of a thread, 0 if it has gone.
func groupOf(tid int) int {
	text, err := os.ReadFile(path.Join("/proc", strconv.Itoa(tid), "status"))
	if err != nil {
		return 0
	}
	return tgid(text)
}

// tgid reads /proc/TID/status. The name in its first line has no line break that is not escaped.
func tgid(text []byte) int {
	_, rest, _ := bytes.Cut(text, []byte("\nTgid:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	pid, _ := strconv.Atoi(string(bytes.TrimSpace(line)))
	return pid
}
