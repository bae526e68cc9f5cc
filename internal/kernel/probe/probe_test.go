package probe

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// sample is a report with one mechanism in each state.
func sample() Report {
	return Report{
		Kernel: "6.1.0", Arch: "amd64",
		Mechanisms: []Mechanism{
			{Name: "btf", Purpose: "types", Available: true, Evidence: "open it"},
			{Name: "bpffs", Purpose: "pins", Reason: "it is not mounted", Remedy: "mount it", Evidence: "statfs"},
			{Name: "fexit", Purpose: "results", Unknown: true, Reason: "it cannot be tried without root", Remedy: "run it with sudo", Evidence: "caps 0"},
			{Name: "lsm", Purpose: "prevention", Unknown: true, Reason: "it cannot be tried without root", Remedy: "run it with sudo", Evidence: "caps 0"},
		},
		Observe: []Rung{{Family: "process", Rung: "none", Unknown: true, Detail: "nothing"}},
		Enforce: []Rung{{Family: "network", Rung: "prevent", Detail: "cgroup programs"}},
	}
}

func TestWriteTable(t *testing.T) {
	const want = `kernel 6.1.0 amd64

MECHANISM  STATE      FOR
btf        available  types
bpffs      missing    pins
fexit      unknown    results
lsm        unknown    prevention

bpffs: it is not mounted
  hint: mount it

fexit, lsm: it cannot be tried without root
  hint: run it with sudo

TO OBSERVE  RUNG   HOW
process     none?  nothing

TO ENFORCE  RUNG     HOW
network     prevent  cgroup programs
`
	var out bytes.Buffer
	if err := sample().WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestWriteJSON(t *testing.T) {
	var out bytes.Buffer
	if err := sample().WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"kernel": "6.1.0"`, `"available": false`, `"unknown": true`, `"remedy": "mount it"`, `"observe": [`, `"rung": "prevent"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in\n%s", want, out.String())
		}
	}
}

// with makes a report in which just the named mechanisms are available.
func with(names ...string) Report {
	var r Report
	for _, name := range names {
		r.Mechanisms = append(r.Mechanisms, Mechanism{Name: name, Available: true})
	}
	return r
}

func TestRungs(t *testing.T) {
	foundation := foundation()
	tracepoints := append([]string{"tp_btf", "raw_tracepoint", "ring_buffer"}, foundation...)
	sockets := []string{"cgroup_connect4", "cgroup_sendmsg4", "cgroup_bind4", "cgroup_sock_create", "socket_storage"}
	all := append([]string{"lsm", "fexit", "task_storage_lsm", "bpf_loop", "cgroup_skb", "cgroup_v2", "xdp", "tc", "seccomp"}, append(tracepoints, sockets...)...)
	tests := []struct {
		what         string
		have         []string
		family, rung string
	}{
		{"everything", all, "file", "lsm"},
		{"everything", all, "packet", "cgroup"},
		{"everything", all, "exec_and_file", "prevent"},
		{"everything", all, "limits", "kill"},
		{"no trampolines", tracepoints, "file", "tracepoint"},
		{"no trampolines", tracepoints, "exec_and_file", "kill"},
		{"no trampolines", tracepoints, "syscall", "kill"},
		{"no trampolines", append(sockets, foundation...), "network", "prevent"},
		{"LSM programs, but no ring buffer", append([]string{"lsm", "fexit", "tp_btf", "raw_tracepoint"}, foundation...), "process", "none"},
		{"locked down", []string{"kernel_version", "btf", "bpf_syscall", "lsm", "fexit", "tp_btf", "raw_tracepoint", "ring_buffer"}, "file", "none"},
		{"locked down", []string{"kernel_version", "btf", "bpf_syscall", "lsm", "task_storage_lsm", "bpf_loop"}, "exec_and_file", "none"},
		{"nothing", nil, "process", "none"},
		{"nothing", nil, "host_firewall", "none"},
		{"seccomp only", []string{"seccomp"}, "unprivileged", "prevent"},
	}
	for _, tt := range tests {
		r := with(tt.have...)
		got := ""
		for _, g := range append(r.observe(), r.enforce()...) {
			if g.Family == tt.family {
				got = g.Rung
			}
		}
		if got != tt.rung {
			t.Errorf("%s: %s is %q, want %q", tt.what, tt.family, got, tt.rung)
		}
	}
}

func TestErrorText(t *testing.T) {
	e := &Error{Lack: NoBPF, text: "the kernel refuses it", hint: "ask", err: bytes.ErrTooLarge}
	if e.Error() != "the kernel refuses it: "+bytes.ErrTooLarge.Error() || !errors.Is(e.Unwrap(), bytes.ErrTooLarge) || e.Hint() != "ask" {
		t.Errorf("%q, %v, %q", e.Error(), e.Unwrap(), e.Hint())
	}
}
