// Package simulate replays recorded events against a policy: what it would deny, and how that differs from what the
// policy of the time said.
//
// It judges what was seen, as it was seen: what a sensor missed, or what a task would have done after a refusal, it
// cannot know. It refuses to read files; events come in one by one.
package simulate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// maxExamples is how many events a Group names.
const maxExamples = 3

// Report is what came of a simulation. An event that stands for several counts as many.
type Report struct {
	Events uint64 `json:"events"`
	// From and To are the times of the first and the last event; zero without events that tell one.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Denied is how many accesses the policy would deny, DeniedThen how many were denied, or would have been, by the
	// policy of the time.
	Denied     uint64 `json:"denied"`
	DeniedThen uint64 `json:"denied_then"`
	// Newly holds what only the policy at hand denies, Still what both do, by its rules; NoLonger what only the policy of
	// the time denied, by that one's. The most frequent come first.
	Newly    []Group `json:"newly_denied"`
	Still    []Group `json:"still_denied"`
	NoLonger []Group `json:"no_longer_denied"`
}

// Group is denied accesses of one subject by one rule.
type Group struct {
	Subject string `json:"subject"`
	// Rule is file:line.
	Rule     string         `json:"rule"`
	Type     string         `json:"type"`
	Severity event.Severity `json:"severity"`
	Count    uint64         `json:"count"`
	First    time.Time      `json:"first,omitzero"`
	Last     time.Time      `json:"last,omitzero"`
	// Examples are the first few.
	Examples []Example `json:"examples"`
}

// Example is an event that a group counts.
type Example struct {
	ID   string    `json:"id"`
	Time time.Time `json:"time,omitzero"`
	PID  int       `json:"pid"`
	Exe  string    `json:"exe"`
	// Detail says what was done and why it is not allowed. It holds names from outside.
	Detail string `json:"detail"`
}

// Simulation collects. It is not safe for concurrent use.
type Simulation struct {
	img                    *compile.Image
	report                 Report
	newly, still, noLonger groups
}

// New returns a simulation of a policy.
func New(img *compile.Image) *Simulation {
	return &Simulation{img: img, newly: groups{}, still: groups{}, noLonger: groups{}}
}

// Add judges an event. It keeps texts of it, and nothing else.
func (s *Simulation) Add(e *event.Event) {
	times := max(e.Count, 1)
	s.report.Events++
	if !e.Time.IsZero() {
		if s.report.From.IsZero() || e.Time.Before(s.report.From) {
			s.report.From = e.Time
		}
		if e.Time.After(s.report.To) {
			s.report.To = e.Time
		}
	}
	now := verdict.Judge(s.img, "", e)
	if len(now) == 0 && len(e.Violations) == 0 {
		return
	}
	then := e.Violations
	s.report.Denied += times * uint64(len(now))
	for i := range now {
		// An event has few accesses, and those of one type stand in the same order then and now.
		if n := slices.IndexFunc(then, func(v event.Violation) bool { return v.Type == now[i].Type }); n >= 0 {
			then = slices.Concat(then[:n], then[n+1:])
			s.still.add(e, &now[i], times)
		} else {
			s.newly.add(e, &now[i], times)
		}
	}
	s.report.DeniedThen += times * uint64(len(e.Violations))
	for i := range then {
		s.noLonger.add(e, &then[i], times)
	}
}

// Report returns what has been found so far.
func (s *Simulation) Report() Report {
	r := s.report
	r.Newly, r.Still, r.NoLonger = s.newly.list(), s.still.list(), s.noLonger.list()
	return r
}

// groups are found by subject, rule and type.
type groups map[[3]string]*Group

func (g groups) add(e *event.Event, v *event.Violation, times uint64) {
	key := [3]string{v.Subject, v.Rule, v.Type}
	group := g[key]
	if group == nil {
		group = &Group{Subject: v.Subject, Rule: v.Rule, Type: v.Type, Severity: v.Severity, First: e.Time}
		g[key] = group
	}
	group.Count += times
	group.Last = e.Time
	if len(group.Examples) == maxExamples {
		return
	}
	example := Example{ID: e.ID, Time: e.Time, Detail: v.Detail}
	if e.Process != nil {
		example.PID, example.Exe = e.Process.PID, e.Process.Exe
	}
	group.Examples = append(group.Examples, example)
}

func (g groups) list() []Group {
	out := make([]Group, 0, len(g))
	for _, group := range g {
		out = append(out, *group)
	}
	slices.SortFunc(out, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Subject, b.Subject), strings.Compare(a.Rule, b.Rule), strings.Compare(a.Type, b.Type))
	})
	return out
}
