package diff

import (
	"slices"
	"strconv"
	"strings"

	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/compile"
)

// host compares what holds for every task, and for packets.
func (d *comparison) host() error {
	a, b := &d.a.policy.Host, &d.b.policy.Host
	for _, l := range []struct {
		kind string
		of   func(*policy.Host) *class
	}{{"exec", starts}, {"read", readers}, {"write", writers}, {"ioctl", devices}, {"mount", mounts}} {
		if err := d.texts("host", l.kind, l.of(a), l.of(b), automaton.CleanPaths()); err != nil {
			return err
		}
	}
	d.modules()
	for _, s := range []struct {
		kind string
		a, b policy.List[policy.PathRule]
	}{{"bpf", a.BPF, b.BPF}, {"settime", a.Settime, b.Settime}, {"keyring", a.Keyrings, b.Keyrings}, {"io_uring", a.IOUring, b.IOUring}} {
		d.exempted("host", s.kind, "any use", onlyFor(s.kind, s.a), onlyFor(s.kind, s.b))
	}
	d.prctl()
	d.networks("host", "connect", nil, d.a.img.Host.Metadata, d.b.img.Host.Metadata)
	d.resolve()
	d.firewall()
	return nil
}

// openTo makes a denying rule that some executables are exempt from.
func openTo(path policy.PathRule, exempt policy.List[policy.PathRule]) ruled {
	return ruled{glob: path.Glob, deny: true, text: path.Text, pos: path.Pos, except: exempt.Rules}
}

func starts(h *policy.Host) *class {
	c := &class{miss: silent()}
	for _, r := range h.Exec.Rules {
		c.rules = append(c.rules, openTo(r.Path, r.Parents))
	}
	return c
}

func readers(h *policy.Host) *class {
	return guarded(h, func(f policy.GuardedFile) policy.List[policy.PathRule] { return f.Readers })
}

func writers(h *policy.Host) *class {
	return guarded(h, func(f policy.GuardedFile) policy.List[policy.PathRule] { return f.Writers })
}

func guarded(h *policy.Host, who func(policy.GuardedFile) policy.List[policy.PathRule]) *class {
	c := &class{miss: silent()}
	for _, f := range h.Files.Rules {
		if exempt := who(f); exempt.Present {
			c.rules = append(c.rules, openTo(f.Path, exempt))
		}
	}
	return c
}

func devices(h *policy.Host) *class {
	c := &class{miss: silent()}
	for _, r := range h.Devices.Rules {
		c.rules = append(c.rules, openTo(r.Path, r.AllowExe))
	}
	return c
}

func mounts(h *policy.Host) *class {
	c := &class{miss: silent()}
	c.add(true, policy.AccessAll, h.BlockedMountSources.Rules...)
	return c
}

// onlyFor is what a list of executables says of everybody else.
func onlyFor(kind string, l policy.List[policy.PathRule]) Side {
	if !l.Present {
		return silent()
	}
	return Side{Answer: Denied, Rule: kind + ".allow_exe", Position: l.Pos.String(), For: texts(l, func(r policy.PathRule) string { return r.Text })}
}

// exempted compares two answers that executables may be exempt from.
func (d *comparison) exempted(subject, kind, object string, from, to Side) {
	slices.Sort(from.For)
	slices.Sort(to.For)
	if from.Answer != to.Answer || !slices.Equal(from.For, to.For) {
		d.change(Change{Subject: subject, Kind: kind, From: from, To: to, Object: object})
	}
}

// modules compares each module that either names, and all others.
func (d *comparison) modules() {
	var names []string
	for _, h := range []*policy.Host{&d.a.policy.Host, &d.b.policy.Host} {
		for _, l := range []policy.List[policy.NameRule]{h.ModulesAllowed, h.ModulesBlocked} {
			names = append(names, texts(l, func(r policy.NameRule) string { return strings.ReplaceAll(r.Text, "-", "_") })...)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		d.decision("host", "module", name, d.a.match(&d.a.img.Host.Module, name), d.b.match(&d.b.img.Host.Module, name))
	}
	const other = "a b" // no module has a blank in its name
	d.decision("host", "module", "every other", d.a.match(&d.a.img.Host.Module, other), d.b.match(&d.b.img.Host.Module, other))
}

func (h *half) match(t *compile.Table, text string) uint32 {
	if v := automaton.MatchAll(h.img.Automata[t.Automata.First:][:t.Automata.Count], text); v != automaton.None {
		return t.Base + v
	}
	return t.Miss
}

func (d *comparison) prctl() {
	for _, name := range syscalls.PrctlOptions() {
		d.exempted("host", "prctl", name, blockedOption(&d.a.policy.Host, name), blockedOption(&d.b.policy.Host, name))
	}
}

func blockedOption(h *policy.Host, name string) Side {
	for _, r := range h.BlockedPrctl.Rules {
		if r.Text == name {
			return Side{Answer: Denied, Rule: name, Position: r.Pos.String(), For: texts(h.PrctlExe, func(r policy.PathRule) string { return r.Text })}
		}
	}
	return silent()
}

// resolve compares the names that nobody may resolve.
func (d *comparison) resolve() {
	for _, c := range classes(domains(d.a.policy.DNS.BlockNames, d.b.policy.DNS.BlockNames)) {
		d.decision("host", "resolve", c.shown, d.a.blockedName(c.name), d.b.blockedName(c.name))
	}
}

func (h *half) blockedName(name string) uint32 {
	best := uint32(automaton.None)
	for i := range h.img.Host.Names.Automata.Count {
		best = min(best, h.img.Automata[h.img.Host.Names.Automata.First+i].MatchName(name))
	}
	if best == automaton.None {
		return h.img.Host.Names.Miss
	}
	return h.img.Host.Names.Base + best
}

func (d *comparison) firewall() {
	a, b := &d.a.policy.Firewall, &d.b.policy.Firewall
	d.networks("firewall", "egress", domains(a.Egress.Allow, a.Egress.Block, b.Egress.Allow, b.Egress.Block), d.a.img.Firewall.Egress, d.b.img.Firewall.Egress)
	d.decision("firewall", "ingress", "interfaces without a zone", d.a.img.Firewall.ZoneMiss, d.b.img.Firewall.ZoneMiss)
	for _, name := range zones(a, b) {
		ia, ib := zone(a, name), zone(b, name)
		if ia < 0 || ib < 0 {
			d.notice("firewall", "zone "+name, presence(ia >= 0), presence(ib >= 0))
			continue
		}
		za, zb := &d.a.img.Firewall.Zones[ia], &d.b.img.Firewall.Zones[ib]
		d.notice("firewall", "interfaces of zone "+name, interfaces(&a.Ingress.Zones[ia]), interfaces(&b.Ingress.Zones[ib]))
		d.networks("firewall", "ingress to zone "+name, nil, za.Peers, zb.Peers)
		for _, typ := range icmpTypes(za, zb) {
			d.decision("firewall", "ingress to zone "+name, icmpText(typ), icmp(za, typ), icmp(zb, typ))
		}
	}
}

func zones(a, b *policy.Firewall) []string {
	var out []string
	for _, f := range []*policy.Firewall{b, a} {
		for _, z := range f.Ingress.Zones {
			if !slices.Contains(out, z.Name) {
				out = append(out, z.Name)
			}
		}
	}
	return out
}

func zone(f *policy.Firewall, name string) int {
	return slices.IndexFunc(f.Ingress.Zones, func(z policy.Zone) bool { return z.Name == name })
}

func interfaces(z *policy.Zone) string {
	return strings.Join(texts(z.Interfaces, func(r policy.GlobRule) string { return r.Text }), ", ")
}

// icmpTypes are the types that either zone names, and one that neither does.
func icmpTypes(a, b *compile.Zone) []uint32 {
	out := []uint32{noICMP}
	for _, z := range []*compile.Zone{a, b} {
		for _, o := range z.ICMP {
			out = append(out, o.Number)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// noICMP is beyond the types of both versions.
const noICMP = 512

func icmp(z *compile.Zone, typ uint32) uint32 {
	for _, o := range z.ICMP {
		if o.Number == typ {
			return o.Decision
		}
	}
	return z.Miss
}

func icmpText(typ uint32) string {
	switch {
	case typ == noICMP:
		return "every other ICMP type"
	case typ >= 256:
		return "ICMPv6 type " + strconv.Itoa(int(typ-256))
	}
	return "ICMP type " + strconv.Itoa(int(typ))
}
