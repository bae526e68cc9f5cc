//go:build linux

// Package library sees what code processes map after exec: files mapped to be executed, such as shared libraries and
// plugins, and executable memory that no file backs or that can be or has been written. It reads no memory.
//
// Code that a process writes over through /proc/PID/mem or a debugger's calls is not seen here, nor is a heap grown by
// brk(2) where the process asked for all readable memory to be executable; nor, without trampolines, i386's ipc(2).
package library

import (
	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
)

// New returns the sensor.
func New() *kernel.Sensor {
	return &kernel.Sensor{
		Name: "library",
		Spec: loadBpf,
		// Numbers are those of arch/x86/entry/syscalls: x86-64 first, then i386.
		Hooks: []kernel.Hook{
			{Program: bpfProgLibraryMmap, Syscalls: []kernel.Syscall{{Name: "mmap", Native: 9, IA32: -1}, {Name: "mmap_pgoff", Native: -1, IA32: 192}}},
			{Program: bpfProgLibraryMmap1, Syscalls: []kernel.Syscall{{Name: "ia32_mmap", Native: -1, IA32: 90}}},
			{Program: bpfProgLibraryProtect, Syscalls: []kernel.Syscall{{Name: "mprotect", Native: 10, IA32: 125}, {Name: "pkey_mprotect", Native: 329, IA32: 380}}},
			{Program: bpfProgLibraryDoshmat, Rung: kernel.Trampolines},
			{Program: bpfProgLibraryShmat, Rung: kernel.Tracepoints, Syscalls: []kernel.Syscall{{Name: "shmat", Native: 30, IA32: 397}}},
		},
		Kinds:  []event.Kind{event.KindLibrary, event.KindMemoryExec},
		Decode: decode,
	}
}
