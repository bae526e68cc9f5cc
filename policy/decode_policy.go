package policy

import (
	"cmp"

	"github.com/goccy/go-yaml/ast"
)

// policySection is the root of the file.
func policySection() section[Policy] {
	return section[Policy]{
		name: "the policy",
		keys: []key[Policy]{
			{"version", (*reader).version},
			{"mode", (*reader).mode},
			{"processes", (*reader).processes},
			{"dns", nested(dnsSection, func(p *Policy) *DNS { return &p.DNS })},
			{"firewall", nested(firewallSection, func(p *Policy) *Firewall { return &p.Firewall })},
			{"anomaly", nested(anomalySection, func(p *Policy) *Anomaly { return &p.Anomaly })},
			{"alerts", nested(alertsSection, func(p *Policy) *Alerts { return &p.Alerts })},
			{"sinks", (*reader).sinks},
		},
		later: []string{"default", "break_glass", "host", "include"},
	}
}

// outlines lists the sections: those whose keys somebody might look for elsewhere come last.
func outlines() []outline {
	return []outline{
		outlined(policySection()),
		outlined(processSection()),
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

// policy reads the root of the document. What it returns is only good if there were no problems.
func (r *reader) policy(body ast.Node) *Policy {
	p := &Policy{Name: r.file, Version: "1.0", Mode: ModeAudit}
	if decode(r, body, policySection(), p) && len(r.problems) == 0 && len(p.Processes) == 0 {
		r.problem(r.start(body, "processes"), `write "processes:" and an entry below it, named after an executable`, "the policy has no process entries")
	}
	return p
}

func (r *reader) version(e entry, _ *Policy) {
	s, ok := r.scalar(e.value, "version")
	if ok && s.text != "1.0" && s.text != "1" && s.text != "" {
		r.problem(s.pos, `write "1.0"`, "version %s is not known", quoted(s.text))
	}
}

func (r *reader) mode(e entry, p *Policy) {
	s, ok := r.scalar(e.value, "mode")
	if !ok || s.text == "" {
		return
	}
	mode, err := ParseMode(s.text)
	if err != nil {
		modes := []string{string(ModeAudit), string(ModeAlert), string(ModeEnforce)}
		r.problem(s.pos, cmp.Or(r.meant(s.text, modes), "write one of them"), "mode %s is none of audit, alert, enforce", quoted(s.text))
		return
	}
	p.Mode = mode
	if mode == ModeEnforce {
		r.warn(WarningNotActedOn, s.pos, "mode: alert says what happens", "this version prevents nothing: violations are raised, never blocked")
	}
}

// start returns where a key of a map stands, or else the file's first character.
func (r *reader) start(node ast.Node, key string) Position {
	entries, _ := r.entries(node, "")
	for _, e := range entries {
		if e.key == key {
			return e.pos
		}
	}
	return Position{File: r.file, Line: 1, Column: 1}
}
