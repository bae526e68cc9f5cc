//go:build linux

// Package network sees sockets connect, accept, bind, listen and send, and what a TCP connection carried. It sees no
// packets, and does not look names up.
package network

import (
	"github.com/cilium/ebpf/btf"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
)

// New returns the sensor. Connections that were there before it was added have no volume.
func New() *kernel.Sensor {
	return &kernel.Sensor{
		Name:   "network",
		Spec:   loadBpf,
		Hooks:  append(calls(), hooks()...),
		Kinds:  []event.Kind{event.KindConnect, event.KindAccept, event.KindBind, event.KindListen, event.KindSend, event.KindFlowVolume},
		Decode: decode,
		Folds:  []string{bpfMapSends},
	}
}

func hooks() []kernel.Hook {
	return []kernel.Hook{
		{Program: bpfProgNetworkConn4, Cgroup: true},
		{Program: bpfProgNetworkConn6, Cgroup: true},
		{Program: bpfProgNetworkSend4, Cgroup: true},
		{Program: bpfProgNetworkSend6, Cgroup: true},
		{Program: bpfProgNetworkState},
		{Program: bpfProgNetworkConnfile, Rung: kernel.Trampolines},
		{Program: bpfProgNetworkDoaccept, Rung: kernel.Trampolines},
		{Program: bpfProgNetworkSendmsg, Rung: kernel.Trampolines},
		{Program: bpfProgNetworkBindsock, Rung: kernel.Trampolines, When: bindsSockets},
		{Program: bpfProgNetworkLisnsock, Rung: kernel.Trampolines, When: bindsSockets},
		{Program: bpfProgNetworkSysbind, Rung: kernel.Trampolines},
		{Program: bpfProgNetworkSyslisn, Rung: kernel.Trampolines},
	}
}

// calls are the ends of system calls, for the rung without trampolines.
func calls() []kernel.Hook {
	at := func(program string, calls ...kernel.Syscall) kernel.Hook {
		return kernel.Hook{Program: program, Rung: kernel.Tracepoints, Syscalls: calls}
	}
	return []kernel.Hook{
		at(bpfProgNetworkConnect, kernel.Syscall{Name: "connect", Native: 42, IA32: 362}),
		at(bpfProgNetworkAccept, kernel.Syscall{Name: "accept", Native: 43, IA32: -1}, kernel.Syscall{Name: "accept4", Native: 288, IA32: 364}),
		at(bpfProgNetworkBind, kernel.Syscall{Name: "bind", Native: 49, IA32: 361}),
		at(bpfProgNetworkListen, kernel.Syscall{Name: "listen", Native: 50, IA32: 363}),
		at(bpfProgNetworkSendto, kernel.Syscall{Name: "sendto", Native: 44, IA32: 369}),
		at(bpfProgNetworkSendhdr, kernel.Syscall{Name: "sendmsg", Native: 46, IA32: 370}),
		at(bpfProgNetworkSendmany, kernel.Syscall{Name: "sendmmsg", Native: 307, IA32: 345}),
		at(bpfProgNetworkI386, kernel.Syscall{Name: "socketcall", Native: -1, IA32: 102}),
	}
}

// bindsSockets: io_uring can bind and listen since 6.11.
func bindsSockets(types *btf.Spec) bool {
	var f *btf.Func
	return types.TypeByName("__sys_bind_socket", &f) == nil
}
