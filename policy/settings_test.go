package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSettings loads a file with every key of the sections about resolution, packets and alerts.
func TestSettings(t *testing.T) {
	p, err := Load("testdata/settings.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := canonicalSettings{
		Resolvers:  []string{"192.0.2.53/32 [] ", "192.0.2.54/32 [] ", "2001:db8::53/128 [] "},
		BlockNames: []string{"*.badhost.example [] ", "**.zip [] "},
		LeaseFloor: time.Minute, LeaseGrace: 90 * time.Second, LeasePerName: 256,
		Ingress: true, IngressDeny: true,
		Zones: []canonicalZone{{
			Name:       "dmz",
			Interfaces: []string{"eth0", "wg*"},
			TCP:        []string{"0.0.0.0/0 ::/0 [{22 22}] tcp", "0.0.0.0/0 ::/0 [{443 443}] tcp", "10.0.0.0/8 [{8000 8100}] tcp"},
			UDP:        []string{"0.0.0.0/0 ::/0 [{53 53}] udp", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 [{161 161}] udp"},
			ICMP:       []string{"echo-request", "packet-too-big"},
		}},
		Egress: true,
		Allow:  []string{"192.0.2.53/32 192.0.2.54/32 2001:db8::53/128 [{53 53}] udp", "example.com [{443 443}] "},
		Block: []string{
			"169.254.169.254/32 169.254.170.2/32 169.254.170.23/32 100.100.100.200/32 192.0.0.192/32 fd00:ec2::254/128 fd00:ec2::23/128 fd20:ce::254/128 [] ",
			"192.0.2.0/24 [{25 25}] tcp", "**.zip [] ",
		},
		Threshold: 10, Window: 5 * time.Minute, Ban: 15 * time.Minute,
		OnViolation: []string{"log_to_syslog", "audit_file"},
		OnCritical:  []string{"kill_process", "notify_architect", "ops_webhook", "send_to_soc_dashboard"},
		Sinks: [][5]string{
			{"audit_file", "", "/var/log/stockade/alerts.jsonl", "", ""},
			{"local_hook", "http://127.0.0.1:8080/", "", "", ""},
			{"log_to_syslog", "", "", "loghost.example:514/udp", ""},
			{"ops_webhook", "https://hooks.example.com/stockade", "", "", "HOOK_SECRET"},
			{"send_to_soc_dashboard", "", "", "unix:/dev/log", ""},
		},
	}
	if diff := cmp.Diff(want, settings(p)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	q := p.Processes[0]
	if got := networkText(q.AllowedNetwork.Rules[0]); got != "192.0.2.53/32 192.0.2.54/32 2001:db8::53/128 [{53 53}] " {
		t.Errorf("@resolvers is %s", got)
	}
	if got := texts(q.AllowedListen, networkText); !slices.Equal(got, []string{"0.0.0.0/0 ::/0 [{53 53}] udp", "127.0.0.1/32 [{53 53}] tcp", "::1/128 [{8053 8053}] "}) {
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
		WarningNotActedOn: {4, 6, 10, 11, 13, 21, 28, 30, 31, 32},
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
