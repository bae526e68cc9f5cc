package layout

import (
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/compile"
)

// networks lays out what is said of addresses. Each prefix, and each set of host names, has a range of ports by number.
func (e *encoder) networks() {
	var ranges []Range
	number := func(r compile.Range) uint32 {
		ranges = append(ranges, span(r))
		return uint32(len(ranges) - 1)
	}
	list := make([]Network, len(e.img.Networks))
	for i := range e.img.Networks {
		n := &e.img.Networks[i]
		var v4, v6 []automaton.Prefix
		for _, p := range n.Prefixes {
			one := automaton.Prefix{Prefix: p.Prefix, Value: number(p.Ports)}
			if p.Prefix.Addr().Is4() {
				v4 = append(v4, one)
			} else {
				v6 = append(v6, one)
			}
		}
		list[i] = Network{V4: e.addresses(v4), V6: e.addresses(v6), Miss: n.Miss, Unnamed: span(n.Unnamed), Hosts: table(n.Hosts), Names: uint32(len(ranges))}
		for _, set := range e.img.NameSets[n.Names.First:][:n.Names.Count] {
			number(set)
		}
	}
	ports := make([]Port, len(e.img.Ports))
	for i, p := range e.img.Ports {
		ports[i] = Port{uint32(p.Protocol)<<16 | uint32(p.First), uint32(p.Protocol)<<16 | uint32(p.Last), p.Decision}
	}
	e.head.Networks, e.head.Ranges, e.head.Ports = put(e, list), put(e, ranges), put(e, ports)
}

// addresses adds the automaton of prefixes of one family, and returns its number.
func (e *encoder) addresses(list []automaton.Prefix) uint32 {
	if len(list) == 0 {
		return None
	}
	e.prefixes = append(e.prefixes, automaton.BuildPrefixes(list))
	return uint32(len(e.img.Automata) + len(e.prefixes) - 1)
}
