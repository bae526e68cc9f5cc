package verdict

import (
	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
)

// Judge returns what the policy says against an event, nil if nothing. It is Actor, Subject, Accesses, Decide and
// Violation in one, and allocates only for a violation.
func (img *Image) Judge(e *event.Event, mode policy.Mode) []event.Violation {
	s := img.Subject(Actor(e))
	if s == nil {
		return nil
	}
	var space [2]Access
	var out []event.Violation
	for _, a := range appendAccesses(space[:0], e) {
		if d := Decide(s, a); d.Denied {
			out = append(out, Violation(e, s, d, mode))
		}
	}
	return out
}

// Violation makes the record of a decision that denies. This version prevents nothing, so its action is logged in
// audit mode and alerted in the others, never blocked; and since nothing was refused yet, every one says would_deny.
func Violation(e *event.Event, s *Subject, d Decision, mode policy.Mode) event.Violation {
	action := event.ActionLogged
	if mode != policy.ModeAudit {
		action = event.ActionAlerted
	}
	v := event.Violation{
		Timestamp:   e.Time,
		ProcessName: s.name,
		Type:        d.Type,
		Detail:      d.Detail,
		Severity:    d.Severity,
		Action:      action,
		PolicyMode:  string(mode),
		Rule:        d.Rule,
		Subject:     s.name,
		Mechanism:   string(e.Evidence),
		WouldDeny:   d.Denied,
	}
	if e.Process != nil {
		v.PID = e.Process.PID
	}
	return v
}
