package compile_test

import (
	"testing"

	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy/compile"
)

func TestSyscalls(t *testing.T) {
	img := compiled(t, everyKey(t))
	nginx := &img.Syscalls[subject(t, img, "nginx").Syscalls]
	blocked := compiled(t, parse(t, `processes: {p: {blocked_syscalls: ["@mount", mount, ptrace, fork, "@ipc"]}}`))
	p := &blocked.Syscalls[subject(t, blocked, "p").Syscalls]
	number := func(name string, table func(int) string) int {
		for n := range 512 {
			if table(n) == name {
				return n
			}
		}
		return -1
	}
	for _, tt := range []struct {
		name, nginx, p string
	}{
		{"read", "allowed by @system-service", ""},
		{"ptrace", "CRITICAL by ptrace", "CRITICAL by ptrace"},
		{"process_vm_readv", "allowed by @system-service", "CRITICAL by @ipc"},
		{"execve", "HIGH by execve", ""},
		{"fork", "allowed by @system-service", "HIGH by fork"},
		{"mount", "MEDIUM by @mount", "MEDIUM by mount"},
		{"umount2", "MEDIUM by @mount", "MEDIUM by @mount"},
		{"kexec_load", "CRITICAL not in allowed_syscalls", ""},
		{"reboot", "MEDIUM not in allowed_syscalls", ""},
	} {
		amd64, i386 := number(tt.name, syscalls.AMD64), number(tt.name, syscalls.I386)
		for _, got := range []string{said(img, nginx.AMD64[amd64]), said(img, nginx.I386[i386])} {
			if got != tt.nginx {
				t.Errorf("nginx %s: %s, not %s", tt.name, got, tt.nginx)
			}
		}
		for _, got := range []string{said(blocked, p.AMD64[amd64]), said(blocked, p.I386[i386])} {
			if got != tt.p {
				t.Errorf("p %s: %s, not %s", tt.name, got, tt.p)
			}
		}
	}
	for number, want := range map[int]string{520: "", 521: "CRITICAL by ptrace", 539: "CRITICAL by @ipc"} { // x32's own
		if got := said(blocked, p.AMD64[number]); got != want {
			t.Errorf("x32's %d: %s, not %s", number, got, want)
		}
	}
	gap := number("", syscalls.AMD64)
	if got := said(img, nginx.AMD64[gap]); got != "MEDIUM not in allowed_syscalls" || nginx.Miss != nginx.AMD64[gap] || p.Miss != compile.NoDecision {
		t.Errorf("numbers without a call: %s", got)
	}
	if n := subject(t, img, "tool").Syscalls; n != compile.NoTable {
		t.Errorf("system calls without a key: %d", n)
	}
}

func TestCapabilities(t *testing.T) {
	img := compiled(t, everyKey(t))
	c := img.Capabilities[subject(t, img, "nginx").Capabilities]
	for number, want := range map[int]string{0: "HIGH by ALL", 21: "HIGH by CAP_SYS_ADMIN", 63: "HIGH by ALL"} {
		if got := said(img, c[number]); got != want {
			t.Errorf("capability %d: %s, not %s", number, got, want)
		}
	}
	if n := subject(t, img, "tool").Capabilities; n != compile.NoTable {
		t.Errorf("capabilities without a key: %d", n)
	}
}
