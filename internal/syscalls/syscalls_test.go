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
	for number, want := range map[int]string{-1: "", 0: "read", 511: "", 512: "rt_sigaction", 520: "execve", 521: "ptrace", 528: "kexec_load", 545: "execveat", 547: "pwritev2", 548: ""} {
		if got := syscalls.X32(number); got != want {
			t.Errorf("X32(%d) = %q, not %q", number, got, want)
		}
	}
	names := syscalls.Names()
	if !slices.IsSorted(names) || slices.Contains(names, "") || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Error("Names is not a sorted set")
	}
	for number := 512; syscalls.X32(number) != ""; number++ {
		if !slices.Contains(names, syscalls.X32(number)) {
			t.Errorf("x32's %s is no other name", syscalls.X32(number))
		}
	}
	for _, n := range []string{"ptrace", "socketcall", "openat2", "arch_prctl"} {
		if !slices.Contains(names, n) {
			t.Errorf("no %s among the names", n)
		}
	}
}

func TestGroups(t *testing.T) {
	groups := syscalls.Groups()
	if len(groups) < 29 || !slices.IsSorted(groups) {
		t.Errorf("groups %v", groups)
	}
	for _, g := range append(groups, "@known") {
		names := syscalls.Group(g)
		if len(names) == 0 || !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Errorf("%s is no sorted set: %v", g, names)
		}
		for _, n := range names {
			if _, ok := slices.BinarySearch(syscalls.Names(), n); !ok {
				t.Errorf("%s holds %s, which has no number", g, n)
			}
		}
	}
	if got := syscalls.Group("@clock"); !slices.Equal(got, []string{
		"adjtimex", "clock_adjtime", "clock_adjtime64", "clock_settime", "clock_settime64", "settimeofday",
	}) {
		t.Errorf("@clock is %v", got)
	}
	service := syscalls.Group("@system-service")
	for _, n := range []string{"sched_yield", "read", "connect", "mseal", "execve", "fchmodat2"} { // @sandbox is two groups down
		if !slices.Contains(service, n) {
			t.Errorf("@system-service lacks %s", n)
		}
	}
	if slices.Contains(service, "mount") || slices.Contains(service, "subpage_prot") {
		t.Error("@system-service holds what it should not")
	}
	if syscalls.Group("@none") != nil || syscalls.Group("read") != nil {
		t.Error("there are groups that systemd does not have")
	}
}

func TestPrctlOption(t *testing.T) {
	for name, want := range map[string]uint32{"PR_SET_NAME": 15, "PR_SET_MDWE": 65, "PR_SET_PTRACER": 0x59616d61, "PR_SET_VMA": 0x53564d41} {
		if got, ok := syscalls.PrctlOption(name); got != want || !ok {
			t.Errorf("%s is %d, %t, not %d", name, got, ok, want)
		}
	}
	for _, name := range []string{"PR_SET_MM_BRK", "PR_MCE_KILL_SET", ""} { // arguments
		if n, ok := syscalls.PrctlOption(name); ok {
			t.Errorf("%q is option %d", name, n)
		}
	}
	if options := syscalls.PrctlOptions(); len(options) < 80 || !slices.IsSorted(options) {
		t.Errorf("options %v", options)
	}
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		name string
		i386 bool
		want uint32
		ok   bool
	}{
		{"read", false, 0, true},
		{"execve", false, 59, true},
		{"execve", true, 11, true},
		{"socketcall", true, 102, true},
		{"socketcall", false, 0, false},
		{"9999", false, 9999, true},
		{"", true, 0, false},
		{"Read", false, 0, false},
	} {
		if got, ok := syscalls.Number(c.name, c.i386); ok != c.ok || ok && got != c.want {
			t.Errorf("Number(%q, %t) = %d, %t", c.name, c.i386, got, ok)
		}
	}
}
