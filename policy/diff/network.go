package diff

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/compile"
)

// span is a run of addresses of one family, both ends included.
type span struct{ first, last netip.Addr }

// stretch is a run of ports on which both policies give one answer each.
type stretch struct {
	protocol    compile.Protocol
	first, last uint16
	from, to    plain
}

// plain is a Side that can be compared: what is said of addresses and names has no exemptions.
type plain struct{ answer, rule, position string }

func (s Side) plain() plain { return plain{s.Answer, s.Rule, s.Position} }

func (p plain) side() Side { return Side{Answer: p.answer, Rule: p.rule, Position: p.position} }

// networks compares two networks over every address, name, protocol and port; names are the domains that either names.
func (d *comparison) networks(subject, kind string, names []string, a, b uint32) {
	na, nb := d.a.network(a), d.b.network(b)
	for _, family := range []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")} {
		d.addresses(subject, kind, family, na, nb)
	}
	d.hosts(subject, kind, names, na, nb)
}

// net is a network of an image, nil where nothing is said.
type net struct {
	half *half
	*compile.Network
	// own finds what a prefix says of ports; lengths are those that prefixes have, the longest first.
	own     map[netip.Prefix]compile.Range
	lengths []int
}

func (h *half) network(index uint32) net {
	n := net{half: h, own: map[netip.Prefix]compile.Range{}}
	if index == compile.NoTable {
		return n
	}
	n.Network = &h.img.Networks[index]
	for _, p := range n.Prefixes {
		n.own[p.Prefix] = p.Ports
		n.lengths = append(n.lengths, p.Prefix.Bits())
	}
	slices.Sort(n.lengths)
	n.lengths = slices.Compact(n.lengths)
	slices.Reverse(n.lengths)
	return n
}

// addresses cuts a family at the ends of all prefixes. Addresses whose ports differ in the same way are told as one.
func (d *comparison) addresses(subject, kind string, family netip.Prefix, a, b net) {
	starts := []netip.Addr{family.Addr()}
	for _, n := range []net{a, b} {
		for _, p := range n.prefixes() {
			if p.Prefix.Addr().BitLen() != family.Addr().BitLen() {
				continue
			}
			starts = append(starts, p.Prefix.Addr())
			if next := last(p.Prefix).Next(); next.IsValid() {
				starts = append(starts, next)
			}
		}
	}
	slices.SortFunc(starts, netip.Addr.Compare)
	starts = slices.Compact(starts)
	found := blocks{index: map[stretch]*block{}}
	for i, start := range starts {
		end := last(family)
		if i+1 < len(starts) {
			end = starts[i+1].Prev()
		}
		for _, s := range sweep(a.ports(start), b.ports(start), a.miss(), b.miss()) {
			found.add(s, span{start, end})
		}
	}
	for _, f := range found.list() {
		d.change(Change{Subject: subject, Kind: kind, From: f.from.side(), To: f.to.side(), Object: f.String()})
	}
}

// last is the highest address of a prefix.
func last(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for i := p.Bits(); i < len(bytes)*8; i++ {
		bytes[i/8] |= 1 << (7 - i%8)
	}
	addr, _ := netip.AddrFromSlice(bytes)
	return addr
}

// said is an answer about a run of ports.
type said struct {
	protocol    compile.Protocol
	first, last uint16
	decision    uint32
	side        Side
}

func (n net) prefixes() []compile.Prefix {
	if n.Network == nil {
		return nil
	}
	return n.Prefixes
}

// miss is the answer about what nothing speaks of.
func (n net) miss() Side {
	if n.Network == nil {
		return silent()
	}
	return n.half.side(n.Miss)
}

// ports is what is said of an address whose name nobody knows: the longest prefix speaks, then the ports of all names leave
// undecided what would be denied.
func (n net) ports(addr netip.Addr) []said {
	if n.Network == nil {
		return nil
	}
	var out []said
	for _, bits := range n.lengths {
		prefix, err := addr.Prefix(bits)
		if ports, ok := n.own[prefix]; err == nil && ok {
			out = n.said(ports)
			break
		}
	}
	if n.half.img.Decisions[n.Miss].Deny {
		for _, s := range n.said(n.Unnamed) {
			s.side.Answer = Undecided
			out = append(out, s) // behind what is said of the address, which wins
		}
	}
	return out
}

func (n net) said(r compile.Range) []said {
	var out []said
	for _, p := range n.half.img.Ports[r.First:][:r.Count] {
		out = append(out, said{p.Protocol, p.First, p.Last, p.Decision, n.half.side(p.Decision)})
	}
	return out
}

// String writes a prefix where the span is one, else both ends.
func (s span) String() string {
	for bits := range s.first.BitLen() + 1 {
		if p := netip.PrefixFrom(s.first, bits); p.Masked() == p && last(p) == s.last {
			if bits == s.first.BitLen() {
				return s.first.String()
			}
			return p.String()
		}
	}
	return s.first.String() + "-" + s.last.String()
}

// ports writes the ports, unless they are all.
func (s stretch) ports() string {
	switch {
	case s.first == 0 && s.last == 1<<16-1:
		return ""
	case s.first == s.last:
		return fmt.Sprintf(" port %d", s.first)
	}
	return fmt.Sprintf(" ports %d-%d", s.first, s.last)
}

// hosts compares what is said of names, at addresses that nothing is said of; and, where such addresses are denied anyway,
// at allowed ones: there a name can be blocked too.
func (d *comparison) hosts(subject, kind string, names []string, a, b net) {
	for _, c := range classes(names) {
		namedA, namedB := a.named(c.name), b.named(c.name)
		alone := sweep(namedA, namedB, a.miss(), b.miss())
		d.name(subject, kind, c.shown, "", alone)
		allowed := sweep(namedA, namedB, silent(), silent())
		d.name(subject, kind, c.shown, ", at an allowed address", slices.DeleteFunc(allowed, func(s stretch) bool {
			return slices.ContainsFunc(alone, s.answered)
		}))
	}
}

// answered reports whether another stretch has the same answers about the same ports.
func (s stretch) answered(o stretch) bool {
	return s.protocol == o.protocol && s.first == o.first && s.last == o.last && s.from.answer == o.from.answer && s.to.answer == o.to.answer
}

// name takes the differences of a name into the report.
func (d *comparison) name(subject, kind, name, where string, differences []stretch) {
	found := blocks{index: map[stretch]*block{}}
	for _, s := range differences {
		found.add(s)
	}
	for _, f := range found.list() {
		d.change(Change{Subject: subject, Kind: kind, From: f.from.side(), To: f.to.side(), Object: name + " " + f.String() + where})
	}
}

// nameClass is host names that all rules treat alike; name is one of them.
type nameClass struct{ name, shown string }

// classes parts all names by rules about some domains. Rules name a domain, one label below it, or more; so names fall into
// classes by the longest of the domains that they end in, and by whether they are that domain, one label below it, or deeper.
// Names below none of the domains are not among them: no rule speaks of those.
func classes(domains []string) []nameClass {
	var out []nameClass
	for _, domain := range domains {
		out = append(out, nameClass{domain, domain}, nameClass{fresh + "." + domain, "*." + domain}, nameClass{fresh + "." + fresh + "." + domain, "**.*." + domain})
	}
	return out
}

// fresh is a label that no rule names: host names have no blanks.
const fresh = "a b"

// named is what is said of a name: of several rules the one with precedence.
func (n net) named(name string) []said {
	if n.Network == nil {
		return nil
	}
	var out []said
	for i := range n.Hosts.Automata.Count {
		v := n.half.img.Automata[n.Hosts.Automata.First+i].MatchName(name)
		if v != automaton.None {
			out = append(out, n.said(n.half.img.NameSets[n.Names.First+v])...)
		}
	}
	slices.SortStableFunc(out, func(a, b said) int { return cmp.Compare(a.decision, b.decision) })
	return out
}

// domains are the names of rules, without their patterns.
func domains(lists ...policy.List[policy.NetworkRule]) []string {
	var out []string
	for _, l := range lists {
		for _, r := range l.Rules {
			if r.Host != "" {
				out = append(out, strings.TrimPrefix(strings.TrimPrefix(r.Host, "**."), "*."))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
