//go:build linux

// Package syscall sees the first time that each executable makes each system call. It attaches to the begin of all system
// calls of all processes, which costs every one of them, so it is there on request only.
//
// What seccomp refuses, what the C library asks of the vDSO, and what is done through io_uring is no call here. Each guard
// begins anew; what an executable did before it is not known.
package syscall

import (
	"strconv"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/internal/syscalls"
)

// New returns the sensor.
func New() *kernel.Sensor {
	return &kernel.Sensor{
		Name:      "syscall",
		OnRequest: true,
		Spec:      loadBpf,
		Hooks:     []kernel.Hook{{Program: bpfProgSyscallEnter}},
		Kinds:     []event.Kind{event.KindSyscall},
		Decode:    decode,
	}
}

// tableI386 is TABLE_I386 of first.h.
const tableI386 = 1

func decode(r *kernel.Record, e *event.Event) error {
	f, err := kernel.Body[bpfFirstCall](r)
	if err != nil {
		return err
	}
	e.Call = call(int(f.Number), f.Table == tableI386)
	return nil
}

func call(number int, i386 bool) *event.Call {
	c := &event.Call{Syscall: syscalls.AMD64(number)}
	if i386 {
		c.Syscall, c.ABI = syscalls.I386(number), "i386"
	}
	if c.Syscall == "" {
		c.Syscall = strconv.Itoa(number)
	}
	return c
}
