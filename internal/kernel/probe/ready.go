package probe

import "fmt"

// Lack is why the guard cannot start here.
type Lack string

// The lacks that Ready knows, in the order in which it looks.
const (
	NotLinux     Lack = "not_linux"
	KernelTooOld Lack = "kernel_too_old"
	NoBTF        Lack = "no_btf"
	NotRoot      Lack = "not_root"
	NoBPF        Lack = "no_bpf"
	LockedDown   Lack = "lockdown"
	NoBPFFS      Lack = "bpffs_missing"
)

// FloorMajor and FloorMinor are the oldest kernel on which the guard is tested.
const (
	FloorMajor = 6
	FloorMinor = 1
)

// BPFFS is where the guard's programs and maps are pinned.
const BPFFS = "/sys/fs/bpf"

// Error is a precondition that is not met. Its text is one sentence.
type Error struct {
	Lack Lack
	text string
	hint string
	err  error
}

func (e *Error) Error() string {
	if e.err != nil {
		return fmt.Sprintf("%s: %v", e.text, e.err)
	}
	return e.text
}

func (e *Error) Unwrap() error { return e.err }

// Hint says what to change, in one sentence.
func (e *Error) Hint() string { return e.hint }
