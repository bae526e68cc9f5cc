package verdict

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/stockade-security/stockade/policy"
)

// networkTable answers which rule of a list names a peer.
type networkTable struct {
	present bool
	list    string
	// Each slice stands in the order of precedence.
	addresses []networkRule
	sockets   []networkRule
	hosts     []networkRule
}

type networkRule struct {
	policy.NetworkRule
	position string
}

func newNetworkTable(l policy.List[policy.NetworkRule]) networkTable {
	t := networkTable{present: l.Present, list: l.Pos.String()}
	for _, rule := range l.Rules {
		compiled := networkRule{rule, rule.Pos.String()}
		switch {
		case rule.Path != nil:
			t.sockets = append(t.sockets, compiled)
		case rule.Host != "":
			t.hosts = append(t.hosts, compiled)
		default:
			for i := range rule.Prefixes {
				compiled.Prefixes = rule.Prefixes[i : i+1]
				t.addresses = append(t.addresses, compiled)
			}
		}
	}
	slices.SortStableFunc(t.addresses, func(a, b networkRule) int {
		return cmp.Or(b.Prefixes[0].Bits()-a.Prefixes[0].Bits(), a.width()-b.width(), cmp.Compare(b.Protocol, a.Protocol))
	})
	slices.SortStableFunc(t.sockets, func(a, b networkRule) int {
		return cmp.Or(b.Path.Prefix()-a.Path.Prefix(), b.Path.Literals()-a.Path.Literals())
	})
	return t
}

// width is how many ports the rule covers.
func (r *networkRule) width() int {
	if len(r.Ports) == 0 {
		return 1 << 16
	}
	n := 0
	for _, p := range r.Ports {
		n += int(p.Last) - int(p.First) + 1
	}
	return n
}

func (r *networkRule) covers(port uint16, protocol string) bool {
	if r.Protocol != "" && r.Protocol != protocol {
		return false
	}
	if len(r.Ports) == 0 {
		return true
	}
	_, found := slices.BinarySearchFunc(r.Ports, port, func(p policy.PortRange, port uint16) int {
		switch {
		case p.Last < port:
			return -1
		case p.First > port:
			return 1
		}
		return 0
	})
	return found
}

// address returns the rule for an address that policy.NormalAddr returned, nil if none covers it.
func (t *networkTable) address(addr netip.Addr, port uint16, protocol string) *networkRule {
	for i := range t.addresses {
		if rule := &t.addresses[i]; rule.Prefixes[0].Contains(addr) && rule.covers(port, protocol) {
			return rule
		}
	}
	return nil
}

// host returns a rule by name that might cover the port: whether the name has the address nobody here knows.
func (t *networkTable) host(port uint16, protocol string) *networkRule {
	for i := range t.hosts {
		if rule := &t.hosts[i]; rule.covers(port, protocol) {
			return rule
		}
	}
	return nil
}

func (t *networkTable) socket(name string) *networkRule {
	for i := range t.sockets {
		if rule := &t.sockets[i]; rule.Path.Match(name) {
			return rule
		}
	}
	return nil
}
