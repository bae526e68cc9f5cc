//go:build linux

package system

import (
	"slices"
	"testing"

	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/internal/syscalls"
)

// TestCallNumbers holds the numbers in the tables to the kernel's own.
func TestCallNumbers(t *testing.T) {
	// What the kernel's functions are called where the call's name differs.
	other := map[string][]string{"umount": {"umount2"}}
	fits := func(call kernel.Syscall, got string) bool {
		name := plain(call.Name)
		return got == name || got == name+"32" || got == name+"64" || slices.Contains(other[call.Name], got)
	}
	for _, h := range hooks() {
		for _, c := range h.Syscalls {
			if got := syscalls.AMD64(c.Native); c.Native >= 0 && !fits(c, got) {
				t.Errorf("%s: x86-64 call %d is %s", c.Name, c.Native, got)
			}
			if got := syscalls.I386(c.IA32); c.IA32 >= 0 && !fits(c, got) {
				t.Errorf("%s: i386 call %d is %s", c.Name, c.IA32, got)
			}
			if got := callName(uint32(c.Native), false); c.Native >= 0 && got != plain(c.Name) {
				t.Errorf("x86-64 call %d is named %q instead of %q", c.Native, got, c.Name)
			}
		}
	}
}

func TestMountOperation(t *testing.T) {
	for _, c := range []struct {
		flags     uint64
		operation string
		names     []string
	}{
		{0, "mount", nil},
		{0x1 | 0x2, "mount", []string{"MS_RDONLY", "MS_NOSUID"}},
		{0x1000 | 0x4000, "bind", []string{"MS_BIND", "MS_REC"}},
		{0x1000 | 0x20 | 1, "remount", []string{"MS_RDONLY", "MS_REMOUNT", "MS_BIND"}},
		{0x40000, "propagation", []string{"MS_PRIVATE"}},
		{0x2000, "move", []string{"MS_MOVE"}},
	} {
		if operation, names := mountOperation(c.flags); operation != c.operation || !slices.Equal(names, c.names) {
			t.Errorf("flags %#x: %s %v", c.flags, operation, names)
		}
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{bpfCommand(5), "BPF_PROG_LOAD"},
		{bpfCommand(28), "BPF_LINK_CREATE"},
		{bpfCommand(999), "999"},
		{programType(29), "lsm"},
		{mapType(27), "ringbuf"},
		{prctlOption(38), "PR_SET_NO_NEW_PRIVS"},
		{prctlOption(2), "2"},
		{keyctlOperation(3), "revoke"},
		{clock(10), "10"},
		{clock(11), "CLOCK_TAI"},
		{ipcCommand(0x100), "IPC_RMID"},
	} {
		if c.got != c.want {
			t.Errorf("%s instead of %s", c.got, c.want)
		}
	}
}
