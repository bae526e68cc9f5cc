package policy

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSettings loads a file with every key of the sections about resolution, packets and alerts.
func TestSettings(t *testing.T) {
	p, err := Load("testdata/settings.yaml")
	if err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "testdata/settings.json", said(t, p))
	q := p.Processes[0]
	if got := networkText(q.AllowedNetwork.Rules[0]); got != "192.0.2.53/32 192.0.2.54/32 2001:db8::53/128 [{53 53}] " {
		t.Errorf("@resolvers is %s", got)
	}
	if got := textsOf(q.AllowedListen.Rules, networkText); !slices.Equal(got, []string{"0.0.0.0/0 ::/0 [{53 53}] udp", "127.0.0.1/32 [{53 53}] tcp", "::1/128 [{8053 8053}] "}) {
		t.Errorf("allowed_listen %q", got)
	}
	if p.Firewall.Egress.Block.Pos.Line != 24 || p.Firewall.Ingress.Zones[0].Pos.Line != 16 || p.Anomaly.BruteForce.Pos.Line != 28 {
		t.Errorf("places %+v", p.Firewall)
	}
}

// TestSettingsWarnings: each key that nothing acts on is warned about at its line, and each action that lacks its sink.
func TestSettingsWarnings(t *testing.T) {
	p, err := Load("testdata/settings.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lines := map[WarningKind][]int{}
	for _, w := range p.Warnings() {
		lines[w.Kind] = append(lines[w.Kind], w.Line)
	}
	want := map[WarningKind][]int{
		WarningNotActedOn: {4, 10, 11, 13, 21, 28, 30, 31, 32},
		WarningDegraded:   {31},
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestSettingsDigest: every key of these sections changes the digest.
func TestSettingsDigest(t *testing.T) {
	const base = `processes: {a: {}}
dns: {resolvers: [192.0.2.53], block_names: [a.example], lease: {floor: 60s, grace: 60s, per_name: 9}}
firewall:
  ingress: {default: deny, zones: {dmz: {interfaces: [eth0], tcp: [22], udp: [53], icmp: [echo-request]}}}
  egress: {default: deny, allow_shared_suffix: false, rules: [{allow: [10.0.0.0/8], block: [10.0.0.1]}]}
anomaly: {brute_force: {threshold: 10, window: 5m, ban: 15m}}
alerts: {on_violation: [log_to_syslog], on_critical: [kill_process]}
sinks: {s: {webhook: "https://h.example/", secret_env: K}, f: {file: /x}, l: {syslog: "unix:/x"}}
`
	seen := map[string]string{mustParse(t, base).Digest(): "base"}
	for _, change := range [][2]string{
		{"192.0.2.53", "192.0.2.54"},
		{"a.example", "b.example"},
		{"floor: 60s", "floor: 61s"},
		{"grace: 60s", "grace: 61s"},
		{"per_name: 9", "per_name: 8"},
		{"ingress: {default: deny", "ingress: {default: allow"},
		{"dmz", "lan"},
		{"eth0", "eth1"},
		{"22", "23"},
		{"udp: [53]", "udp: [54]"},
		{"echo-request", "echo-reply"},
		{"egress: {default: deny", "egress: {default: allow"},
		{"suffix: false", "suffix: true"},
		{"allow: [10", "allow: [11"},
		{"10.0.0.1]", "10.0.0.2]"},
		{"threshold: 10", "threshold: 11"},
		{"window: 5m", "window: 6m"},
		{"ban: 15m", "ban: 16m"},
		{"on_violation: [log_to_syslog]", "on_violation: []"},
		{"[kill_process]", "[isolate_network]"},
		{"h.example", "i.example"},
		{"env: K", "env: L"},
		{"file: /x", "file: /y"},
		{"unix:/x", "unix:/y"},
		{"{s:", "{t:"},
	} {
		if strings.Count(base, change[0]) != 1 {
			t.Fatalf("%q is not in the policy once", change[0])
		}
		digest := mustParse(t, strings.Replace(base, change[0], change[1], 1)).Digest()
		if other, same := seen[digest]; same {
			t.Errorf("%q has the digest of %q", change[1], other)
		}
		seen[digest] = change[1]
	}
}

func TestICMPTypes(t *testing.T) {
	for name, want := range map[string][]uint32{
		"echo-request": {8, ICMPv6 + 128}, "echo-reply": {0, ICMPv6 + 129}, "packet-too-big": {ICMPv6 + 2}, "timestamp-reply": {14}, "ping": nil,
	} {
		if got := ICMPTypes(name); !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

func textsOf[R any](rules []R, text func(R) string) []string {
	var out []string
	for _, rule := range rules {
		out = append(out, text(rule))
	}
	return out
}

// said is what the digest covers.
func said(t *testing.T, p *Policy) string {
	t.Helper()
	text, err := json.MarshalIndent(canonical(reflect.ValueOf(*p)), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}

// checkGolden holds got against a file, which -update writes.
func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got:\n%s", name, diff)
	}
}

// TestZoneShadowed: an interface that an earlier zone's pattern has is warned of, with both lines.
func TestZoneShadowed(t *testing.T) {
	p := mustParse(t, `firewall:
  ingress:
    zones:
      lan: {interfaces: ["eth*"]}
      dmz: {interfaces: [eth0, wg0]}
      vpn: {interfaces: ["wg*"]}
`)
	var got []string
	for _, w := range p.Warnings() {
		if w.Kind == WarningNoEffect {
			got = append(got, fmt.Sprintf("%d:%d %s", w.Line, w.Other.Line, w.Message))
		}
	}
	if want := []string{`5:4 "eth0" changes nothing: "eth*" at p.yaml:4 covers it`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
