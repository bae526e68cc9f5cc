// Package trial asks a policy what it would decide, before anything happens: it runs cases, and explains single answers
// down to the smallest change of the policy that would turn them.
//
// It knows a policy, its image and what people write of accesses. It refuses to watch, to read files, and to know of any
// task but the one it is told of.
package trial

import (
	"path"
	"strconv"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// The answers.
const (
	Allow     = "allow"
	Deny      = "deny"
	Undecided = "undecided" // a rule by host name may mean the address: it is not denied
)

// Answer is what a policy says of one access.
type Answer struct {
	Action string `json:"action"`
	// Subject is the entry that claims the task.
	Subject string `json:"subject"`
	// Mode is the entry's, so what happens to a denied access: audit, alert or enforce.
	Mode policy.Mode `json:"mode"`
	// Rule is how the rule that decides is written, or the key of the list that lacks one; Position its file:line. Both are
	// empty if nothing speaks of the access.
	Rule     string `json:"rule,omitempty"`
	Position string `json:"position,omitempty"`
	// Unlisted: nothing in the list allows it.
	Unlisted bool           `json:"unlisted,omitempty"`
	Severity event.Severity `json:"severity,omitempty"` // of a denial
	// Detail says so in one line. It holds names as they were given.
	Detail string `json:"detail,omitempty"`
}

func answer(img *compile.Image, task verdict.Task, a *verdict.Access) Answer {
	d := verdict.Decide(img, task, a)
	s := &img.Subjects[task.Subject]
	out := Answer{
		Action: Allow, Subject: s.Name, Mode: s.Mode, Rule: d.Rule(img).Text, Position: d.Position(img),
		Unlisted: img.Decisions[d.ID].Unlisted, Detail: verdict.Detail(img, task, a, d),
	}
	switch {
	case d.Denied:
		out.Action, out.Severity = Deny, d.Severity(img)
	case d.Undecided:
		out.Action = Undecided
	}
	return out
}

// Result is what came of one access of a case.
type Result struct {
	Case   *policy.Case
	Access policy.NameRule
	Answer Answer
	// Err: the task or the access could not be read; Answer is empty then.
	Err error
}

// Run asks about each access of each case, in the file's order.
func Run(img *compile.Image, cases []policy.Case) []Result {
	var out []Result
	for i := range cases {
		c := &cases[i]
		task, err := verdict.ParseTask(img, c.Given.Text)
		for _, when := range c.When {
			r := Result{Case: c, Access: when, Err: err}
			if err == nil {
				var a verdict.Access
				if a, r.Err = verdict.ParseAccess(img, when.Text); r.Err == nil {
					r.Answer = answer(img, task, &a)
				}
			}
			out = append(out, r)
		}
	}
	return out
}

// Mismatch is one part of an answer that is not as expected.
type Mismatch struct{ What, Want, Got string }

// Mismatches compares the answer with what the case expects; none: the case holds.
func (r *Result) Mismatches() []Mismatch {
	if r.Err != nil {
		return []Mismatch{{"case", "one that can be read", r.Err.Error()}}
	}
	var out []Mismatch
	if r.Case.Expect != r.Answer.Action {
		out = append(out, Mismatch{"expect", r.Case.Expect, r.Answer.Action})
	}
	if want := r.Case.Rule.Text; want != "" && !r.Answer.by(want) {
		out = append(out, Mismatch{"rule", want, r.Answer.rule()})
	}
	if want := r.Case.Subject.Text; want != "" && want != r.Answer.Subject {
		out = append(out, Mismatch{"subject", want, r.Answer.Subject})
	}
	return out
}

// by reports whether the deciding rule is the one that is called so: as it is written, by its file:line or by its line.
func (a *Answer) by(name string) bool {
	if a.Position == "" {
		return name == "none"
	}
	return name == a.Rule || name == a.Position || name == path.Base(a.Position) || name == strconv.Itoa(line(a.Position))
}

// rule is how a mismatch calls the deciding rule.
func (a *Answer) rule() string {
	if a.Position == "" {
		return "none"
	}
	return a.Rule + " (" + a.Position + ")"
}

// line is the number at the end of file:line.
func line(position string) int {
	for i := len(position) - 1; i >= 0; i-- {
		if position[i] == ':' {
			n, _ := strconv.Atoi(position[i+1:])
			return n
		}
	}
	return 0
}
