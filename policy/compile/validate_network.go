package compile

import (
	"github.com/stockade-security/stockade/policy"
)

// ports finds the runs, so that each range is checked in one step however many share their ports.
func (v *validator) ports() {
	list := v.img.Ports
	for i, p := range list {
		v.decision(p.Decision)
		if p.Protocol >= ProtocolCount || p.First > p.Last || p.Decision == NoDecision {
			v.fail("port range %d makes no sense", i)
		}
	}
	v.runs = runs(list, func(a, b Port) bool {
		return a.Protocol < b.Protocol || a.Protocol == b.Protocol && a.Last < b.First
	})
	v.members = runs(v.img.Members, func(a, b uint32) bool { return a < b })
	v.below("subject", len(v.img.Subjects), v.img.Members...)
	for _, r := range v.img.NameSets {
		v.run("ports", r, v.runs)
	}
}

// runs returns for each element where the run of sorted ones ends that it is in.
func runs[T any](list []T, less func(a, b T) bool) []uint32 {
	out := make([]uint32, len(list))
	for i := len(list) - 1; i >= 0; i-- {
		out[i] = uint32(i + 1)
		if i+1 < len(list) && less(list[i], list[i+1]) {
			out[i] = out[i+1]
		}
	}
	return out
}

func (v *validator) networks() {
	for i := range v.img.Networks {
		n := &v.img.Networks[i]
		v.decision(n.Miss)
		v.span("sets of names", n.Names, len(v.img.NameSets))
		v.table("set of names", n.Hosts, int(n.Names.Count))
		v.run("ports", n.Unnamed, v.runs)
		for j, p := range n.Prefixes {
			v.run("ports", p.Ports, v.runs)
			if !p.Prefix.IsValid() || p.Prefix != p.Prefix.Masked() || p.Prefix.Addr() != policy.NormalAddr(p.Prefix.Addr()) {
				v.fail("network %d: prefix %d is none", i, j)
			}
			if j > 0 && comparePrefixes(n.Prefixes[j-1], p) >= 0 {
				v.fail("network %d: prefixes are not sorted", i)
			}
		}
	}
}

func (v *validator) firewall() {
	f := &v.img.Firewall
	v.decision(f.ZoneMiss)
	v.optional("network", len(v.img.Networks), f.Egress)
	for _, z := range f.Zones {
		v.table("value", z.Interfaces, anyValue)
		v.below("network", len(v.img.Networks), z.Peers)
		v.decision(z.Miss)
		v.options(z.ICMP)
	}
}

func (v *validator) options(list []Option) {
	for i, o := range list {
		v.decision(o.Decision)
		if i > 0 && list[i-1].Number >= o.Number {
			v.fail("options are not sorted")
		}
	}
}
