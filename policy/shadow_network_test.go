package policy

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// names reports whether a rule names a peer: written once more, rule by rule.
func (r NetworkRule) names(host string, addr netip.Addr, port uint16, protocol string) bool {
	if r.Protocol != "" && r.Protocol != protocol ||
		len(r.Ports) > 0 && !slices.ContainsFunc(r.Ports, func(p PortRange) bool { return p.First <= port && port <= p.Last }) {
		return false
	}
	if r.Host != "" {
		sub, deep := strings.CutPrefix(r.Host, "**.")
		one, single := strings.CutPrefix(r.Host, "*.")
		switch {
		case deep:
			return strings.HasSuffix(host, "."+sub)
		case single:
			label, is := strings.CutSuffix(host, "."+one)
			return is && !strings.Contains(label, ".")
		}
		return host == r.Host
	}
	return slices.ContainsFunc(r.Prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// TestNetworkCovers: whatever a rule names, each rule that covers it names too; and some rules do cover others.
func TestNetworkCovers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	peer := func() string {
		return pick("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "192.168.0.0/17", "0.0.0.0/0", "@private", "@loopback",
			"a.example", "b.a.example", "*.a.example", "**.a.example", "**.example", "*.b.a.example")
	}
	var rules []NetworkRule
	for range 200 {
		rule, err := parseNetwork(peer() + pick("", "", ":443", ":80,443", ":1-1000", ":400-500,80") + pick("", "", "/tcp", "/udp"))
		if err != nil {
			t.Fatalf("%+v", err)
		}
		rules = append(rules, rule)
	}
	effort := 1 << 30
	index := networkCover(rules, &effort)
	covered := 0
	for i, narrow := range rules {
		for j, wide := range rules {
			if !wide.covers(narrow) {
				continue
			}
			covered++
			if found := index.over(narrow, func(k int) bool { return k == j }); found != j {
				t.Errorf("%d covers %d and is no candidate: %+v, %+v", j, i, wide, narrow)
			}
		}
	}
	if covered < 2*len(rules) {
		t.Errorf("only %d of the pairs are covered", covered)
	}
	for range 2000 {
		host := pick("a.example", "b.a.example", "c.b.a.example", "example", "x.example")
		addr := netip.MustParseAddr(pick("10.1.2.3", "10.1.2.4", "10.200.0.1", "192.168.1.1", "192.168.200.1", "127.0.0.1", "8.8.8.8"))
		port, protocol := uint16([]int{80, 443, 450, 22, 5000}[random.IntN(5)]), pick("tcp", "udp")
		for range 20 {
			wide, narrow := rules[random.IntN(len(rules))], rules[random.IntN(len(rules))]
			if wide.covers(narrow) && narrow.names(host, addr, port, protocol) && !wide.names(host, addr, port, protocol) {
				t.Errorf("%+v covers %+v, and does not name %s %s %d/%s", wide, narrow, host, addr, port, protocol)
			}
		}
	}
}
