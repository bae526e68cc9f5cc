package verdict

import (
	"path"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

// Judge returns what a policy says against an event, nil if nothing. It is Accesses, Actor, Identify, Decide and
// Violation in one, and allocates only for a violation. mode replaces the modes of the policy; empty: they hold.
func Judge(img *compile.Image, mode policy.Mode, e *event.Event) []event.Violation {
	var space [3]Access
	accesses := appendAccesses(space[:0], e)
	if len(accesses) == 0 {
		return nil
	}
	facts, ancestors, ok := Actor(e)
	if !ok {
		return nil
	}
	task := Identify(img, facts, ancestors)
	var out []event.Violation
	for i := range accesses {
		a := &accesses[i]
		if a.Op == OpSignal || a.Op == OpPtrace {
			a.Target = target(img, e)
		}
		if d := Decide(img, task, a); d.Denied {
			out = append(out, Violation(img, mode, e, task, a, d))
		}
	}
	return out
}

// Violation makes the record of a decision that denies; e tells when, who and how it was seen. What has been seen has not
// been refused, so its action is logged in audit mode and alerted in the others; who knows that the kernel refused it says so.
func Violation(img *compile.Image, mode policy.Mode, e *event.Event, task Task, a *Access, d Decision) event.Violation {
	s := subject(img, task.Subject)
	if mode == "" {
		mode = s.Mode
	}
	action := event.ActionLogged
	if mode != policy.ModeAudit {
		action = event.ActionAlerted
	}
	v := event.Violation{
		Timestamp:  e.Time,
		Type:       string(d.Type(img)),
		Detail:     Detail(img, task, a, d),
		Severity:   d.Severity(img),
		Action:     action,
		PolicyMode: string(mode),
		Rule:       d.Position(img),
		Subject:    s.Name,
		Mechanism:  string(e.Evidence),
		WouldDeny:  d.Denied,
	}
	if p := e.Process; p != nil {
		v.PID, v.ProcessName = p.PID, p.Name
		if facts, _, _ := Actor(e); facts.Exe != "" {
			v.ProcessName = path.Base(strings.TrimSuffix(facts.Exe, deleted))
		}
	}
	return v
}
