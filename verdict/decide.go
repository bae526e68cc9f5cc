// Package verdict decides accesses against a compiled policy, without looking at anything but its arguments.
//
// Decide reads an image and nothing else: no clock, no files, no locks, and it does not allocate for paths that are
// clean. The package refuses to enforce, to record and to remember: what it says is what the policy says, and the
// caller does something about it. docs/policy.md has the rules of precedence, with examples that a test runs.
package verdict

import (
	"slices"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

// Decision is what the policy says of an Access.
type Decision struct {
	Denied bool
	// Undecided: a rule by host name may mean this address, and nobody has told its name. It is not denied.
	Undecided bool
	// ID is the index in the image's Decisions of the one that decided; compile.NoDecision if nothing spoke. An access that
	// is not denied can have one that denies: the task stands in the list of who is exempt.
	ID uint32
}

// Type is the type of a violation; empty if nothing spoke.
func (d Decision) Type(img *compile.Image) compile.Type { return img.Decisions[d.ID].Type }

// Severity is that of a denial.
func (d Decision) Severity(img *compile.Image) event.Severity { return img.Decisions[d.ID].Severity }

// Rule is what decided: the rule, or the key of the list that lacks one. The zero value if nothing spoke.
func (d Decision) Rule(img *compile.Image) compile.Rule {
	if d.ID == compile.NoDecision {
		return compile.Rule{}
	}
	return img.Rules[img.Decisions[d.ID].Rule]
}

// Position is the rule's file:line; empty if nothing spoke.
func (d Decision) Position(img *compile.Image) string {
	if d.ID == compile.NoDecision {
		return ""
	}
	return d.Rule(img).Pos.String()
}

// Decide judges an access of a task by the rules of the host and by those of its subject: a denial by either denies.
// Of several denials one by a rule is named before one by a list that lacks a rule, and the host's before the subject's;
// of several permissions the subject's is named. task must be of the same image.
func Decide(img *compile.Image, task Task, a *Access) Decision {
	j := judge{img: img, subject: subject(img, task.Subject), task: &task, access: a}
	switch a.Op {
	case OpExec:
		return j.exec()
	case OpFile:
		return j.file()
	case OpConnect, OpSend:
		return j.peer()
	case OpBind, OpListen:
		return j.local()
	case OpIngress:
		return j.ingress()
	case OpEgress:
		return j.network(img.Firewall.Egress)
	case OpSignal:
		return j.guarded(&subject(img, a.Target).Signals)
	case OpPtrace:
		return j.guarded(&subject(img, a.Target).Ptrace)
	case OpMemory:
		return j.limit(&j.subject.MemoryMB, 1<<20)
	case OpCPU:
		return j.limit(&j.subject.CPUPercent, 1)
	case OpProcesses:
		return j.limit(&j.subject.Processes, 1)
	}
	return j.says(j.call())
}

// subject is the default one for a number that the image does not have.
func subject(img *compile.Image, n uint32) *compile.Subject {
	if int(n) >= len(img.Subjects) {
		n = compile.DefaultSubject
	}
	return &img.Subjects[n]
}

// judge is one call of Decide.
type judge struct {
	img     *compile.Image
	subject *compile.Subject
	task    *Task
	access  *Access
}

// says is what a decision means for the task.
func (j *judge) says(id uint32) Decision {
	d := &j.img.Decisions[id]
	exempt := d.Grant != 0 && j.task.Grants.Has(d.Grant)
	return Decision{Denied: d.Deny && !exempt, ID: id}
}

// unlisted reports whether a decision is about what is not in a list.
func (j *judge) unlisted(d Decision) bool { return j.img.Decisions[d.ID].Unlisted }

// both joins two decisions that must both permit.
func (j *judge) both(a, b Decision) Decision {
	switch {
	case a.Denied && b.Denied:
		if j.unlisted(a) && !j.unlisted(b) {
			return b
		}
		return a
	case a.Denied || b.ID == compile.NoDecision:
		return a
	}
	return b
}

// exec judges the program that was asked for by every rule; what really runs, if that is another, by those that block.
func (j *judge) exec() Decision {
	a := j.access
	d := j.program(a.Path, a.Truncated)
	if a.Interpreter != "" {
		if runs := j.program(a.Interpreter, false); runs.Denied && !j.unlisted(runs) {
			d = j.both(d, runs)
		}
	}
	if a.GainsPrivilege {
		d = j.both(d, j.says(j.subject.NoSudo))
	}
	return d
}

func (j *judge) program(path string, truncated bool) Decision {
	path, long := clean(path, truncated)
	return j.both(j.path(&j.img.Host.Exec, path, long), j.path(&j.subject.Paths[compile.ClassExec], path, long))
}

// file judges each letter by itself, because different rules may allow reading and writing. The numbers of a subject's
// decisions about files compare, whatever the letter.
func (j *judge) file() Decision {
	path, long := clean(j.access.Path, j.access.Truncated)
	var host, own Decision
	for class := compile.ClassRead; class <= compile.ClassMap; class++ {
		if j.access.Letters&(policy.AccessRead<<(class-compile.ClassRead)) == 0 {
			continue
		}
		switch class {
		case compile.ClassRead:
			host = j.both(host, j.path(&j.img.Host.Read, path, long))
		case compile.ClassWrite:
			host = j.both(host, j.path(&j.img.Host.Write, path, long))
		}
		own = stricter(own, j.path(&j.subject.Paths[class], path, long))
	}
	return j.both(host, own)
}

// stricter joins decisions whose numbers compare: a denial, or else what has precedence.
func stricter(a, b Decision) Decision {
	if a.Denied != b.Denied {
		if a.Denied {
			return a
		}
		return b
	}
	return Decision{Denied: a.Denied, ID: first(a.ID, b.ID)}
}

func (j *judge) path(t *compile.Table, path string, long bool) Decision {
	if long {
		return j.says(t.Long)
	}
	return j.says(match(j.img, t, path))
}

// guarded judges reaching into another process. Within one subject it is nobody's business.
func (j *judge) guarded(g *compile.Guard) Decision {
	members := j.img.Members[g.Members.First:][:g.Members.Count]
	_, member := slices.BinarySearch(members, j.task.Subject)
	if member || j.task.Subject == j.access.Target {
		return Decision{ID: g.Decision}
	}
	return j.says(g.Decision)
}

func (j *judge) limit(l *compile.Limit, unit uint64) Decision {
	if j.access.Value <= uint64(l.Value)*unit {
		return Decision{ID: l.Decision}
	}
	return j.says(l.Decision)
}

// call is the decision about system calls, and about what the host guards whoever asks.
func (j *judge) call() uint32 {
	a, host := j.access, &j.img.Host
	switch a.Op {
	case OpSyscall:
		return j.syscall()
	case OpCapability:
		if i := j.subject.Capabilities; i != compile.NoTable && a.Number < uint32(len(j.img.Capabilities[i])) {
			return j.img.Capabilities[i][a.Number]
		}
	case OpResolve:
		return matchName(j.img, &host.Names, a.Name)
	case OpModule:
		return match(j.img, &host.Module, a.Name)
	case OpMount:
		return j.object(&host.Mount)
	case OpIoctl:
		return j.object(&host.Device)
	case OpBPF:
		return host.BPF
	case OpSettime:
		return host.Settime
	case OpKeyring:
		return host.Keyring
	case OpIOUring:
		return host.IOUring
	case OpPrctl:
		return option(host.Prctl, a.Number)
	}
	return compile.NoDecision
}

func (j *judge) object(t *compile.Table) uint32 {
	path, long := clean(j.access.Path, j.access.Truncated)
	if long {
		return t.Long
	}
	return match(j.img, t, path)
}

// x32 marks the calls of x86-64 with 32-bit pointers.
const x32 = 1 << 30

func (j *judge) syscall() uint32 {
	if j.subject.Syscalls == compile.NoTable {
		return compile.NoDecision
	}
	calls := &j.img.Syscalls[j.subject.Syscalls]
	table, number := calls.AMD64[:], j.access.Number&^x32
	if j.access.I386 {
		table, number = calls.I386[:], j.access.Number
	}
	if number >= uint32(len(table)) {
		return calls.Miss
	}
	return table[number]
}

func option(sorted []compile.Option, number uint32) uint32 {
	i, ok := slices.BinarySearchFunc(sorted, number, func(o compile.Option, n uint32) int { return int(int64(o.Number) - int64(n)) })
	if !ok {
		return compile.NoDecision
	}
	return sorted[i].Decision
}
