package confine

import (
	"slices"

	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

// calls are what is said of system calls by name, besides the entry's lists.
type calls struct {
	denied   map[string]bool
	checks   map[string]code
	controls []uint32 // of ioctl, denied
}

func newCalls() calls { return calls{denied: map[string]bool{}, checks: map[string]code{}} }

// deny refuses calls.
func (c *calls) deny(names ...string) {
	for _, name := range names {
		c.denied[name] = true
	}
}

// check lets the arguments of a call decide, if nothing refuses it altogether.
func (c *calls) check(name string, judge code) { c.checks[name] = judge }

// control refuses numbers of ioctl.
func (c *calls) control(numbers ...uint32) {
	c.controls = append(c.controls, numbers...)
	c.check("ioctl", argument(1, denyAny(c.controls)))
}

// denyAny refuses numbers and allows all others.
func denyAny(numbers []uint32) code {
	judge := allow()
	for _, number := range numbers {
		judge = ifEqual(number, deny(), judge)
	}
	return judge
}

// terminalControls put input into a terminal, which a shell that is not confined would read: TIOCSTI, TIOCLINUX.
var terminalControls = []uint32{0x5412, 0x541c}

// The calls of io_uring, and those whose work it does without a call that a filter sees (io_uring_enter(2), Linux 6.18).
var (
	ringCalls = []string{"io_uring_setup", "io_uring_enter", "io_uring_register"}
	ringWork  = []string{
		"accept", "accept4", "bind", "close", "connect", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "fadvise64", "fallocate",
		"fdatasync", "fgetxattr", "fsetxattr", "fsync", "ftruncate", "futex", "futex_wait", "futex_waitv", "futex_wake", "getsockopt",
		"getxattr", "ioctl", "linkat", "listen", "madvise", "mkdirat", "openat", "openat2", "pipe2", "poll", "ppoll", "pread64", "preadv",
		"preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readv", "recv", "recvfrom", "recvmsg", "renameat", "renameat2", "send", "sendmsg",
		"sendto", "setsockopt", "setxattr", "shutdown", "socket", "splice", "statx", "symlinkat", "sync_file_range", "tee", "unlinkat",
		"waitid", "write", "writev",
	}
)

// starting are the calls that start the command: a signal may come before its first instruction.
var starting = []string{"execve", "rt_sigreturn"}

// syscalls plans the filter. It comes when all others have said which calls they need refused.
func (p *planner) syscalls() {
	listed := p.Image.Subjects[p.Subject].Syscalls
	if listed == compile.NoTable && len(p.calls.denied) == 0 && len(p.calls.checks) == 0 {
		return
	}
	if p.Kernel.NoSeccomp != "" {
		if listed != compile.NoTable {
			pos, key := p.callsKey()
			p.open(pos, key, "%s", p.Kernel.NoSeccomp)
		}
		return
	}
	var table compile.Syscalls
	if listed != compile.NoTable {
		table = p.Image.Syscalls[listed]
	}
	p.ring(&table)
	for _, name := range starting {
		if number, _ := syscalls.Number(name, false); p.answer(name, table.AMD64[number]) == answerDeny {
			pos, key := p.callsKey()
			p.open(pos, key, "%s stays allowed, because starting the command takes it", name)
			table.AMD64[number] = compile.NoDecision
		}
	}
	p.plan.filter = program(p.spans(table.AMD64[:], table.Miss, syscalls.X32), p.spans(table.I386[:], table.Miss, syscalls.I386))
}

// callsKey is where the entry speaks of system calls.
func (p *planner) callsKey() (policy.Position, string) {
	if q := p.process; !q.AllowedSyscalls.Present {
		return q.BlockedSyscalls.Pos, "blocked_syscalls"
	}
	return p.process.AllowedSyscalls.Pos, "allowed_syscalls"
}

// ring refuses io_uring where it would do what a filter refuses.
func (p *planner) ring(table *compile.Syscalls) {
	refused := func(name string) bool {
		number, ok := syscalls.Number(name, false)
		return p.calls.denied[name] || ok && int(number) < len(table.AMD64) && p.Image.Decisions[table.AMD64[number]].Deny
	}
	if !slices.ContainsFunc(ringCalls, func(name string) bool { return !refused(name) }) {
		return
	}
	if !p.sockets.any() && !slices.ContainsFunc(ringWork, refused) {
		return
	}
	pos, key := p.callsKey()
	switch {
	case p.sockets.any():
		pos, key = p.networkKey()
	case p.calls.denied[metadata[0]]:
		pos, key = p.process.AllowedFiles.Pos, "allowed_files"
	}
	p.closed(pos, key, "io_uring is refused: what it does passes no filter of system calls")
	p.calls.deny(ringCalls...)
}

// The answers about a call: none allows it, and any other is the name of the check that decides.
const (
	answerAllow = ""
	answerDeny  = "-"
)

func (p *planner) answer(name string, decision uint32) string {
	if p.calls.denied[name] || p.Image.Decisions[decision].Deny {
		return answerDeny
	}
	if p.calls.checks[name] != nil {
		return name
	}
	return answerAllow
}

// spans joins neighbours of a table, and what is said of the numbers behind it.
func (p *planner) spans(table []uint32, miss uint32, name func(int) string) []span {
	var out []span
	last := ""
	for n := range len(table) + 1 {
		answer := p.answer("", miss)
		if n < len(table) {
			answer = p.answer(name(n), table[n])
		}
		if n > 0 && answer == last {
			continue
		}
		last = answer
		judge := p.calls.checks[answer]
		switch answer {
		case answerAllow:
			judge = allow()
		case answerDeny:
			judge = deny()
		}
		out = append(out, span{uint32(n), judge})
	}
	return out
}
