package policy

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/stockade-security/stockade/policy/glob"
)

func firewallSection() section[Firewall] {
	return section[Firewall]{
		name: "firewall",
		keys: []key[Firewall]{
			{"ingress", func(r *reader, e entry, f *Firewall) {
				r.recordedOnly(e, "filters no packets")
				f.Ingress.Present, f.Ingress.Pos = true, e.pos
				decode(r, e.value, ingressSection(), &f.Ingress)
			}},
			{"egress", func(r *reader, e entry, f *Firewall) {
				r.recordedOnly(e, "filters no packets")
				f.Egress.Present, f.Egress.Pos = true, e.pos
				decode(r, e.value, egressSection(), &f.Egress)
				r.checkShared(f.Egress.AllowSharedSuffix.Set)
			}},
		},
	}
}

func ingressSection() section[Ingress] {
	return section[Ingress]{
		name: "ingress",
		keys: []key[Ingress]{
			{"default", func(r *reader, e entry, in *Ingress) { in.DefaultDeny = r.denies(e) }},
			{"zones", (*reader).zones},
		},
	}
}

func zoneSection() section[Zone] {
	return section[Zone]{
		name: "a zone",
		keys: []key[Zone]{
			{"interfaces", listOf((*reader).interfaceRule, func(z *Zone) *List[GlobRule] { return &z.Interfaces })},
			{protocolTCP, listOf(zonePorts(protocolTCP), func(z *Zone) *List[NetworkRule] { return &z.TCP })},
			{protocolUDP, listOf(zonePorts(protocolUDP), func(z *Zone) *List[NetworkRule] { return &z.UDP })},
			{"icmp", listOf((*reader).icmpRule, func(z *Zone) *List[NameRule] { return &z.ICMP })},
		},
	}
}

func egressSection() section[Egress] {
	return section[Egress]{
		name: "egress",
		keys: []key[Egress]{
			{"default", func(r *reader, e entry, out *Egress) { out.DefaultDeny = r.denies(e) }},
			{"rules", (*reader).egressRules},
			{"allow_shared_suffix", func(r *reader, e entry, out *Egress) { out.AllowSharedSuffix = r.flag(e) }},
		},
	}
}

// egressGroup is an item of egress.rules.
type egressGroup struct{ allow, block List[NetworkRule] }

func egressGroupSection() section[egressGroup] {
	return section[egressGroup]{
		name: "an egress rule",
		keys: []key[egressGroup]{
			{"allow", listOf((*reader).egressAllowed, func(g *egressGroup) *List[NetworkRule] { return &g.allow })},
			{"block", listOf((*reader).egressBlocked, func(g *egressGroup) *List[NetworkRule] { return &g.block })},
		},
	}
}

// denies reads the default of a direction.
func (r *reader) denies(e entry) bool { return r.choice(e, []string{"allow", "deny"}) == "deny" }

func (r *reader) zones(e entry, in *Ingress) {
	entries, _ := r.entries(e.value, "zones")
	for _, e := range entries {
		if !isName(e.key) {
			r.problem(e.pos, "write a letter, then letters, digits, - and _", "%s names no zone", quoted(e.key))
		}
		zone, before := Zone{Name: e.key, Pos: e.pos}, len(r.problems)
		if !isNull(e.value) {
			decode(r, e.value, zoneSection(), &zone)
		}
		if len(zone.Interfaces.Rules) == 0 && len(r.problems) == before {
			r.problem(e.pos, "add interfaces: [eth0], or a pattern such as eth*", "the zone %s has no interfaces", e.key)
		}
		r.checkInterfaces(in.Zones, zone)
		in.Zones = append(in.Zones, zone)
	}
}

// maxZones bounds the zones, and their interfaces, that others are compared with.
const maxZones = 16

// checkInterfaces refuses an interface that an earlier zone has, and warns of one that an earlier zone's pattern covers: the
// first zone judges its packets.
func (r *reader) checkInterfaces(before []Zone, zone Zone) {
	for _, rule := range zone.Interfaces.Rules {
		for _, other := range before[:min(len(before), maxZones)] {
			for _, taken := range other.Interfaces.Rules[:min(len(other.Interfaces.Rules), maxZones)] {
				switch {
				case taken.Text == rule.Text:
					r.problem(rule.Pos, "keep it in one of them", "the interface %s is in the zone %s already, which judges its packets", quoted(rule.Text), other.Name)
				case taken.Glob.Covers(rule.Glob):
					r.warnCovered(rule.Text, rule.Pos, taken.Text, taken.Pos)
				}
			}
		}
	}
}

// maxInterface is the longest name of an interface: IFNAMSIZ without the NUL.
const maxInterface = 15

func (r *reader) interfaceRule(node ast.Node) (GlobRule, bool) {
	s, ok := r.scalar(node, "an interface")
	if !ok {
		return GlobRule{}, false
	}
	g, err := glob.Parse(s.text)
	if syntax, bad := errors.AsType[*glob.SyntaxError](err); bad {
		r.problem(s.point(syntax.Offset), "write a name such as eth0, or a pattern such as eth*", "bad interface %s: %s", quoted(s.text), syntax.Message)
		return GlobRule{}, false
	}
	if g.Literals() > maxInterface || strings.ContainsAny(s.text, "/: ") {
		r.problem(s.pos, "ip link lists the names", "%s names no interface", quoted(s.text))
		return GlobRule{}, false
	}
	return GlobRule{Text: s.text, Pos: s.pos, Glob: g}, true
}

// zonePorts reads own ports of a protocol, after the peer's address if that matters.
func zonePorts(protocol string) func(*reader, ast.Node) (NetworkRule, bool) {
	parse := func(text string) (NetworkRule, *networkError) {
		rule, err := parsePortsFirst(text)
		switch {
		case err != nil:
		case rule.Protocol != "":
			err = &networkError{strings.LastIndexByte(text, '/'), "the key says the protocol", "write " + text[:strings.LastIndexByte(text, '/')]}
		case rule.Prefixes == nil && !rule.unresolved():
			err = &networkError{0, "packets that come in have no such sender", ""}
		}
		rule.Protocol = protocol
		return rule, err
	}
	return func(r *reader, node ast.Node) (NetworkRule, bool) {
		return r.networkEntry(node, parse, "write 443, 8000-8100, or with the sender's address 10.0.0.0/8:22")
	}
}

func (r *reader) icmpRule(node ast.Node) (NameRule, bool) {
	return r.nameRule(node, "ICMP type", icmpNames(), "the types are "+strings.Join(icmpNames(), ", "))
}

// egressRules collects the groups, which are for readers only: the order of entries decides as in any list.
func (r *reader) egressRules(e entry, out *Egress) {
	groups := list(r, e, func(r *reader, node ast.Node) (egressGroup, bool) {
		g, before := egressGroup{}, len(r.problems)
		ok := decode(r, node, egressGroupSection(), &g)
		if !g.allow.Present && !g.block.Present && len(r.problems) == before {
			r.problem(r.place(node), "write {allow: [...]} or {block: [...]}", "an egress rule without allow or block")
		}
		return g, ok
	})
	for _, g := range groups.Rules {
		out.Allow, out.Block = joined(out.Allow, g.allow), joined(out.Block, g.block)
	}
}

func joined(a, b List[NetworkRule]) List[NetworkRule] {
	if !a.Present {
		return b
	}
	a.Rules = append(a.Rules, b.Rules...)
	return a
}

func (r *reader) egressAllowed(node ast.Node) (NetworkRule, bool) {
	rule, ok := r.grantedRule(node)
	return rule, ok && r.isPacketPeer(rule)
}

func (r *reader) egressBlocked(node ast.Node) (NetworkRule, bool) {
	rule, ok := r.networkRule(node)
	return rule, ok && r.isPacketPeer(rule)
}

func (r *reader) isPacketPeer(rule NetworkRule) bool {
	if rule.Path != nil {
		r.problem(rule.Pos, "name it in the blocked_network of a process entry", "%s sends no packets", quoted(rule.Text))
	}
	return rule.Path == nil
}
