// Package process sees programs start, fork and end. It keeps no table of them: internal/identity does.
package process

import (
	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
)

// New returns the sensor. Its exec and fork events carry a Process made of what the kernel said, for internal/identity
// to complete.
func New() *kernel.Sensor {
	return &kernel.Sensor{
		Name: "process",
		Spec: loadBpf,
		Hooks: []kernel.Hook{
			{Program: bpfProgProcessExec},
			{Program: bpfProgProcessFork},
			{Program: bpfProgProcessExit},
		},
		Kinds:  []event.Kind{event.KindExec, event.KindFork, event.KindExit},
		Decode: decode,
	}
}
