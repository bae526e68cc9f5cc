//go:build !linux

package probe

import (
	"context"
	"runtime"

	"github.com/stockade-security/stockade/event"
)

func notLinux() *Error {
	return &Error{
		Lack: NotLinux,
		text: "the kernel guard needs Linux, and this is " + runtime.GOOS,
		hint: "run it on Linux; elsewhere the policy is judged over a process poller, in audit mode only",
	}
}

// Run says that this is not Linux.
func Run(context.Context) Report {
	err := notLinux()
	return Report{Kernel: runtime.GOOS, Arch: runtime.GOARCH, Mechanisms: []Mechanism{{
		Name: "linux", Purpose: "everything", Reason: err.Error(), Remedy: err.Hint(), Evidence: "built for " + runtime.GOOS,
	}}}
}

// Ready returns an *Error with NotLinux.
func Ready() error { return notLinux() }

// Trampolines returns false.
func Trampolines() bool { return false }

// BPFPrograms returns nothing.
func BPFPrograms() []event.Posture { return nil }
