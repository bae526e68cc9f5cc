package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/stockade-security/stockade/internal/kernel/probe"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/enforce"
)

// TestFactsSpeakOfEveryMechanism holds the names that package enforce knows to those that the probe finds out about.
func TestFactsSpeakOfEveryMechanism(t *testing.T) {
	p, err := policy.Parse("p.yaml", []byte(`processes:
  app:
    match: {unit: app.service}
    blocked_exec: [/bin/sh]
    blocked_files: ["/etc/shadow r", "/srv/** w"]
    allowed_network: ["10.0.0.0/8", "*.example.com", "unix:/run/a"]
    allowed_listen: [80]
    blocked_syscalls: [ptrace, iopl]
    blocked_capabilities: [CAP_BPF]
    max_memory_mb: 64
host: {kernel_modules: {allow: []}, bpf: {allow_exe: []}}
dns: {block_names: [bad.example]}
firewall: {ingress: {default: deny}, egress: {default: deny}}
`))
	if err != nil {
		t.Fatal(err)
	}
	facts := mechanisms(probe.Run(t.Context()))
	names := slices.Sorted(maps.Keys(facts))
	for _, name := range names {
		facts[name] = enforce.Mechanism{Available: true}
	}
	// The best way stands first in each ladder; with one mechanism less after the other each of them is looked at. All are
	// known, so an answer that is not is about one that the probe has no name for.
	for _, name := range slices.DeleteFunc(names, func(name string) bool { return slices.Contains(foundation(), name) }) {
		facts[name] = enforce.Mechanism{Reason: "taken away"}
		for _, r := range enforce.Judge(p, facts) {
			if r.Unknown {
				t.Fatalf("%s of %s without %s: %+v", r.Key, r.Subject, name, r)
			}
		}
	}
}

func foundation() []string { return []string{"kernel_version", "btf", "bpf_syscall", "kernel_reads"} }
