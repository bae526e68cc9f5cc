//go:build linux

// Package process sees programs start, fork and end. It keeps no table of them: internal/identity does.
package process

import (
	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
)

// New returns the sensor. For the process table, Record.Learned of an exec is an *Exec.
func New() *kernel.Sensor {
	return &kernel.Sensor{
		Name: "process",
		Spec: loadBpf,
		Hooks: []kernel.Hook{
			{Program: bpfProgProcessAsked, Rung: kernel.Trampolines},
			{Program: bpfProgProcessExec},
			{Program: bpfProgProcessFork},
			{Program: bpfProgProcessExit},
		},
		Kinds:  []event.Kind{event.KindExec, event.KindFork, event.KindExit},
		Decode: decode,
	}
}
