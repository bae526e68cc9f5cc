package compile

import (
	"fmt"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/glob"
)

// firewall compiles what is judged of packets.
func (c *compiler) firewall() error {
	f := &c.policy.Firewall
	c.image.Firewall.Egress = NoTable
	if err := c.ingress(&f.Ingress); err != nil {
		return fmt.Errorf("firewall: ingress: %w", err)
	}
	if err := c.egress(&f.Egress); err != nil {
		return fmt.Errorf("firewall: egress: %w", err)
	}
	return nil
}

// ingress compiles the zones. What a zone does not list is denied there; default is about the other interfaces.
func (c *compiler) ingress(f *policy.Ingress) error {
	denied := offence{TypeFirewall, event.SeverityLow}
	out := &c.image.Firewall
	for _, zone := range f.Zones {
		made, err := c.zone(denied, &zone)
		if err != nil {
			return fmt.Errorf("zone %s: %w", zone.Name, err)
		}
		out.Zones = append(out.Zones, made)
	}
	if f.Present && f.DefaultDeny {
		out.ZoneMiss = c.run([]Decision{c.unlisted(denied, listKey{name: "ingress", pos: f.Pos})})
	}
	return nil
}

func (c *compiler) zone(denied offence, z *policy.Zone) (Zone, error) {
	out := Zone{Name: z.Name}
	var interfaces []*glob.Glob
	for _, r := range z.Interfaces.Rules {
		interfaces = append(interfaces, r.Glob)
	}
	condition, err := c.condition(interfaces)
	if err != nil {
		return out, fmt.Errorf("interfaces: %w", err)
	}
	out.Interfaces = condition.Table
	allowed := Decision{Type: TypeFirewall}
	list := append(peerRules(z.TCP, allowed), peerRules(z.UDP, allowed)...)
	ends := ends{denies: true, closed: true, decision: c.unlisted(denied, listKey{name: "zones." + z.Name, pos: z.Pos})}
	if out.Peers, err = c.network(list, ends); err != nil {
		return out, err
	}
	out.Miss = c.image.Networks[out.Peers].Miss
	for _, r := range z.ICMP.Rules {
		d := allowed
		d.Rule = c.rule(Rule(r))
		for _, n := range policy.ICMPTypes(r.Text) {
			out.ICMP = append(out.ICMP, Option{Number: n, Decision: c.run([]Decision{d})})
		}
	}
	out.ICMP = uniqueOptions(out.ICMP)
	return out, nil
}

func (c *compiler) egress(f *policy.Egress) error {
	if !f.Present {
		return nil
	}
	denied := offence{TypeFirewall, event.SeverityCritical}
	list := append(peerRules(f.Block, denied.deny()), peerRules(f.Allow, Decision{Type: TypeFirewall})...)
	n, err := c.network(list, c.ends(denied, listKey{name: "egress", present: f.DefaultDeny, pos: f.Pos}))
	c.image.Firewall.Egress = n
	return err
}
