package pipeline

import (
	"fmt"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/identity"
	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/internal/sensor/process"
)

// identify tells the process table what the record says of tasks, and sets the event's process.
func (p *Pipeline) identify(r *kernel.Record, e *event.Event) error {
	task := identity.Task{
		PID: int(r.PID), StartNS: r.StartNS, Comm: r.Comm, UID: r.UID, GID: r.GID, CgroupID: r.CgroupID, KernelThread: r.KernelThread,
	}
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
	default:
		e.Process = p.cfg.Table.Lookup(task)
	}
	return nil
}

func execInfo(r *kernel.Record, task identity.Task, x *process.Exec) identity.ExecInfo {
	return identity.ExecInfo{
		TimeNS: r.TimeNS, Task: task,
		Parent: identity.Task{PID: x.ParentPID, StartNS: x.ParentStartNS},
		Exe:    x.File.Path, Inode: x.File.Inode, Device: x.File.Device, ChangedNS: x.ChangedNS,
		Argv: x.Argv, ArgvTruncated: x.ArgvTruncated, CWD: x.CWD,
		IDs:        identity.IDs{UID: r.UID, GID: r.GID, EUID: x.EUID, EGID: x.EGID, Capabilities: x.Capabilities},
		Namespaces: &x.Namespaces,
	}
}

// forkInfo describes the child, which shares its maker's name, ids and cgroup until it changes them. Its parent is not
// its maker where CLONE_PARENT was used.
func forkInfo(r *kernel.Record, maker identity.Task, f *event.Fork) identity.ForkInfo {
	child, parent := maker, maker
	child.PID, child.StartNS = f.Child.PID, f.Child.StartNS
	if f.Parent.PID != maker.PID {
		parent = identity.Task{PID: f.Parent.PID, StartNS: f.Parent.StartNS}
	}
	return identity.ForkInfo{TimeNS: r.TimeNS, Parent: parent, Child: child}
}
