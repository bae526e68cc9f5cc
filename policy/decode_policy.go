package policy

import (
	"cmp"
)

// policySection is the root of a file.
func policySection() section[Policy] {
	return section[Policy]{
		name: "the policy",
		keys: []key[Policy]{
			{"version", (*reader).version},
			{"include", (*reader).include},
			{"mode", once(func(r *reader, e entry, p *Policy) { p.Mode = cmp.Or(r.mode(e), p.Mode) })},
			{"processes", (*reader).processes},
			{"default", once((*reader).defaults)},
			{"host", once(nested(hostSection, func(p *Policy) *Host { return &p.Host }))},
			{"dns", once(nested(dnsSection, func(p *Policy) *DNS { return &p.DNS }))},
			{"firewall", once(nested(firewallSection, func(p *Policy) *Firewall { return &p.Firewall }))},
			{"anomaly", once(nested(anomalySection, func(p *Policy) *Anomaly { return &p.Anomaly }))},
			{"alerts", once(nested(alertsSection, func(p *Policy) *Alerts { return &p.Alerts }))},
			{"sinks", once((*reader).sinks)},
			{"break_glass", once(func(r *reader, e entry, p *Policy) {
				p.BreakGlass = cmp.Or(BreakGlass(r.choice(e, []string{string(BreakGlassStandard), string(BreakGlassNone)})), p.BreakGlass)
			})},
		},
	}
}

// outlines lists the sections whose keys might be written elsewhere. Of two that share a key the first is meant.
func outlines() []outline {
	return []outline{
		outlined(policySection()),
		outlined(processSection()),
		outlined(matchSection()),
		outlined(protectSection()),
		outlined(hostSection()),
		outlined(dnsSection()),
		outlined(leaseSection()),
		outlined(firewallSection()),
		outlined(ingressSection()),
		outlined(zoneSection()),
		outlined(egressSection()),
		outlined(egressGroupSection()),
		outlined(anomalySection()),
		outlined(windowSection()),
		outlined(sinkSection()),
		outlined(alertsSection()),
	}
}

func (r *reader) version(e entry, _ *Policy) {
	s, ok := r.scalar(e.value, "version")
	if ok && s.text != "1.0" && s.text != "1" && s.text != "" {
		r.problem(s.pos, `write "1.0"`, "version %s is not known", quoted(s.text))
	}
}

// mode reads a mode; "" for one that is not written, and after a problem.
func (r *reader) mode(e entry) Mode {
	s, ok := r.scalar(e.value, e.key)
	if !ok || s.text == "" {
		return ""
	}
	return Mode(r.choice(e, []string{string(ModeAudit), string(ModeAlert), string(ModeEnforce)}))
}
