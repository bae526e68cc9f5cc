package syscalls_test

import (
	"slices"
	"testing"

	"github.com/stockade-security/stockade/internal/syscalls"
)

func TestNames(t *testing.T) {
	for _, c := range []struct {
		number      int
		amd64, i386 string
	}{
		{-1, "", ""},
		{0, "read", "restart_syscall"},
		{11, "munmap", "execve"},
		{59, "execve", "oldolduname"},
		{222, "timer_create", ""}, // i386 has a gap there
		{400, "", "msgsnd"},
		{439, "faccessat2", "faccessat2"},
		{1 << 20, "", ""},
	} {
		if got := syscalls.AMD64(c.number); got != c.amd64 {
			t.Errorf("AMD64(%d) = %q, not %q", c.number, got, c.amd64)
		}
		if got := syscalls.I386(c.number); got != c.i386 {
			t.Errorf("I386(%d) = %q, not %q", c.number, got, c.i386)
		}
	}
	names := syscalls.Names()
	if !slices.IsSorted(names) || slices.Contains(names, "") || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Error("Names is not a sorted set")
	}
	for _, n := range []string{"ptrace", "socketcall", "openat2", "arch_prctl"} {
		if !slices.Contains(names, n) {
			t.Errorf("no %s among the names", n)
		}
	}
}
