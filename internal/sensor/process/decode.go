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
	p := &event.Process{
		Ref:       event.Ref{PID: int(r.PID), StartNS: r.StartNS, Name: r.Name, Exe: file.Path},
		ExeInode:  file.Inode,
		ExeDevice: file.Device,
		CWD:       texts[3],
		UID:       r.UID, GID: r.GID, EUID: b.Euid, EGID: b.Egid,
		Capabilities: event.CapabilityNames(b.Capabilities),
		CgroupID:     r.CgroupID,
		Namespaces:   &event.Namespaces{Mnt: b.NsMnt, PID: b.NsPid, Net: b.NsNet, User: b.NsUser, UTS: b.NsUts, IPC: b.NsIpc, Cgroup: b.NsCgroup},
		Parents:      []event.Ref{{PID: int(b.ParentPid), StartNS: b.ParentStartNs}},
	}
	p.Argv, p.ArgvTruncated = splitArgv(argv), cut
	if b.Session != ^uint32(0) {
		session := b.Session
		p.LoginUID = &session
	}
	e.Process = p
	e.Exec = &event.Exec{File: file, Memfd: isMemfd(file.Path), Unlinked: b.File.Unlinked != 0}
	if asked, interp := texts[1], texts[2]; interp != asked {
		// binfmt_script replaces interp and keeps filename: what was asked for is a script.
		e.Exec.Script = absolute(p.CWD, asked)
	}
	return nil
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
		Child:  event.Ref{PID: int(b.Pid), StartNS: b.StartNs, Name: r.Name},
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
