package compile

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/stockade-security/stockade/policy"
)

// portsOf returns the port ranges of a rule, by protocol and in order, without a decision.
func portsOf(r policy.NetworkRule) []Port {
	protocols := []Protocol{ProtocolTCP, ProtocolUDP, ProtocolOther}
	switch r.Protocol {
	case "tcp":
		protocols = protocols[:1]
	case "udp":
		protocols = protocols[1:2]
	}
	ranges := r.Ports
	if len(ranges) == 0 {
		ranges = []policy.PortRange{{First: 0, Last: 65535}}
	}
	out := make([]Port, 0, len(protocols)*len(ranges))
	for _, protocol := range protocols {
		for _, r := range ranges {
			out = append(out, Port{Protocol: protocol, First: r.First, Last: r.Last})
		}
	}
	return out
}

// width is how many ports a rule covers.
func width(ports []policy.PortRange) int {
	if len(ports) == 0 {
		return 1 << 16
	}
	n := 0
	for _, p := range ports {
		n += int(p.Last) - int(p.First) + 1
	}
	return n
}

// overlay returns what a prefix says of ports: of what it inherits and what its own rules say, the decision with
// precedence. Lists that are alike are there once.
func (c *compiler) overlay(inherited Range, own []Port) (Range, error) {
	if len(own) == 0 {
		return inherited, nil
	}
	key := fmt.Sprint(inherited, own)
	if r, ok := c.ports[key]; ok {
		return r, nil
	}
	list := resolve(append(slices.Clone(c.image.Ports[inherited.First:][:inherited.Count]), own...))
	if n := len(c.image.Ports) + len(list); n > slack*MaxPorts {
		return Range{}, &BoundError{What: "port ranges", Need: n, Max: MaxPorts}
	}
	r := Range{First: uint32(len(c.image.Ports)), Count: uint32(len(list))}
	c.image.Ports = append(c.image.Ports, list...)
	c.ports[key] = r
	return r, nil
}

// resolve makes overlapping ranges disjoint: each port gets the smallest decision of the ranges that hold it.
func resolve(list []Port) []Port {
	var out []Port
	for protocol := range ProtocolCount {
		var same []Port
		for _, p := range list {
			if p.Protocol == protocol {
				same = append(same, p)
			}
		}
		out = append(out, paint(same)...)
	}
	return out
}

// paint lays ranges of one protocol side by side. All of their ends cut the ports into segments; the ranges paint the
// segments in order of precedence, and pass over what is painted.
func paint(list []Port) []Port {
	if len(list) == 0 {
		return nil
	}
	var cuts []int
	for _, p := range list {
		cuts = append(cuts, int(p.First), int(p.Last)+1)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	painted := make([]uint32, len(cuts))
	next := make([]int, len(cuts)) // the first segment from here on that may be unpainted
	for i := range next {
		next[i] = i
	}
	unpainted := func(i int) int {
		for next[i] != i {
			next[i] = next[next[i]]
			i = next[i]
		}
		return i
	}
	slices.SortFunc(list, func(a, b Port) int { return cmp.Compare(a.Decision, b.Decision) })
	for _, p := range list {
		first, _ := slices.BinarySearch(cuts, int(p.First))
		end, _ := slices.BinarySearch(cuts, int(p.Last)+1)
		for i := unpainted(first); i < end; i = unpainted(i) {
			painted[i], next[i] = p.Decision, i+1
		}
	}
	var out []Port
	for i, decision := range painted {
		if decision == NoDecision {
			continue
		}
		segment := Port{list[0].Protocol, uint16(cuts[i]), uint16(cuts[i+1] - 1), decision}
		if n := len(out); n > 0 && out[n-1].Decision == decision && out[n-1].Last+1 == segment.First {
			out[n-1].Last = segment.Last
		} else {
			out = append(out, segment)
		}
	}
	return out
}
