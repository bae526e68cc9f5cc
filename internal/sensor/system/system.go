//go:build linux

// Package system sees what processes ask of the kernel beyond files and network: signals, ptrace, bpf, modules, mounts,
// credentials, capabilities, namespaces, and the calls that matter by themselves. It names things; it judges nothing.
package system

import (
	"github.com/cilium/ebpf/btf"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
)

// Options tune the sensor.
type Options struct {
	// GrantedCapabilities reports checks that were granted too, the first of each process and capability.
	GrantedCapabilities bool
}

// New returns the sensor. For the process table, Record.Learned of a credential event is a *Credentials and of a
// namespace event an *event.Namespaces.
func New(o Options) *kernel.Sensor {
	granted := uint8(0)
	if o.GrantedCapabilities {
		granted = 1
	}
	return &kernel.Sensor{
		Name:  "system",
		Spec:  loadBpf,
		Hooks: hooks(),
		Kinds: []event.Kind{
			event.KindSignal, event.KindPtrace, event.KindBPF, event.KindModuleLoad, event.KindModuleUnload, event.KindMount, event.KindUmount,
			event.KindCredential, event.KindCapability, event.KindNamespace, event.KindKexec, event.KindSettime, event.KindPrctl,
			event.KindKeyring, event.KindIOUring, event.KindXfrm, event.KindIPC, event.KindOOMKill,
		},
		Decode:    decode,
		Constants: map[string]any{bpfVarCapabilityGranted: granted},
	}
}

func hooks() []kernel.Hook {
	return []kernel.Hook{
		{Program: bpfProgSystemSignal},
		{Program: bpfProgSystemModload},
		{Program: bpfProgSystemModfree},
		{Program: bpfProgSystemModfail, Syscalls: moduleCalls},
		{Program: bpfProgSystemCapable, When: hasCapableTracepoint},
		{Program: bpfProgSystemCapfn, Rung: kernel.Trampolines, When: func(s *btf.Spec) bool { return !hasCapableTracepoint(s) }},
		{Program: bpfProgSystemOom, When: victimIsTask},
		{Program: bpfProgSystemOomPid, When: func(s *btf.Spec) bool { return !victimIsTask(s) }},
		{Program: bpfProgSystemPtrace, Syscalls: ptraceCalls},
		{Program: bpfProgSystemProcvm, Syscalls: processVMCalls},
		{Program: bpfProgSystemBpf, Syscalls: bpfCalls},
		{Program: bpfProgSystemMount, Syscalls: mountCalls},
		{Program: bpfProgSystemMnttree, Syscalls: treeCalls},
		{Program: bpfProgSystemFsmount, Syscalls: fsmountCalls},
		{Program: bpfProgSystemUmount, Syscalls: umountCalls},
		{Program: bpfProgSystemCred, Syscalls: credentialCalls},
		{Program: bpfProgSystemNs, Syscalls: namespaceCalls},
		{Program: bpfProgSystemKexec, Syscalls: kexecCalls},
		{Program: bpfProgSystemIoUring, Syscalls: uringCalls},
		{Program: bpfProgSystemIpc, Syscalls: ipcCalls},
		{Program: bpfProgSystemIpc32, Syscalls: ipcCall},
		{Program: bpfProgSystemSettime, Syscalls: settimeCalls},
		{Program: bpfProgSystemAdjtime, Syscalls: adjtimeCalls},
		{Program: bpfProgSystemPrctl, Syscalls: prctlCalls},
		{Program: bpfProgSystemKeyctl, Syscalls: keyctlCalls},
		{Program: bpfProgSystemKey, Syscalls: keyCalls},
		{Program: bpfProgSystemXfrm, Syscalls: socketCalls},
		// The dispatcher has one program for each call, and this one's is the network sensor's.
		{Program: bpfProgSystemXfrm32, Rung: kernel.Trampolines, Syscalls: socketCall},
	}
}

// hasCapableTracepoint: since 6.14 (kernel commit d48da4d5ed7b, "security: add trace event for cap_capable").
func hasCapableTracepoint(types *btf.Spec) bool {
	var t *btf.Typedef
	return types.TypeByName("btf_trace_cap_capable", &t) == nil
}

// victimIsTask: mark_victim carries the task since 6.9 and a bare pid before. The tracepoint's type is a pointer to a
// function whose first argument is the tracer's own data.
func victimIsTask(types *btf.Spec) bool {
	var t *btf.Typedef
	if types.TypeByName("btf_trace_mark_victim", &t) != nil {
		return true // neither variant fits, and one of them must say so
	}
	pointer, ok := t.Type.(*btf.Pointer)
	if !ok {
		return false
	}
	proto, ok := pointer.Target.(*btf.FuncProto)
	if !ok || len(proto.Params) < 2 {
		return false
	}
	_, task := proto.Params[1].Type.(*btf.Pointer)
	return task
}
