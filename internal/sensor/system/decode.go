//go:build linux

package system

import (
	"fmt"
	"os"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
)

// Credentials are a process's ids and effective capabilities after a change.
type Credentials struct {
	UID, GID, EUID, EGID uint32
	Capabilities         uint64
}

func decode(r *kernel.Record, e *event.Event) error {
	switch r.Kind {
	case event.KindSignal:
		return decodeSignal(r, e)
	case event.KindBPF:
		return decodeBPF(r, e)
	case event.KindModuleLoad, event.KindModuleUnload:
		return decodeModule(r, e)
	case event.KindCredential:
		return decodeCredential(r, e)
	case event.KindCapability:
		return decodeCapability(r, e)
	case event.KindNamespace:
		return decodeNamespace(r, e)
	case event.KindOOMKill:
		return decodeOOM(r, e)
	}
	c, err := kernel.Body[bpfCall](r)
	if err != nil {
		return err
	}
	name := callName(c.Number, c.Compat != 0)
	switch r.Kind {
	case event.KindMount, event.KindUmount:
		return decodeMount(r, e, name, c)
	case event.KindPtrace:
		e.Ptrace = ptraceDetail(name, c)
		return nil
	}
	if name == "ipc" {
		name = ipcCalled(c)
	}
	e.Call = &event.Call{Syscall: name}
	return describe(r, e.Call, c)
}

func decodeSignal(r *kernel.Record, e *event.Event) error {
	b, err := kernel.Body[bpfSignal](r)
	if err != nil {
		return err
	}
	e.Signal = &event.Signal{
		Number: int(b.Number), Name: event.SignalName(int(b.Number)),
		Target: event.Ref{PID: int(b.TargetPid), StartNS: b.TargetStartNs, Name: kernel.CString(b.TargetComm[:])},
	}
	return nil
}

func decodeBPF(r *kernel.Record, e *event.Event) error {
	b, err := kernel.Body[bpfBpfCall](r)
	if err != nil {
		return err
	}
	e.BPF = &event.BPF{Command: bpfCommand(b.Command), Name: kernel.CString(b.Name[:])}
	switch e.BPF.Command {
	case "BPF_PROG_LOAD":
		e.BPF.Type = programType(b.Type)
	case "BPF_MAP_CREATE":
		e.BPF.Type = mapType(b.Type)
	}
	return nil
}

func decodeModule(r *kernel.Record, e *event.Event) error {
	name, _, err := r.Text()
	if err != nil {
		return err
	}
	path, _, err := r.Text()
	e.Module = &event.Module{Name: name, Path: path}
	return err
}

func decodeCredential(r *kernel.Record, e *event.Event) error {
	b, err := kernel.Body[bpfCredential](r)
	if err != nil {
		return err
	}
	r.Learned = &Credentials{UID: r.UID, GID: r.GID, EUID: b.Euid, EGID: b.Egid, Capabilities: b.Capabilities}
	e.Credential = &event.Credential{
		Operation: callName(b.Number, b.Compat != 0),
		UID:       r.UID, GID: r.GID, EUID: b.Euid, EGID: b.Egid,
	}
	return nil
}

func decodeCapability(r *kernel.Record, e *event.Event) error {
	b, err := kernel.Body[bpfCapability](r)
	if err != nil {
		return err
	}
	e.Capability = &event.Capability{Name: event.CapabilityName(int(b.Number)), Granted: b.Granted != 0}
	return nil
}

func decodeNamespace(r *kernel.Record, e *event.Event) error {
	b, err := kernel.Body[bpfNamespaces](r)
	if err != nil {
		return err
	}
	r.Learned = &event.Namespaces{Mnt: b.Mnt, PID: b.Pid, Net: b.Net, User: b.User, UTS: b.Uts, IPC: b.Ipc, Cgroup: b.Cgroup}
	e.Namespace = &event.Namespace{Operation: callName(b.Number, b.Compat != 0), Types: namespaceTypes(b.Flags)}
	return nil
}

func decodeOOM(r *kernel.Record, e *event.Event) error {
	b, err := kernel.Body[bpfOom](r)
	if err != nil {
		return err
	}
	e.OOM = &event.OOM{
		Victim:        event.Ref{PID: int(b.Pid), StartNS: b.StartNs, Name: kernel.CString(b.Comm[:])},
		ResidentBytes: b.ResidentPages * uint64(os.Getpagesize()),
	}
	return nil
}

func ptraceDetail(name string, c *bpfCall) *event.Ptrace {
	if name != "ptrace" {
		return &event.Ptrace{Request: name, Target: event.Ref{PID: int(int32(c.Args[0]))}}
	}
	p := &event.Ptrace{Request: ptraceRequest(c.Args[0])}
	if p.Request != "PTRACE_TRACEME" {
		p.Target.PID = int(int32(c.Args[1]))
	}
	return p
}

func decodeMount(r *kernel.Record, e *event.Event, name string, c *bpfCall) error {
	m := &event.Mount{Operation: name}
	e.Mount = m
	var err error
	switch name {
	case "mount":
		if m.Target, _, err = kernel.Argument(r); err != nil {
			return err
		}
		if m.Source, _, err = r.Text(); err != nil {
			return err
		}
		m.Filesystem, _, err = r.Text()
		m.Operation, m.Flags = mountOperation(c.Args[3])
	case "umount":
		m.Target, _, err = kernel.Argument(r)
	case "move_mount":
		m.Operation = "move"
		if m.Source, _, err = kernel.Argument(r); err != nil {
			return err
		}
		m.Target, _, err = kernel.Argument(r)
	case "open_tree":
		m.Source, _, err = kernel.Argument(r)
	case "mount_setattr":
		m.Operation = "setattr"
		m.Target, _, err = kernel.Argument(r)
	}
	if err != nil {
		return fmt.Errorf("names of %s: %w", name, err)
	}
	return nil
}
