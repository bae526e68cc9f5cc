package compile_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/compile"
)

// peer is the other end of an access.
type peer struct {
	addr     netip.Addr
	names    []string // that are known to stand for it
	port     uint16
	protocol compile.Protocol
}

// judge executes a network as the kernel's programs would.
func judge(img *compile.Image, index uint32, p peer) uint32 {
	n := &img.Networks[index]
	best := n.Miss
	better := func(ports compile.Range) {
		for _, r := range img.Ports[ports.First:][:ports.Count] {
			if r.Protocol == p.protocol && r.First <= p.port && p.port <= r.Last && (best == n.Miss || r.Decision < best) {
				best = r.Decision
			}
		}
	}
	if i := slices.IndexFunc(n.Prefixes, func(x compile.Prefix) bool { return x.Prefix.Contains(p.addr) }); i >= 0 {
		better(n.Prefixes[i].Ports)
	}
	for _, name := range p.names {
		for _, a := range img.Automata[n.Hosts.Automata.First:][:n.Hosts.Automata.Count] {
			if set := a.Match(automaton.NameSymbols(name)); set != automaton.None {
				better(img.NameSets[n.Names.First:][:n.Names.Count][set])
			}
		}
	}
	return best
}

func parsePeer(text string) peer {
	var p peer
	f := strings.Fields(text)
	address, protocol, _ := strings.Cut(f[0], "/")
	ap := netip.MustParseAddrPort(address)
	p.addr, p.port, p.names = ap.Addr(), ap.Port(), f[1:]
	p.protocol = map[string]compile.Protocol{"tcp": compile.ProtocolTCP, "udp": compile.ProtocolUDP}[protocol]
	if protocol == "sctp" {
		p.protocol = compile.ProtocolOther
	}
	return p
}

func TestPeers(t *testing.T) {
	img := compiled(t, everyKey(t))
	for _, tt := range []struct{ subject, peer, want string }{
		{"nginx", "10.1.2.3:5432/tcp", "allowed by 10.0.0.0/8:5432/tcp"},
		{"nginx", "10.1.2.3:5432/udp", "CRITICAL not in allowed_network"},
		{"nginx", "10.66.0.1:5432/tcp", "CRITICAL by 10.66.0.0/16"},
		{"nginx", "127.9.9.9:1/udp", "allowed by @loopback"},
		{"nginx", "[::1]:1/sctp", "allowed by @loopback"},
		{"nginx", "192.0.2.53:53/udp", "allowed by @resolvers:53"},
		{"nginx", "[2001:db8::53]:53/udp", "allowed by @resolvers:53"},
		{"nginx", "[2001:db8::53]:25/tcp", "CRITICAL by [2001:db8::/32]:25,465/tcp"},
		{"nginx", "[2001:db8::53]:465/udp", "CRITICAL not in allowed_network"},
		{"nginx", "198.51.100.1:443/tcp www.example.com", "allowed by *.example.com:443"},
		{"nginx", "198.51.100.1:443/tcp www.example.org", "CRITICAL not in allowed_network"},
		{"nginx", "198.51.100.1:443/tcp api.example.com", "allowed by *.example.com:443"},
		{"nginx", "198.51.100.1:8443/tcp api.example.com", "allowed by api.example.com:8443/tcp"},
		{"nginx", "198.51.100.1:443/tcp bad.example.com", "CRITICAL by bad.example.com"},
		{"nginx", "198.51.100.1:443/tcp www.example.com bad.example.com", "CRITICAL by bad.example.com"},
		{"nginx", "10.66.0.1:443/tcp www.example.com", "CRITICAL by 10.66.0.0/16"},
		{"nginx", "127.0.0.1:443/tcp a.b.internal", "allowed by **.internal"},
		{"web", "198.51.100.1:25/tcp", "CRITICAL by 0.0.0.0/0:25"},
		{"web", "198.51.100.1:26/tcp", ""},
		{"web", "[2001:db8::1]:26/tcp", "CRITICAL by ::/0"},
		{"tool", "127.0.0.1:1/tcp", "CRITICAL not in allowed_network"},
	} {
		if got := said(img, judge(img, subject(t, img, tt.subject).Peers, parsePeer(tt.peer))); got != tt.want {
			t.Errorf("%s to %s: %s, not %s", tt.subject, tt.peer, got, tt.want)
		}
	}
	for name, want := range map[string]string{"nginx": "CRITICAL not in allowed_network", "web": "", "tool": "CRITICAL not in allowed_network"} {
		if got := said(img, subject(t, img, name).Packet); got != want {
			t.Errorf("packet sockets of %s: %s", name, got)
		}
	}
	unnamed := img.Networks[subject(t, img, "nginx").Peers].Unnamed
	var ports []string
	for _, p := range img.Ports[unnamed.First:][:unnamed.Count] {
		if p.Protocol == compile.ProtocolTCP {
			ports = append(ports, fmt.Sprintf("%d-%d %s", p.First, p.Last, said(img, p.Decision)))
		}
	}
	if want := "0-442 allowed by **.internal, 443-443 allowed by *.example.com:443, 444-8442 allowed by **.internal, " +
		"8443-8443 allowed by api.example.com:8443/tcp, 8444-65535 allowed by **.internal"; strings.Join(ports, ", ") != want {
		t.Errorf("unnamed: %s", strings.Join(ports, ", "))
	}
}

func TestListen(t *testing.T) {
	img := compiled(t, everyKey(t))
	for peer, want := range map[string]string{
		"0.0.0.0:80/tcp": "allowed by 80/tcp", "[::]:80/tcp": "allowed by 80/tcp", "0.0.0.0:80/udp": "CRITICAL not in allowed_listen",
		"[::1]:443/udp": "allowed by 443", "127.0.0.1:8001/tcp": "allowed by 127.0.0.1:8000-8100", "0.0.0.0:8001/tcp": "CRITICAL not in allowed_listen",
	} {
		if got := said(img, judge(img, subject(t, img, "nginx").Listen, parsePeer(peer))); got != want {
			t.Errorf("%s: %s, not %s", peer, got, want)
		}
	}
	if n := subject(t, img, "tool").Listen; n != compile.NoTable {
		t.Errorf("allowed_network is about own ports: %d", n)
	}
}

// TestNetworkPrecedence compares random policies with the precedence as the documentation has it.
func TestNetworkPrecedence(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	hosts := []string{"a.example", "*.a.example", "**.a.example", "**.example", "b.a.example"}
	for round := range 300 {
		var blocked, allowed []string
		for range 1 + random.IntN(8) {
			peer := fmt.Sprintf("10.0.0.%d/%d", random.IntN(16)*16, 28)
			switch random.IntN(4) {
			case 0:
				peer = hosts[random.IntN(len(hosts))]
			case 1:
				peer = []string{"10.0.0.0/8", "10.0.0.0/24", "0.0.0.0/0"}[random.IntN(3)]
			}
			if random.IntN(2) == 0 {
				first := 1 + random.IntN(8)
				peer += fmt.Sprintf(":%d-%d", first, first+random.IntN(4))
			}
			peer += []string{"", "/tcp", "/udp"}[random.IntN(3)]
			if random.IntN(3) == 0 {
				blocked = append(blocked, peer)
			} else {
				allowed = append(allowed, peer)
			}
		}
		p := parse(t, fmt.Sprintf("processes:\n  p:\n    allow_shared_suffix: true\n    allowed_network: %s\n    blocked_network: %s\n", quotedList(allowed), quotedList(blocked)))
		img := compiled(t, p)
		for range 40 {
			access := peer{
				addr: netip.AddrFrom4([4]byte{10, 0, byte(random.IntN(2)), byte(random.IntN(256))}),
				port: uint16(random.IntN(12)), protocol: compile.Protocol(random.IntN(3)),
			}
			for range random.IntN(3) {
				access.names = append(access.names, []string{"a.example", "b.a.example", "c.b.a.example", "x.example", "y.z"}[random.IntN(5)])
			}
			want := expected(&p.Processes[0], access)
			if got := img.Decisions[judge(img, img.Subjects[1].Peers, access)]; want != nil && (got.Deny != want.deny || img.Rules[got.Rule].Pos != want.rule.Pos) || want == nil && !got.Unlisted {
				t.Fatalf("round %d: blocked %q, allowed %q: %+v is decided by %+v, not %+v", round, blocked, allowed, access, img.Rules[got.Rule], want)
			}
		}
	}
}

func quotedList(list []string) string {
	var out []string
	for _, s := range list {
		out = append(out, fmt.Sprintf("%q", s))
	}
	return "[" + strings.Join(out, ",\n      ") + "]"
}

type expectation struct {
	rule  policy.NetworkRule
	deny  bool
	order []int
}

// expected finds the rule that decides by looking at each.
func expected(p *policy.Process, access peer) *expectation {
	var found []expectation
	for deny, list := range map[bool][]policy.NetworkRule{true: p.BlockedNetwork.Rules, false: p.AllowedNetwork.Rules} {
		for i, r := range list {
			width := 0
			covered := len(r.Ports) == 0
			for _, ports := range r.Ports {
				width += int(ports.Last) - int(ports.First) + 1
				covered = covered || ports.First <= access.port && access.port <= ports.Last
			}
			if width == 0 {
				width = 65536
			}
			protocol := map[string]compile.Protocol{"tcp": compile.ProtocolTCP, "udp": compile.ProtocolUDP}
			if !covered || r.Protocol != "" && protocol[r.Protocol] != access.protocol {
				continue
			}
			form := 3 // of names, best first; then addresses
			if r.Host != "" {
				form = strings.Count(r.Host, "*")
			}
			matched := r.Host != "" && slices.ContainsFunc(access.names, func(name string) bool { return nameMatches(r.Host, name) })
			bits := 0
			for _, prefix := range r.Prefixes {
				if prefix.Contains(access.addr) {
					matched, bits = true, prefix.Bits()
				}
			}
			unqualified := 0
			if r.Protocol == "" {
				unqualified = 1
			}
			if matched {
				found = append(found, expectation{r, deny, []int{form, -bits, -len(r.Host), width, unqualified, i}})
			}
		}
	}
	if found == nil {
		return nil
	}
	best := slices.MinFunc(found, func(a, b expectation) int {
		if a.deny != b.deny {
			return map[bool]int{true: -1, false: 1}[a.deny]
		}
		return slices.Compare(a.order, b.order)
	})
	return &best
}

func nameMatches(pattern, name string) bool {
	base := strings.TrimLeft(pattern, "*")
	head, ok := strings.CutSuffix(name, base)
	switch stars := len(pattern) - len(base); {
	case !ok:
		return false
	case stars == 0:
		return head == ""
	case stars == 1:
		return head != "" && !strings.Contains(head, ".")
	}
	return head != ""
}

// TestInheritedPorts: the longest prefix says what shorter ones say too.
func TestInheritedPorts(t *testing.T) {
	img := compiled(t, parse(t, `processes: {p: {allowed_network: ["0.0.0.0/0:80/tcp", "10.0.0.0/8:443/tcp", "10.0.0.0/24"], blocked_network: ["10.0.0.0/16:1-100/tcp"]}}`))
	var got []string
	for _, p := range img.Networks[subject(t, img, "p").Peers].Prefixes {
		for _, r := range img.Ports[p.Ports.First:][:p.Ports.Count] {
			got = append(got, fmt.Sprintf("%s %d %d-%d %s", p.Prefix, r.Protocol, r.First, r.Last, said(img, r.Decision)))
		}
	}
	want := []string{
		"10.0.0.0/24 0 0-0 allowed by 10.0.0.0/24",
		"10.0.0.0/24 0 1-100 CRITICAL by 10.0.0.0/16:1-100/tcp",
		"10.0.0.0/24 0 101-65535 allowed by 10.0.0.0/24",
		"10.0.0.0/24 1 0-65535 allowed by 10.0.0.0/24",
		"10.0.0.0/24 2 0-65535 allowed by 10.0.0.0/24",
		"10.0.0.0/16 0 1-100 CRITICAL by 10.0.0.0/16:1-100/tcp",
		"10.0.0.0/16 0 443-443 allowed by 10.0.0.0/8:443/tcp",
		"10.0.0.0/8 0 80-80 allowed by 0.0.0.0/0:80/tcp",
		"10.0.0.0/8 0 443-443 allowed by 10.0.0.0/8:443/tcp",
		"0.0.0.0/0 0 80-80 allowed by 0.0.0.0/0:80/tcp",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}
