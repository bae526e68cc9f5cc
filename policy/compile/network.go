package compile

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
)

// peers is what a candidate says of the network: addresses or a name, and ports.
type peers struct {
	prefixes []netip.Prefix // of one length
	host     string
	ports    []Port // the decision is left open
}

// peerRules makes candidates of the rules that name peers by address or host name.
func peerRules(l policy.List[policy.NetworkRule], d Decision) []candidate[peers] {
	var out []candidate[peers]
	for _, r := range l.Rules {
		if r.Path != nil {
			continue
		}
		qualified := 0
		if r.Protocol != "" {
			qualified = 1
		}
		one := candidate[peers]{rule: Rule{r.Text, r.Pos}, decision: d, what: peers{host: r.Host, ports: portsOf(r)}}
		if r.Host != "" {
			// Longer than any prefix, so a name wins over addresses.
			one.specificity = [4]int{1000 * hostForm(r.Host), len(r.Host), -width(r.Ports), qualified}
			out = append(out, one)
			continue
		}
		byLength := map[int][]netip.Prefix{}
		for _, prefix := range r.Prefixes {
			byLength[prefix.Bits()] = append(byLength[prefix.Bits()], prefix)
		}
		for _, length := range slices.Sorted(maps.Keys(byLength)) {
			one.specificity = [4]int{length, 0, -width(r.Ports), qualified}
			one.what.prefixes = byLength[length]
			out = append(out, one)
		}
	}
	return out
}

// hostForm ranks names: exact over one label in front over any number of them.
func hostForm(host string) int {
	switch {
	case strings.HasPrefix(host, "**."):
		return 1
	case strings.HasPrefix(host, "*."):
		return 2
	}
	return 3
}

// peers compiles whom an entry may reach.
func (c *compiler) peers(p *policy.Process) (uint32, error) {
	if !p.AllowedNetwork.Present && !p.BlockedNetwork.Present {
		return NoTable, nil
	}
	denied := offence{TypeNetwork, event.SeverityCritical}
	list := append(peerRules(p.BlockedNetwork, denied.deny()), peerRules(p.AllowedNetwork, Decision{Type: TypeNetwork})...)
	return c.network(list, c.ends(denied, keyOf("allowed_network", p.AllowedNetwork)))
}

// listen compiles the own addresses and ports that an entry may use. allowed_network is about peers and has no say.
func (c *compiler) listen(p *policy.Process) (uint32, error) {
	if !p.AllowedListen.Present {
		return NoTable, nil
	}
	denied := offence{TypeNetwork, event.SeverityCritical}
	return c.network(peerRules(p.AllowedListen, Decision{Type: TypeNetwork}), c.ends(denied, keyOf("allowed_listen", p.AllowedListen)))
}

// network makes a network of the candidates, or finds the one that another entry has made of the same.
func (c *compiler) network(list []candidate[peers], ends ends) (uint32, error) {
	settle(c, list, &ends)
	key := fmt.Sprint(list, ends.miss)
	if n, ok := c.networks[key]; ok {
		return n, nil
	}
	n := Network{Miss: ends.miss}
	var err error
	if n.Prefixes, err = c.prefixes(list); err != nil {
		return 0, err
	}
	if err = c.hosts(list, &n); err != nil {
		return 0, err
	}
	c.networks[key] = uint32(len(c.image.Networks))
	c.image.Networks = append(c.image.Networks, n)
	return c.networks[key], nil
}

// prefixes gives each prefix the ports that it and the shorter ones around it have.
func (c *compiler) prefixes(list []candidate[peers]) ([]Prefix, error) {
	own := map[netip.Prefix][]Port{}
	for _, r := range list {
		for _, prefix := range r.what.prefixes {
			own[prefix] = append(own[prefix], decided(r)...)
		}
	}
	// In this order a prefix comes after those that hold it: they are on the stack.
	order := slices.SortedFunc(maps.Keys(own), func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().BitLen()-b.Addr().BitLen(), a.Addr().Compare(b.Addr()), a.Bits()-b.Bits())
	})
	var out, around []Prefix
	for _, prefix := range order {
		for len(around) > 0 && !around[len(around)-1].Prefix.Overlaps(prefix) {
			around = around[:len(around)-1]
		}
		var inherited Range
		if len(around) > 0 {
			inherited = around[len(around)-1].Ports
		}
		ports, err := c.overlay(inherited, own[prefix])
		if err != nil {
			return nil, err
		}
		around = append(around, Prefix{prefix, ports})
		out = append(out, Prefix{prefix, ports})
	}
	slices.SortFunc(out, comparePrefixes)
	return out, nil
}

// comparePrefixes is the order of Network.Prefixes.
func comparePrefixes(a, b Prefix) int {
	return cmp.Or(a.Prefix.Addr().BitLen()-b.Prefix.Addr().BitLen(), b.Prefix.Bits()-a.Prefix.Bits(), a.Prefix.Addr().Compare(b.Prefix.Addr()))
}

// hosts fills in what is said of names.
func (c *compiler) hosts(list []candidate[peers], n *Network) error {
	var patterns []automaton.Pattern
	var allowed []Port
	for i, r := range list {
		if r.what.host == "" {
			continue
		}
		patterns = append(patterns, automaton.Pattern{Name: r.what.host, Value: uint32(i)})
		if !r.decision.Deny {
			allowed = append(allowed, decided(r)...)
		}
	}
	if patterns == nil {
		return nil
	}
	automata, sets, err := c.sets(patterns)
	if err != nil {
		return fmt.Errorf("host names: %w", err)
	}
	n.Hosts.Automata = automata
	n.Names = Range{First: uint32(len(c.image.NameSets)), Count: uint32(len(sets))}
	for _, set := range sets {
		var ports []Port
		for _, i := range set {
			ports = append(ports, decided(list[i])...)
		}
		r, err := c.overlay(Range{}, ports)
		if err != nil {
			return err
		}
		c.image.NameSets = append(c.image.NameSets, r)
	}
	n.Unnamed, err = c.overlay(Range{}, allowed)
	return err
}

// decided returns a candidate's ports with its decision.
func decided(r candidate[peers]) []Port {
	out := slices.Clone(r.what.ports)
	for i := range out {
		out[i].Decision = r.number
	}
	return out
}
