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
	var texts [4]string // path, file name asked for, interpreter, working directory
	for i := range texts {
		if texts[i], _, err = r.Text(); err != nil {
			return err
		}
	}
	argv, cut, err := r.Text()
	if err != nil {
		return err
	}
	file := kernel.File(texts[0], b.File.Inode, b.File.Device, b.File.Mode)
	x := &Exec{
		File: file, ChangedNS: b.ChangedNs,
		ParentPID: int(b.ParentPid), ParentStartNS: b.ParentStartNs,
		Argv: splitArgv(argv), ArgvTruncated: cut, CWD: texts[3],
		EUID: b.Euid, EGID: b.Egid, Capabilities: b.Capabilities,
		Namespaces: event.Namespaces{Mnt: b.NsMnt, PID: b.NsPid, Net: b.NsNet, User: b.NsUser, UTS: b.NsUts, IPC: b.NsIpc, Cgroup: b.NsCgroup},
	}
	if b.Session != ^uint32(0) {
		session := b.Session
		x.LoginUID = &session
	}
	r.Learned = x
	e.Exec = &event.Exec{File: file, Memfd: isMemfd(file.Path), Unlinked: b.File.Unlinked != 0}
	if asked, interp := texts[1], texts[2]; interp != asked {
		// binfmt_script replaces interp and keeps filename: what was asked for is a script.
		e.Exec.Script = absolute(x.CWD, asked)
	}
	return nil
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
