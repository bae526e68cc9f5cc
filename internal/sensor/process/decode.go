//go:build linux

package process

import (
	"path"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
)

func decode(r *kernel.Record, e *event.Event) error {
	switch r.Kind {
	case event.KindExec:
		return decodeExec(r, e)
	case event.KindFork:
		return decodeFork(r, e)
	default:
		return decodeExit(r, e)
	}
}

func decodeExec(r *kernel.Record, e *event.Event) error {
	b, err := kernel.Body[bpfExec](r)
	if err != nil {
		return err
	}
	exe, exeCut, err := r.Text()
	if err != nil {
		return err
	}
	asked, err := decodeAsked(r, b)
	if err != nil {
		return err
	}
	cwd, _, err := r.Text()
	if err != nil {
		return err
	}
	argv, cut, err := r.Text()
	if err != nil {
		return err
	}
	file := kernel.File(exe, b.File.Inode, b.File.Device, b.File.Mode)
	file.PathTruncated = exeCut
	x := &Exec{
		File: file, ChangedNS: b.ChangedNs,
		ParentPID: int(b.ParentPid), ParentStartNS: b.ParentStartNs,
		Argv: splitArgv(argv), ArgvTruncated: cut, CWD: cwd,
		EUID: b.Euid, EGID: b.Egid, Capabilities: b.Capabilities,
		Namespaces: event.Namespaces{Mnt: b.NsMnt, PID: b.NsPid, Net: b.NsNet, User: b.NsUser, UTS: b.NsUts, IPC: b.NsIpc, Cgroup: b.NsCgroup},
	}
	if b.Session != ^uint32(0) {
		session := b.Session
		x.LoginUID = &session
	}
	r.Learned = x
	if asked.Inode == 0 && asked.Path != "" {
		asked.Path = absolute(cwd, asked.Path)
	}
	e.Exec = &event.Exec{
		File: file, Memfd: isMemfd(file.Path), Unlinked: b.File.Unlinked != 0,
		Script: asked.Path, ScriptInode: asked.Inode, ScriptDevice: asked.Device, ScriptTruncated: asked.PathTruncated,
	}
	return nil
}

// decodeAsked takes the file that was asked for, where an interpreter runs it: with path and inode, or only the name that
// the task gave.
func decodeAsked(r *kernel.Record, b *bpfExec) (f event.File, err error) {
	if bpfScript(b.Script) == bpfScriptSCRIPT_NONE {
		return f, nil
	}
	path, cut, err := r.Text()
	if bpfScript(b.Script) == bpfScriptSCRIPT_FILE {
		f = kernel.File(path, b.Asked.Inode, b.Asked.Device, b.Asked.Mode)
	}
	f.Path, f.PathTruncated = path, cut
	return f, err
}

// Exec is what the kernel said of a new image beyond the event, for the process table. Arguments are as the process
// got them: not redacted.
type Exec struct {
	File event.File
	// ChangedNS is the file's change time in nanoseconds since 1970.
	ChangedNS     int64
	ParentPID     int
	ParentStartNS uint64
	Argv          []string
	ArgvTruncated bool
	CWD           string
	EUID, EGID    uint32
	// Capabilities is the effective set as a mask.
	Capabilities uint64
	LoginUID     *uint32
	Namespaces   event.Namespaces
}

// splitArgv parts the argument area of a process, where each argument ends in a NUL.
func splitArgv(s string) []string {
	s = strings.TrimSuffix(s, "\x00")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\x00")
}

// isMemfd knows a memfd by the name that shmem gives its only dentry; it stands in no directory.
func isMemfd(p string) bool { return strings.HasPrefix(p, "/memfd:") }

func absolute(dir, name string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(dir, name)
}

// namespaceFlags are the clone flags that make namespaces (include/uapi/linux/sched.h).
var namespaceFlags = []struct {
	bit  uint64
	name string
}{
	{0x80, "CLONE_NEWTIME"},
	{0x20000, "CLONE_NEWNS"},
	{0x2000000, "CLONE_NEWCGROUP"},
	{0x4000000, "CLONE_NEWUTS"},
	{0x8000000, "CLONE_NEWIPC"},
	{0x10000000, "CLONE_NEWUSER"},
	{0x20000000, "CLONE_NEWPID"},
	{0x40000000, "CLONE_NEWNET"},
}

func decodeFork(r *kernel.Record, e *event.Event) error {
	b, err := kernel.Body[bpfFork](r)
	if err != nil {
		return err
	}
	e.Fork = &event.Fork{
		Child:  event.Ref{PID: int(b.Pid), StartNS: b.StartNs, Name: r.Name()},
		Parent: event.Ref{PID: int(b.ParentPid), StartNS: b.ParentStartNs},
	}
	for _, f := range namespaceFlags {
		if b.Flags&f.bit != 0 {
			e.Fork.Flags = append(e.Fork.Flags, f.name)
		}
	}
	return nil
}

func decodeExit(r *kernel.Record, e *event.Event) error {
	b, err := kernel.Body[bpfExit](r)
	if err != nil {
		return err
	}
	e.Exit = &event.Exit{
		Code:       int(b.Code >> 8 & 0xff),
		Signal:     int(b.Code & 0x7f),
		CoreDumped: b.Code&0x80 != 0,
		DurationNS: b.DurationNs,
	}
	if e.Exit.Signal != 0 {
		e.Exit.SignalName = event.SignalName(e.Exit.Signal)
	}
	return nil
}
