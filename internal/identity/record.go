package identity

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/stockade-security/stockade/event"
)

// Task is what the header of every kernel record says about the process that it concerns. It always means the
// thread group: a record of another thread carries the group's pid and its leader's start.
type Task struct {
	PID int
	// StartNS is the leader's start_boottime, exact. 0: the record cannot tell, and the youngest of that pid is meant.
	StartNS uint64
	// Comm is the kernel's array, ended by a zero byte or its end.
	Comm [16]byte
	// UID and GID are the real ids; they are used only while nothing better is known.
	UID, GID uint32
	// CgroupID is the inode number of its cgroup v2 directory; 0: the record cannot tell.
	CgroupID uint64
	// KernelThread is the task flag PF_KTHREAD.
	KernelThread bool
}

func (k *Task) name() string {
	n := bytes.IndexByte(k.Comm[:], 0)
	if n < 0 {
		n = len(k.Comm)
	}
	return string(k.Comm[:n])
}

// IDs are a process's credentials. Capabilities is the effective set, bit n for capability n.
type IDs struct {
	UID, GID, EUID, EGID uint32
	Capabilities         uint64
}

// ForkInfo is a new process; new threads of an old one are not reported.
type ForkInfo struct {
	// TimeNS is nanoseconds since boot, as in every record; 0 is allowed and stands for the time of the record before.
	TimeNS        uint64
	Parent, Child Task
	// Maker is the process that the child is a copy of, where CLONE_PARENT gave it another parent; PID 0: Parent is.
	Maker Task
	// Namespaces are the child's; nil: its parent's. The cgroup is its parent's too where Child.CgroupID is 0.
	Namespaces *event.Namespaces
}

// ExecInfo is a successful exec: all of the new image. The table keeps no reference to its slices and strings, but
// keeps LoginUID: nobody may change what it points to.
type ExecInfo struct {
	TimeNS uint64
	Task   Task
	// Parent is used when the fork has not been seen; PID 0: not known.
	Parent Task
	// Exe is the resolved path of what is running, Inode and Device (major:minor of the superblock) its file.
	Exe    string
	Inode  uint64
	Device string
	// ChangedNS is the file's change time in nanoseconds since 1970, flag bits removed. With it a digest that is
	// already known is there at once, and a file changed since is never hashed. 0: not known.
	ChangedNS int64
	// Argv is redacted here.
	Argv          []string
	ArgvTruncated bool
	CWD           string
	// LoginUID is the audit session's user, which a change of ids leaves alone; nil: none.
	LoginUID *uint32
	IDs      IDs
	// Namespaces may be nil: as before.
	Namespaces *event.Namespaces
}

// Fork adds the child and returns it. What is already known of the child from its own records stays.
func (t *Table) Fork(f ForkInfo) *event.Process {
	t.mu.Lock()
	defer t.mu.Unlock()
	parent := t.entryFor(f.Parent, true)
	child := t.entryFor(f.Child, false)
	own := known{proc: event.Process{Namespaces: f.Namespaces}}
	if f.Namespaces != nil {
		own.has |= hasNamespaces
	}
	t.complete(child, own)
	maker := parent
	if f.Maker.PID > 0 {
		maker = t.entryFor(f.Maker, true)
	}
	inherited := known{proc: *maker.proc, img: maker.img, cg: maker.cg, has: maker.has &^ hasParent}
	if child.proc.Name != "" {
		inherited.proc.Name = ""
	}
	t.complete(child, inherited)
	if f.Child.KernelThread {
		p := *child.proc
		p.KernelThread = true
		child.proc = &p
	}
	t.adopt(parent, child)
	t.askFor(child)
	return t.settled(child, f.TimeNS)
}

// Exec gives a process its new image and returns the new version.
func (t *Table) Exec(x ExecInfo) *event.Process {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entryFor(x.Task, false)
	if x.Parent.PID > 0 && e.has&hasParent == 0 {
		t.adopt(t.entryFor(x.Parent, true), e)
	}
	k := known{
		proc: event.Process{
			Ref:      event.Ref{Name: x.Task.name(), Exe: t.intern(x.Exe)},
			ExeInode: x.Inode, ExeDevice: t.intern(x.Device),
			Argv: t.argv(x.Argv), ArgvTruncated: x.ArgvTruncated, CWD: t.intern(x.CWD),
			LoginUID: x.LoginUID, Namespaces: x.Namespaces,
		},
		has: hasImage | hasIDs,
	}
	t.setIDs(&k.proc, x.IDs)
	if x.Namespaces != nil {
		k.has |= hasNamespaces
	}
	k.img = t.newImage(k.proc, processKey{e.pid, e.start}, x.ChangedNS)
	e.has &^= k.has
	t.setLine(&e.asParent, nil)
	t.complete(e, k)
	t.moveTo(e, x.Task.CgroupID)
	t.askFor(e)
	return t.settled(e, x.TimeNS)
}

// Exit notes the end of a process and returns its last version, which stays known for Config.ExitGrace.
func (t *Table) Exit(task Task, timeNS uint64) *event.Process {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.nowNS = max(t.nowNS, timeNS)
	e := t.entryFor(task, false)
	t.markExited(e)
	return t.settled(e, timeNS)
}

// SetIDs notes changed credentials and returns the new version.
func (t *Table) SetIDs(task Task, ids IDs, timeNS uint64) *event.Process {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entryFor(task, true)
	k := known{has: hasIDs}
	t.setIDs(&k.proc, ids)
	e.has &^= hasIDs
	t.complete(e, k)
	return t.settled(e, timeNS)
}

// SetNamespaces notes the namespaces that a process has entered and returns the new version.
func (t *Table) SetNamespaces(task Task, ns event.Namespaces, timeNS uint64) *event.Process {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entryFor(task, true)
	e.has &^= hasNamespaces
	t.complete(e, known{proc: event.Process{Namespaces: &ns}, has: hasNamespaces})
	return t.settled(e, timeNS)
}

// SetCgroup notes that a process was moved to the cgroup Task.CgroupID and returns the new version.
func (t *Table) SetCgroup(task Task, timeNS uint64) *event.Process {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entryFor(task, true)
	t.moveTo(e, task.CgroupID)
	return t.settled(e, timeNS)
}

// Lookup returns the process that a record concerns, as it is known now, after noting a change of its cgroup. The same pointer means the same version,
// and what it points to never changes. A process never heard of gets a version made of the record's header, and is
// asked for in the background. Lookup never waits for anything but the table's lock; when the process is known it
// does not allocate. It never returns nil.
func (t *Table) Lookup(task Task) *event.Process {
	t.mu.RLock()
	e := t.find(task.PID, task.StartNS)
	if e != nil && e.seen == e.stamp() && e.in(task.CgroupID) {
		p := e.proc
		e.touch()
		t.mu.RUnlock()
		return p
	}
	t.mu.RUnlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	e = t.entryFor(task, true)
	t.moveTo(e, task.CgroupID)
	t.refresh(e)
	return t.settled(e, 0)
}

// Latest returns the youngest process of a pid, for records that name no start time.
func (t *Table) Latest(pid int) (*event.Process, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.byPID[pid]
	if e == nil {
		return nil, false
	}
	e.touch()
	return e.proc, true
}

// Newest returns a process as it is known by now; p itself when the table has forgotten it. Like Lookup it waits for the
// table's lock alone.
func (t *Table) Newest(p *event.Process) *event.Process {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.find(p.PID, p.StartNS)
	if e == nil {
		return p
	}
	t.refresh(e)
	return e.proc
}

// Processes returns those that run now, in order of their pids, each as it is known by now.
func (t *Table) Processes() []*event.Process {
	t.mu.Lock()
	defer t.mu.Unlock()
	var running []*event.Process
	for e := t.live.head; e != nil; e = e.next {
		if !e.exited {
			t.refresh(e)
			running = append(running, e.proc)
		}
	}
	slices.SortFunc(running, func(a, b *event.Process) int { return cmp.Compare(a.PID, b.PID) })
	return running
}

// entryFor returns the entry of a record's task, adding one from the header, and asking /proc, when there is none.
func (t *Table) entryFor(task Task, ask bool) *entry {
	e := t.claim(task.PID, task.StartNS)
	if e != nil {
		if e.list == &t.live {
			e.unlist()
			t.live.push(e)
		}
		return e
	}
	p := event.Process{
		Ref: event.Ref{PID: task.PID, StartNS: task.StartNS, Name: task.name()},
		UID: task.UID, GID: task.GID, EUID: task.UID, EGID: task.GID, User: t.users.name(task.UID),
		KernelThread: task.KernelThread,
	}
	e = t.insert(p, true)
	t.moveTo(e, task.CgroupID)
	if ask {
		t.stats.Unknown++
		t.askFor(e)
	}
	return e
}

// askFor has what is missing read from /proc. It asks once: what is missing after that is not to be had.
func (t *Table) askFor(e *entry) {
	if e.has != hasAll && !e.asked && e.pid > 0 && e.start > 0 {
		e.asked = t.fills.offer(processKey{e.pid, e.start})
	}
}

// settled returns e's version after making room; e itself may have to go.
func (t *Table) settled(e *entry, timeNS uint64) *event.Process {
	p := e.proc
	t.settle(timeNS)
	return p
}
