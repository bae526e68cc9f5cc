package compile

import (
	"slices"

	"github.com/stockade-security/stockade/policy"
)

// image is the form of a whole image.
func (c *codec) image(img *Image) {
	text(c, &img.Digest)
	text(c, &img.Mode)
	list(c, &img.Rules, (*codec).rule)
	list(c, &img.Decisions, (*codec).decision)
	list(c, &img.Subjects, (*codec).subject)
	if c.reading {
		img.Inherits = slices.ContainsFunc(img.Subjects, func(s Subject) bool { return s.Inherit })
	}
	list(c, &img.Automata, (*codec).automaton)
	c.table(&img.Actors)
	list(c, &img.ActorSets, (*codec).actorSet)
	list(c, &img.Claims, (*codec).claim)
	list(c, &img.Networks, (*codec).network)
	list(c, &img.Ports, (*codec).port)
	list(c, &img.NameSets, (*codec).span)
	list(c, &img.Syscalls, func(c *codec, s *Syscalls) {
		each(c, s.AMD64[:])
		each(c, s.I386[:])
		c.numbers(&s.Miss)
	})
	list(c, &img.Capabilities, func(c *codec, s *[64]uint32) { each(c, s[:]) })
	numbers(c, &img.Members)
	c.host(&img.Host)
	c.firewall(&img.Firewall)
	c.settings(&img.Settings)
}

func each(c *codec, fixed []uint32) {
	for i := range fixed {
		number(c, &fixed[i], 4)
	}
}

func (c *codec) position(p *policy.Position) {
	text(c, &p.File)
	number(c, &p.Line, 4)
	number(c, &p.Column, 4)
}

func (c *codec) rule(r *Rule) {
	text(c, &r.Text)
	c.position(&r.Pos)
}

func (c *codec) decision(d *Decision) {
	c.flag(&d.Deny)
	c.flag(&d.Unlisted)
	text(c, &d.Type)
	text(c, &d.Severity)
	c.numbers(&d.Rule, &d.Grant)
}

func (c *codec) table(t *Table) {
	c.span(&t.Automata)
	c.numbers(&t.Base, &t.Miss, &t.Long)
}

func (c *codec) subject(s *Subject) {
	text(c, &s.Name)
	text(c, &s.Mode)
	c.flag(&s.Inherit)
	for i := range s.Paths {
		c.table(&s.Paths[i])
	}
	c.numbers(&s.Peers, &s.Listen, &s.Packet, &s.Syscalls, &s.Capabilities, &s.NoSudo)
	for _, g := range []*Guard{&s.Signals, &s.Ptrace} {
		c.span(&g.Members)
		c.numbers(&g.Decision)
	}
	for _, l := range []*Limit{&s.MemoryMB, &s.CPUPercent, &s.Processes} {
		c.numbers(&l.Value, &l.Decision)
	}
	text(c, &s.OnLimit)
}

func (c *codec) actorSet(s *ActorSet) {
	for i := range s.Grants {
		number(c, &s.Grants[i], 8)
	}
	numbers(c, &s.Claims)
}

func (c *codec) claim(l *Claim) {
	c.numbers(&l.Subject)
	for _, condition := range l.conditions() {
		c.flag(&condition.Present)
		c.table(&condition.Table)
	}
	texts(c, &l.Users)
	texts(c, &l.SHA256)
}

func (c *codec) network(n *Network) {
	list(c, &n.Prefixes, func(c *codec, p *Prefix) {
		c.prefix(&p.Prefix)
		c.span(&p.Ports)
	})
	c.table(&n.Hosts)
	c.span(&n.Names)
	c.span(&n.Unnamed)
	c.numbers(&n.Miss)
}

func (c *codec) port(p *Port) {
	number(c, &p.Protocol, 1)
	number(c, &p.First, 2)
	number(c, &p.Last, 2)
	c.numbers(&p.Decision)
}

func (c *codec) option(o *Option) { c.numbers(&o.Number, &o.Decision) }

func (c *codec) host(h *Host) {
	for _, t := range h.tables() {
		c.table(t)
	}
	c.numbers(&h.BPF, &h.Settime, &h.Keyring, &h.IOUring, &h.Metadata)
	list(c, &h.Prctl, (*codec).option)
}

func (c *codec) firewall(f *Firewall) {
	list(c, &f.Zones, func(c *codec, z *Zone) {
		text(c, &z.Name)
		c.table(&z.Interfaces)
		c.numbers(&z.Peers, &z.Miss)
		list(c, &z.ICMP, (*codec).option)
	})
	c.numbers(&f.ZoneMiss, &f.Egress)
}

func (c *codec) settings(s *Settings) {
	text(c, &s.BreakGlass)
	c.position(&s.Lease.Pos)
	number(c, &s.Lease.Floor, 8)
	number(c, &s.Lease.Grace, 8)
	number(c, &s.Lease.PerName, 4)
	list(c, &s.Resolvers, (*codec).prefix)
	w := &s.Anomaly.BruteForce
	c.position(&w.Pos)
	number(c, &w.Threshold, 4)
	number(c, &w.Window, 8)
	number(c, &w.Ban, 8)
	for _, l := range []*policy.List[policy.NameRule]{&s.Alerts.OnViolation, &s.Alerts.OnCritical} {
		c.flag(&l.Present)
		c.position(&l.Pos)
		list(c, &l.Rules, func(c *codec, r *policy.NameRule) {
			text(c, &r.Text)
			c.position(&r.Pos)
		})
	}
	list(c, &s.Sinks, func(c *codec, k *policy.Sink) {
		text(c, &k.Name)
		c.position(&k.Pos)
		for _, v := range []*string{&k.Webhook, &k.File, &k.Syslog, &k.SecretEnv} {
			text(c, v)
		}
	})
}

// conditions lists those of a claim that are tables.
func (l *Claim) conditions() []*Condition {
	return []*Condition{&l.Name, &l.Unit, &l.Cgroup, &l.Container}
}

// tables lists those of a host: all yield decisions.
func (h *Host) tables() []*Table {
	return []*Table{&h.Exec, &h.Read, &h.Write, &h.Device, &h.Mount, &h.Module, &h.Names}
}
