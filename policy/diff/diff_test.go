package diff

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/automaton/mix"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

func load(t testing.TB, name, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse(name, []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

func compare(t testing.TB, a, b string) *Report {
	t.Helper()
	r, err := Compare(load(t, "a", a), load(t, "b", b))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// summary is a line a change and a notice.
func summary(r *Report) string {
	var out []string
	side := func(s Side) string {
		return strings.TrimSpace(s.Answer + " " + s.Position + " " + strings.Join(s.For, "+"))
	}
	for _, c := range r.Changes {
		out = append(out, fmt.Sprintf("%s %s: %s | %s -> %s", c.Subject, c.Kind, c.Object, side(c.From), side(c.To)))
	}
	for _, n := range r.Notices {
		out = append(out, fmt.Sprintf("%s %s: %s -> %s", n.Subject, n.What, n.From, n.To))
	}
	return strings.Join(append(out, r.Incomplete...), "\n")
}

func TestCompare(t *testing.T) {
	entry := func(keys string) string { return "processes:\n  app: {" + keys + "}\n" }
	host := func(keys string) string { return "processes: {app: {allowed_exec: []}}\nhost: {" + keys + "}\n" }
	for _, c := range []struct{ name, a, b, want string }{
		{"layout", entry(`blocked_files: ["/a", "/b r"]`), "processes: # all\n  app:\n    blocked_files:\n    - /b r\n    - /a\n", ""},
		{"a rule that says nothing new", entry(`blocked_files: ["/a/**"]`), entry(`blocked_files: ["/a/**", "/a/b"]`), ""},
		{
			"a letter", entry(`blocked_files: ["/a rw"]`), entry(`blocked_files: ["/a r"]`),
			"app write: /a rw, where no rule names it now | denied a:2 -> allowed",
		},
		{
			"blocked over allowed", entry(`allowed_files: ["/srv/**"]`), entry(`allowed_files: ["/srv/**"], blocked_files: ["/srv/x r"]`),
			"app read: /srv/x r, where /srv/** decided before | allowed a:2 -> denied b:2",
		},
		{
			"an allow list", entry(`blocked_exec: ["/x"]`), entry(`blocked_exec: ["/x"], allowed_exec: ["/y"]`),
			"app exec: what no rule names, now or before | allowed -> denied b:2",
		},
		{
			"an empty list for a full one", entry(`allowed_exec: ["/x"]`), entry(`allowed_exec: []`),
			"app exec: /x, where no rule names it now | allowed a:2 -> denied b:2",
		},
		{
			"sockets", entry(`allowed_network: ["unix:/run/a", "10.0.0.1"]`), entry(`allowed_network: ["10.0.0.1"]`),
			"app unix: what no rule names, now or before | denied a:2 -> allowed",
		},
		{
			"addresses and ports", entry(`allowed_network: ["10.0.0.0/30:80-90/tcp"]`), entry(`allowed_network: ["10.0.0.0/29:85-95/tcp", "2001:db8::/32"], blocked_network: ["10.0.0.2"]`),
			"app connect: 10.0.0.0/31, 10.0.0.3 ports 80-84, tcp | allowed a:2 -> denied b:2\n" +
				"app connect: 10.0.0.0/31, 10.0.0.3 ports 91-95, tcp | denied a:2 -> allowed b:2\n" +
				"app connect: 10.0.0.2 ports 80-90, tcp | allowed a:2 -> denied b:2\n" +
				"app connect: 10.0.0.4/30 ports 85-95, tcp | denied a:2 -> allowed b:2\n" +
				"app connect: 2001:db8::/32, any protocol | denied a:2 -> allowed b:2",
		},
		{
			"names", entry(`allowed_network: ["*.example.com:443/tcp"]`), entry(`allowed_network: ["**.example.com:443/tcp"]`),
			"app connect: **.*.example.com port 443, tcp | denied a:2 -> allowed b:2",
		},
		{
			"a name blocked among allowed addresses", entry(`allowed_network: ["10.0.0.0/8"]`), entry(`allowed_network: ["10.0.0.0/8"], blocked_network: ["x.example:443/tcp"]`),
			"app connect: x.example port 443, tcp, at an allowed address | allowed -> denied b:2",
		},
		{
			"one name blocked", entry(`blocked_network: ["bad.example.com:1-9"]`), entry(`blocked_network: ["bad.example.com"]`),
			"app connect: bad.example.com port 0, any protocol | allowed -> denied b:2\napp connect: bad.example.com ports 10-65535, any protocol | allowed -> denied b:2",
		},
		{
			"a name leaves addresses open", entry(`allowed_network: []`), entry(`allowed_network: ["db.example.com:5432/tcp"]`),
			"app connect: 0.0.0.0/0 port 5432, tcp | denied a:2 -> undecided b:2\napp connect: ::/0 port 5432, tcp | denied a:2 -> undecided b:2\n" +
				"app connect: db.example.com port 5432, tcp | denied a:2 -> allowed b:2",
		},
		{
			"listen", entry(`allowed_listen: ["80/tcp"]`), entry(`allowed_listen: ["80-81/tcp"]`),
			"app listen: 0.0.0.0/0 port 81, tcp | denied a:2 -> allowed b:2\napp listen: ::/0 port 81, tcp | denied a:2 -> allowed b:2",
		},
		{
			"sets", entry(`blocked_syscalls: [ptrace, bpf], blocked_capabilities: [CAP_BPF]`), entry(`blocked_syscalls: [ptrace], blocked_capabilities: [CAP_BPF, CAP_KILL], no_sudo: true`),
			"app syscall: bpf | denied a:2 -> allowed\napp syscall: bpf/i386 | denied a:2 -> allowed\napp capability: CAP_KILL | allowed -> denied b:2\n" +
				"app exec: programs that gain privilege | allowed -> denied b:2",
		},
		{
			"limits", entry(`max_memory_mb: 64, max_processes: 9, max_cpu_percent: 5`), entry(`max_memory_mb: 32, max_cpu_percent: 7, on_limit: kill`),
			"app max_memory_mb: above 32, up to 64 | allowed a:2 -> denied b:2\napp max_cpu_percent: above 5, up to 7 | denied a:2 -> allowed b:2\n" +
				"app max_processes: above 9 | denied a:2 -> allowed\napp on_limit: record -> kill",
		},
		{
			"who reaches in", entry(`protect: {signals: []}`) + "  a: {allowed_exec: []}\n", entry(`protect: {signals: [a]}`) + "  a: {allowed_exec: []}\n",
			"app signal: from a | denied a:2 -> allowed",
		},
		{
			"entries and matches", entry(`match: {exe: [/x], user: [u], unit: u.service, cgroup: /c, container: c, name: n}, mode: alert, allowed_exec: []`) + "  gone: {allowed_exec: []}\n",
			"mode: alert\n" + entry(`inherit: true, allowed_exec: []`) + "default: {allowed_exec: []}\n",
			"default exec: what no rule names, now or before | allowed -> denied b:4\n" +
				" mode: audit -> alert\napp mode: alert -> \napp match: exe: /x; name: n; unit: u.service; cgroup: /c; container: c; user: u -> name: app\napp inherit: false -> true\ngone entry: present -> absent",
		},
		{
			"settings", entry(`allowed_exec: []`) + "dns: {resolvers: [192.0.2.1]}\nsinks: {s: {webhook: 'https://a.example/'}}\n",
			entry(`allowed_exec: []`) + "dns: {lease: {floor: 60s}}\nanomaly: {brute_force: {threshold: 3, window: 60s, ban: 60s}}\nalerts: {on_violation: [log_to_syslog], on_critical: [kill_process]}\n",
			" dns.resolvers: 192.0.2.1 -> \n dns.lease: floor 0s, grace 0s, 0 per name -> floor 1m0s, grace 0s, 0 per name\n" +
				" anomaly.brute_force: threshold 0 in 0s, ban 0s -> threshold 3 in 1m0s, ban 1m0s\n alerts.on_violation:  -> log_to_syslog\n" +
				" alerts.on_critical:  -> kill_process\n sinks: s: https://a.example/  -> ",
		},
		{
			"files of the host", host(`files: [{path: /s, readers: [/a], writers: [/a]}]`), host(`files: [{path: /s, readers: [/a, /b], writers: [/a]}]`),
			"host read: /s | denied a:2 /a -> denied b:2 /a+/b",
		},
		{
			"the host", host(`exec: [{path: /n, parents: []}], bpf: {allow_exe: [/x]}, mounts: {block_sources: [/dev/sd*]}, prctl: {block: [PR_SET_DUMPABLE]}`),
			host(`devices: [{path: /dev/v, allow_exe: []}], bpf: {allow_exe: [/y]}, kernel_modules: {allow: [nf-tables]}, metadata: deny`),
			"host exec: /n, where no rule names it now | denied a:2 -> allowed\nhost ioctl: /dev/v, where no rule named it before | allowed -> denied b:2\n" +
				"host mount: /dev/sd*, where no rule names it now | denied a:2 -> allowed\nhost module: every other | allowed -> denied b:2\n" +
				"host bpf: any use | denied a:2 /x -> denied b:2 /y\nhost prctl: PR_SET_DUMPABLE | denied a:2 -> allowed\n" +
				"host connect: 100.100.100.200, 169.254.169.254, 169.254.170.2, 169.254.170.23, 192.0.0.192, any protocol | allowed -> denied b:2\n" +
				"host connect: fd00:ec2::23, fd00:ec2::254, fd20:ce::254, any protocol | allowed -> denied b:2",
		},
		{
			"packets and names", "processes: {app: {allowed_exec: []}}\ndns: {block_names: [x.example]}\nfirewall: {ingress: {default: allow, zones: {z: {interfaces: [e0], tcp: [22]}, gone: {interfaces: [e9]}}}}\n",
			"processes: {app: {allowed_exec: []}}\ndns: {block_names: ['**.x.example']}\nfirewall: {ingress: {default: deny, zones: {z: {interfaces: [e1], tcp: [22], icmp: [echo-request]}}}, egress: {default: deny}}\n",
			"",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := summary(compare(t, c.a, c.b))
			if c.name == "packets and names" {
				for _, want := range []string{
					"host resolve: x.example | denied a:2 -> allowed", "host resolve: *.x.example | allowed -> denied b:2", "host resolve: **.*.x.example | allowed -> denied b:2",
					"firewall egress: 0.0.0.0/0, any protocol | allowed -> denied b:3", "firewall ingress: interfaces without a zone | allowed -> denied b:3",
					"firewall ingress to zone z: ICMP type 8 | denied a:3 -> allowed b:3", "firewall ingress to zone z: ICMPv6 type 128 | denied a:3 -> allowed b:3",
					"firewall zone gone: present -> absent", "firewall interfaces of zone z: e0 -> e1",
				} {
					if !strings.Contains(got, want) {
						t.Errorf("lacks %s:\n%s", want, got)
					}
				}
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestExamples(t *testing.T) {
	r := compare(t, `processes: {app: {allowed_files: ["/srv/**"]}}`, `processes: {app: {allowed_files: ["/srv/*/x{1,2}"]}}`)
	if len(r.Changes) != 3 || !strings.HasPrefix(r.Changes[0].Example, "/srv/") {
		t.Errorf("%+v", r.Changes)
	}
}

func TestIncomplete(t *testing.T) {
	d := &comparison{report: &Report{}}
	other := errors.New("other")
	if err := d.tooLarge("app: read", fmt.Errorf("x: %w", automaton.ErrTooLarge)); err != nil || !slices.Equal(d.report.Incomplete, []string{"app: read"}) {
		t.Errorf("error %v, report %+v", err, d.report)
	}
	if err := d.tooLarge("app: read", other); !errors.Is(err, other) || len(d.report.Incomplete) != 1 {
		t.Errorf("error %v, report %+v", err, d.report)
	}
}

// TestComplete asks package verdict about random accesses under random policies: each one that is answered otherwise must be
// in a change of its kind, with these answers and rules, and every example must be answered as the change says.
func TestComplete(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 150 {
		a, b := load(t, "a", randomPolicy(random)), load(t, "b", randomPolicy(random))
		r, err := Compare(a, b)
		if err != nil {
			t.Fatal(err)
		}
		before, after := asker(t, a), asker(t, b)
		for _, c := range r.Changes {
			if c.Example != "" {
				access := accessOf(c.Kind, c.Example)
				if from, to := before(access), after(access); from != c.From.plain() || to != c.To.plain() {
					t.Fatalf("%+v\nof its example the policies say %+v, %+v", c, from, to)
				}
			}
		}
		for range 200 {
			kind, access := randomAccess(random)
			from, to := before(access), after(access)
			found := slices.ContainsFunc(r.Changes, func(c Change) bool {
				if len(access.Names) > 0 { // what the name and the address have to say are two changes
					return c.Kind == kind && (c.From.plain() == from || c.To.plain() == to)
				}
				return c.Subject == "app" && c.Kind == kind && c.From.plain() == from && c.To.plain() == to
			})
			if from.answer != to.answer && !found {
				t.Fatalf("%s %+v: %+v -> %+v is not in\n%s", kind, access, from, to, summary(r))
			}
		}
	}
}

// asker decides accesses of the entry app by a policy.
func asker(t *testing.T, p *policy.Policy) func(verdict.Access) plain {
	t.Helper()
	img, err := compile.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return func(a verdict.Access) plain {
		d := verdict.Decide(img, verdict.Task{Subject: 1}, &a)
		out := plain{Allowed, d.Rule(img).Text, d.Position(img)}
		switch {
		case d.Denied:
			out.answer = Denied
		case d.Undecided:
			out.answer = Undecided
		}
		return out
	}
}

func accessOf(kind, path string) verdict.Access {
	switch kind {
	case "exec":
		return verdict.Access{Op: verdict.OpExec, Path: path}
	case "unix":
		return verdict.Access{Op: verdict.OpConnect, Path: path}
	}
	letters := map[string]policy.Access{"read": policy.AccessRead, "write": policy.AccessWrite, "map": policy.AccessExecute}
	return verdict.Access{Op: verdict.OpFile, Path: path, Letters: letters[kind]}
}

func randomAccess(random *rand.Rand) (kind string, a verdict.Access) {
	path := ""
	for range 1 + random.IntN(3) {
		path += "/" + []string{"a", "b", "ab", "c"}[random.IntN(4)]
	}
	switch kind = []string{"exec", "unix", "read", "write", "map", "connect", "connect"}[random.IntN(7)]; kind {
	case "connect":
		a = verdict.Access{Op: verdict.OpConnect, Protocol: []string{"tcp", "udp", "sctp"}[random.IntN(3)]}
		addr := netip.AddrFrom4([4]byte{10, 0, byte(random.IntN(2)), byte(random.IntN(8))})
		if random.IntN(3) == 0 {
			addr = netip.MustParseAddr("192.0.2.1")
			a.Names = []string{[]string{"x.example", "w.x.example", "v.w.x.example", "y.example", "other"}[random.IntN(5)]}
		}
		a.Peer = netip.AddrPortFrom(addr, uint16(random.IntN(12)))
		return kind, a
	}
	return kind, accessOf(kind, path)
}

func randomPolicy(random *rand.Rand) string {
	list := func(items []string, letters bool) string {
		var out []string
		for range random.IntN(4) {
			item := items[random.IntN(len(items))]
			if letters && random.IntN(2) == 0 {
				item += []string{" r", " w", " rx"}[random.IntN(3)]
			}
			out = append(out, `"`+item+`"`)
		}
		return "[" + strings.Join(out, ", ") + "]"
	}
	paths := []string{"/a", "/a/**", "/*/b", "/**/ab", "/a{,b}/*", "/**", "/a/?", "/b/[ab]*"}
	peers := []string{
		"10.0.0.0/24", "10.0.0.0/29:1-5", "10.0.0.4/30:3/tcp", "10.0.1.2", "0.0.0.0/0:7-9/udp", "x.example:4-6", "*.x.example", "**.x.example:5/tcp",
		"unix:/a/*", "unix:/**/b", "::/0",
	}
	text := "processes:\n  app:\n    description: x\n"
	for _, key := range []string{"allowed_exec", "blocked_exec"} {
		if random.IntN(2) == 0 {
			text += "    " + key + ": " + list(paths, false) + "\n"
		}
	}
	for _, key := range []string{"allowed_files", "blocked_files"} {
		if random.IntN(2) == 0 {
			text += "    " + key + ": " + list(paths, true) + "\n"
		}
	}
	for _, key := range []string{"allowed_network", "blocked_network"} {
		if random.IntN(2) == 0 {
			text += "    " + key + ": " + list(peers, false) + "\n"
		}
	}
	return text
}

// BenchmarkCompare compares 10,000 globs with 10,001.
func BenchmarkCompare(b *testing.B) {
	text := "processes: {app: {allowed_exec: [\n"
	for _, g := range mix.Globs(1, 10_000) {
		text += fmt.Sprintf("%q,\n", g)
	}
	before, after := load(b, "a", text+"]}}"), load(b, "b", text+`"/srv/new/**"]}}`)
	for b.Loop() {
		r, err := Compare(before, after)
		if err != nil || len(r.Changes) != 1 || len(r.Incomplete) != 0 {
			b.Fatalf("%+v, error %v", r, err)
		}
	}
}
