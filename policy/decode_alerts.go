package policy

import (
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
	r.warn(WarningNotActedOn, e.pos, "", "%s is recorded only: this version runs no actions", e.key)
	return list(r, e, (*reader).action)
}

func (r *reader) action(node ast.Node) (NameRule, bool) {
	return r.nameRule(node, "action", actions(), "the actions are "+strings.Join(actions(), ", "))
}

// actions returns the names that alerts may hold.
func actions() []string {
	return []string{
		"log_to_syslog", "send_to_soc_dashboard", "increment_circuit_breaker",
		"kill_process", "isolate_network", "notify_architect",
	}
}
