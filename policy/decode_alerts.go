package policy

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

func alertsSection() section[Alerts] {
	return section[Alerts]{
		name: "alerts",
		keys: []key[Alerts]{
			{"on_violation", func(r *reader, e entry, a *Alerts) { a.OnViolation = r.actions(e) }},
			{"on_critical", func(r *reader, e entry, a *Alerts) { a.OnCritical = r.actions(e) }},
		},
	}
}

func (r *reader) actions(e entry) List[NameRule] {
	r.recordedOnly(e, "runs no actions")
	return list(r, e, (*reader).action)
}

// action reads the name of an action or sink, whatever the case of its letters; checkAlerts says whether there is one.
func (r *reader) action(node ast.Node) (NameRule, bool) {
	s, ok := r.scalar(node, "an action")
	return NameRule{Text: strings.ToLower(s.text), Pos: s.pos}, ok
}

// The actions of the per-process guards before. What leaves the host needs to be told where to: by the sink of that name.
func ownActions() []string {
	return []string{"log_to_syslog", "increment_circuit_breaker", "kill_process", "isolate_network"}
}

func sentActions() []string { return []string{"send_to_soc_dashboard", "notify_architect"} }

// checkAlerts holds the names in alerts to the actions and sinks, which are known when all of the policy is read.
func (b *book) checkAlerts(p *Policy) {
	var known []string
	for i := range p.Sinks {
		known = append(known, p.Sinks[i].Name)
	}
	for _, rule := range slices.Concat(p.Alerts.OnViolation.Rules, p.Alerts.OnCritical.Rules) {
		switch {
		case slices.Contains(known, rule.Text) || slices.Contains(ownActions(), rule.Text):
		case slices.Contains(sentActions(), rule.Text):
			b.warn(WarningDegraded, rule.Pos, "add it: sinks: {"+rule.Text+": {webhook: ...}}", "%s is degraded: it has no sink, so it only records", rule.Text)
		default:
			names := slices.Concat(ownActions(), sentActions(), known)
			hint := b.meant(rule.Text, names)
			if hint == "" {
				hint = "the actions and sinks are " + strings.Join(names, ", ")
			}
			b.problem(rule.Pos, hint, "unknown action %s", quoted(rule.Text))
		}
	}
}
