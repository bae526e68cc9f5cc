//go:build linux

package pipeline

import (
	"cmp"
	"fmt"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/identity"
	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/internal/sensor/process"
	"github.com/stockade-security/stockade/internal/sensor/system"
)

func taskOf(r *kernel.Record) identity.Task {
	return identity.Task{
		PID: int(r.PID), StartNS: r.StartNS, Comm: r.Comm, UID: r.UID, GID: r.GID, CgroupID: r.CgroupID, KernelThread: r.KernelThread,
	}
}

// identify tells the process table what the record says of tasks, and sets the event's process.
func (p *Pipeline) identify(r *kernel.Record, e *event.Event) error {
	task := taskOf(r)
	switch r.Kind {
	case event.KindExec:
		x, ok := r.Learned.(*process.Exec)
		if !ok {
			return fmt.Errorf("an exec record without its image: %T", r.Learned)
		}
		before := p.cfg.Table.Lookup(task)
		e.Process = p.cfg.Table.Exec(execInfo(r, task, x))
		e.Exec.Caller = before.Exe
		e.Exec.Setuid = before.EUID != e.Process.EUID || before.EGID != e.Process.EGID
	case event.KindFork:
		e.Process = p.cfg.Table.Lookup(task)
		child := p.cfg.Table.Fork(forkInfo(r, task, e.Fork))
		e.Fork.Child = child.Ref
	case event.KindExit:
		e.Process = p.cfg.Table.Exit(task, r.TimeNS)
	case event.KindCredential:
		e.Process = p.cfg.Table.Lookup(task)
		return p.credential(r, e, task)
	case event.KindNamespace:
		e.Process = p.cfg.Table.Lookup(task)
		return p.namespace(r, e, task)
	default:
		e.Process = p.cfg.Table.Lookup(task)
	}
	p.reach(e)
	return nil
}

// initialPIDs is the inode of the first pid namespace (PROC_PID_INIT_INO in include/linux/proc_ns.h).
const initialPIDs = 0xEFFFFFFC

// reach names the process that a signal was sent to or that is traced, if it is known: policies protect executables.
func (p *Pipeline) reach(e *event.Event) {
	switch {
	case e.Signal != nil:
		p.complete(&e.Signal.Target)
	case e.Ptrace != nil && e.Process.Namespaces != nil && e.Process.Namespaces.PID == initialPIDs:
		// From elsewhere the number is another's, or nobody's.
		p.complete(&e.Ptrace.Target)
	}
}

// startTick is how precise the start of a process is that ran before the guard did.
const startTick = uint64(10 * time.Millisecond)

func (p *Pipeline) complete(ref *event.Ref) {
	known, ok := p.cfg.Table.Latest(ref.PID)
	if !ok || ref.StartNS != 0 && max(ref.StartNS, known.StartNS)-min(ref.StartNS, known.StartNS) > startTick {
		return
	}
	ref.Exe = known.Exe
	ref.StartNS = cmp.Or(ref.StartNS, known.StartNS)
	ref.Name = cmp.Or(ref.Name, known.Name)
}

// credential works out what a change of ids gave and took; the event's process is as it was before.
func (p *Pipeline) credential(r *kernel.Record, e *event.Event, task identity.Task) error {
	now, ok := r.Learned.(*system.Credentials)
	if !ok {
		return fmt.Errorf("a credential record without its ids: %T", r.Learned)
	}
	before := event.CapabilityMask(e.Process.Capabilities)
	e.Credential.Gained = event.CapabilityNames(now.Capabilities &^ before)
	e.Credential.Dropped = event.CapabilityNames(before &^ now.Capabilities)
	p.cfg.Table.SetIDs(task, identity.IDs{UID: now.UID, GID: now.GID, EUID: now.EUID, EGID: now.EGID, Capabilities: now.Capabilities}, r.TimeNS)
	return nil
}

// namespace finds out which namespaces a setns without a type has changed.
func (p *Pipeline) namespace(r *kernel.Record, e *event.Event, task identity.Task) error {
	now, ok := r.Learned.(*event.Namespaces)
	if !ok {
		return fmt.Errorf("a namespace record without its namespaces: %T", r.Learned)
	}
	if before := e.Process.Namespaces; before != nil && len(e.Namespace.Types) == 0 {
		e.Namespace.Types = changed(*before, *now)
	}
	p.cfg.Table.SetNamespaces(task, *now, r.TimeNS)
	return nil
}

func changed(a, b event.Namespaces) []string {
	var types []string
	for _, t := range []struct {
		name string
		a, b uint32
	}{
		{"mnt", a.Mnt, b.Mnt},
		{"cgroup", a.Cgroup, b.Cgroup},
		{"uts", a.UTS, b.UTS},
		{"ipc", a.IPC, b.IPC},
		{"user", a.User, b.User},
		{"pid", a.PID, b.PID},
		{"net", a.Net, b.Net},
	} {
		if t.a != t.b {
			types = append(types, t.name)
		}
	}
	return types
}

func execInfo(r *kernel.Record, task identity.Task, x *process.Exec) identity.ExecInfo {
	return identity.ExecInfo{
		TimeNS: r.TimeNS, Task: task,
		Parent: identity.Task{PID: x.ParentPID, StartNS: x.ParentStartNS},
		Exe:    x.File.Path, Inode: x.File.Inode, Device: x.File.Device, ChangedNS: x.ChangedNS,
		Argv: x.Argv, ArgvTruncated: x.ArgvTruncated, CWD: x.CWD,
		IDs:        identity.IDs{UID: r.UID, GID: r.GID, EUID: x.EUID, EGID: x.EGID, Capabilities: x.Capabilities},
		LoginUID:   x.LoginUID,
		Namespaces: &x.Namespaces,
	}
}

// forkInfo describes the child, which shares its maker's name, ids and cgroup until it changes them. Its parent is not
// its maker where CLONE_PARENT was used.
func forkInfo(r *kernel.Record, maker identity.Task, f *event.Fork) identity.ForkInfo {
	info := identity.ForkInfo{TimeNS: r.TimeNS, Parent: maker, Child: maker}
	info.Child.PID, info.Child.StartNS = f.Child.PID, f.Child.StartNS
	if f.Parent.PID != maker.PID {
		info.Parent = identity.Task{PID: f.Parent.PID, StartNS: f.Parent.StartNS}
		info.Maker = maker
	}
	return info
}
