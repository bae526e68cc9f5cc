package verdict

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

// Detail says in one line what was done and why it is allowed or not. d is what Decide answered to the same arguments. The
// line holds names from outside, not escaped; it is empty if nothing spoke.
func Detail(img *compile.Image, task Task, a *Access, d Decision) string {
	if d.ID == compile.NoDecision {
		return ""
	}
	j := judge{img: img, subject: subject(img, task.Subject), task: &task, access: a}
	what := j.noun() + ": " + j.what(d)
	switch {
	case d.Undecided:
		return fmt.Sprintf("undecided %s (rule: %s)", what, d.Rule(img).Text)
	case !d.Denied:
		return fmt.Sprintf("allowed %s (%s: %s)", what, j.label(d), d.Rule(img).Text)
	case j.unlisted(d) && j.mute():
		return "network access denied (no network allowed): " + j.what(d)
	case j.unlisted(d):
		return "unauthorized " + what
	}
	return fmt.Sprintf("blocked %s (%s: %s)", what, j.label(d), d.Rule(img).Text)
}

// mute reports whether the subject's network list allows nothing at all.
func (j *judge) mute() bool {
	if i := j.subject.Peers; (j.access.Op == OpConnect || j.access.Op == OpSend) && j.access.Path == "" && i != compile.NoTable {
		n := &j.img.Networks[i]
		return len(n.Prefixes) == 0 && n.Hosts.Automata.Count == 0 && j.subject.Paths[compile.ClassUnix] == compile.Table{}
	}
	return false
}

// label is what the text of the rule is called.
func (j *judge) label(d Decision) string {
	switch j.access.Op {
	case OpExec, OpFile, OpMount, OpIoctl:
		if d.ID != j.subject.NoSudo {
			return "pattern"
		}
	}
	return "rule"
}

// noun is what the operation is called.
func (j *judge) noun() string {
	switch j.access.Op {
	case OpExec:
		return "exec"
	case OpFile:
		return "file access"
	case OpConnect, OpSend:
		return "network access"
	case OpBind, OpListen:
		if !j.access.Peer.IsValid() {
			return "network access"
		}
		return "listen"
	case OpResolve:
		return "name"
	case OpSyscall:
		return "system call"
	case OpCapability:
		return "capability"
	case OpSignal:
		return "signal"
	case OpPtrace:
		return "ptrace"
	case OpModule:
		return "kernel module"
	case OpBPF:
		return "bpf"
	case OpMount:
		return "mount"
	case OpIoctl:
		return "ioctl"
	case OpSettime:
		return "setting of the clock"
	case OpPrctl:
		return "prctl"
	case OpKeyring:
		return "use of keyrings"
	case OpIOUring:
		return "io_uring"
	case OpMemory, OpCPU, OpProcesses:
		return "use of resources"
	}
	return "packet"
}

// what describes the object, as far as the decision is about it.
func (j *judge) what(d Decision) string {
	a := j.access
	switch a.Op {
	case OpExec:
		return j.execWhat(d)
	case OpFile:
		return j.fileWhat(d)
	case OpMount, OpIoctl:
		return shown(a.Path, a.Truncated)
	case OpConnect, OpSend, OpBind, OpListen:
		return j.peerWhat()
	case OpResolve, OpModule:
		return a.Name
	case OpSyscall:
		return callName(a)
	case OpCapability:
		return event.CapabilityName(int(a.Number))
	case OpSignal, OpPtrace:
		return subject(j.img, a.Target).Name
	case OpPrctl:
		return fmt.Sprintf("option %d", a.Number)
	case OpMemory:
		return fmt.Sprintf("%d MiB of memory, %d allowed", (a.Value+1<<20-1)>>20, j.subject.MemoryMB.Value)
	case OpCPU:
		return fmt.Sprintf("%d %% of a CPU, %d allowed", a.Value, j.subject.CPUPercent.Value)
	case OpProcesses:
		return fmt.Sprintf("%d processes, %d allowed", a.Value, j.subject.Processes.Value)
	case OpIngress:
		return j.packetWhat()
	case OpEgress:
		return "to " + j.peerWhat()
	}
	return "by " + j.subject.Name
}

func (j *judge) execWhat(d Decision) string {
	a := j.access
	name := shown(a.Path, a.Truncated)
	switch {
	case d.ID == j.subject.NoSudo:
		return name + " gains privilege"
	case a.Interpreter != "" && j.program(a.Path, a.Truncated).ID != d.ID:
		return name + " runs " + shown(a.Interpreter, false)
	}
	return name
}

// fileWhat names the letter that a list lacks.
func (j *judge) fileWhat(d Decision) string {
	name := shown(j.access.Path, j.access.Truncated)
	if !d.Denied || !j.unlisted(d) {
		return name
	}
	one := *j.access
	for letter := policy.AccessRead; letter <= policy.AccessExecute; letter <<= 1 {
		one.Letters = letter
		if one.Letters&j.access.Letters != 0 && Decide(j.img, *j.task, &one) == d {
			return fmt.Sprintf("%s (%s)", name, letter)
		}
	}
	return name
}

func (j *judge) peerWhat() string {
	a := j.access
	switch {
	case a.Path != "":
		return "unix:" + a.Path
	case !a.Peer.IsValid():
		return "packet socket"
	}
	peer := netip.AddrPortFrom(policy.NormalAddr(a.Peer.Addr()), a.Peer.Port())
	text := fmt.Sprintf("%s/%s", peer, a.Protocol)
	if len(a.Names) > 0 {
		text += " (" + strings.Join(a.Names, ", ") + ")"
	}
	return text
}

func (j *judge) packetWhat() string {
	a := j.access
	to := fmt.Sprintf("port %d/%s", a.Peer.Port(), a.Protocol)
	if isICMP(a.Protocol) {
		to = fmt.Sprintf("%s type %d", a.Protocol, a.Number%256)
	}
	return fmt.Sprintf("%s from %s on %s", to, policy.NormalAddr(a.Peer.Addr()), a.Interface)
}

func callName(a *Access) string {
	name := syscalls.X32(int(a.Number &^ x32))
	if a.I386 {
		name = syscalls.I386(int(a.Number))
	}
	if name == "" {
		return fmt.Sprintf("number %d", a.Number)
	}
	return name
}

// shown is a path as it was matched, or why it was not.
func shown(name string, truncated bool) string {
	name, long := clean(name, truncated)
	if long {
		return "a path that is too long to be judged"
	}
	return name
}
