// Package naive decides accesses by the text of a policy, rule by rule, and writes random policies and accesses to try.
//
// It looks at every rule, makes a regular expression of each pattern, and sorts what matches by what docs/policy.md says about
// precedence. It shares no code with the policy's reader and compiler, so where both agree they are hardly wrong in the same
// way. It is slow, and knows no more of the language than its own author writes. It refuses to be part of a program: only tests
// import it.
package naive

import (
	"cmp"
	"regexp"
	"slices"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/verdict"
)

// Policy is what a policy says, as it stands in the file. It is for one goroutine at a time.
type Policy struct {
	entries  []*textEntry
	fallback *textEntry // default; may be nil
	// host holds the lists of host, dns and egress by their whole names.
	host                 *textEntry
	starts, files, calls []*textEntry // host.exec, host.files, host.devices
	zones                []*textEntry
	ingress, egress      textRule // text is the default; line 0: absent

	patterns map[string]*regexp.Regexp
}

// textRule is an entry of a list, and where it stands.
type textRule struct {
	text string
	line int
}

type textList struct {
	present bool
	line    int
	rules   []textRule
}

// textEntry is a process entry, or with other keys any part of the policy.
type textEntry struct {
	name  string
	line  int
	lists map[string]*textList // nested keys are joined: match.exe
	// values holds numbers and switches.
	values map[string]textRule
}

func (e *textEntry) list(key string) textList {
	if e == nil || e.lists[key] == nil {
		return textList{}
	}
	return *e.lists[key]
}

func (e *textEntry) value(key string) textRule {
	if e == nil {
		return textRule{}
	}
	return e.values[key]
}

// said is what one rule, or the absence of one, says of an access.
type said struct {
	deny, unlisted, undecided bool
	exempt                    bool // the actor is
	specificity               [4]int
	line                      int
}

func (s said) denied() bool { return s.deny && !s.exempt }

// pick returns what has precedence: blocked over allowed, the most specific, the first in the file.
func pick(all []said) (said, bool) {
	if len(all) == 0 {
		return said{}, false
	}
	return slices.MinFunc(all, compareSaid), true
}

func compareSaid(a, b said) int {
	rank := func(s said) int {
		switch {
		case s.unlisted:
			return 2
		case s.deny:
			return 0
		}
		return 1
	}
	return cmp.Or(rank(a)-rank(b), slices.Compare(b.specificity[:], a.specificity[:]), a.line-b.line)
}

// Answer is what a policy says of an access.
type Answer struct {
	Denied, Undecided bool
	// Line is where the rule stands that decided, or the key of the list that lacks one; 0 if nothing speaks.
	Line int
}

// Decide answers a question.
func (p *Policy) Decide(q *Question) Answer {
	s := p.decide(q, &q.Access)
	return Answer{s.denied(), s.undecided, s.line}
}

func (p *Policy) decide(q *Question, a *verdict.Access) said {
	e := p.claim(q.Task, q.Ancestors)
	actor := cleaned(q.Task.Exe)
	name := cleaned(a.Path)
	switch a.Op {
	case verdict.OpExec:
		s := p.program(e, actor, name)
		if a.Interpreter != "" {
			if runs := p.program(e, actor, cleaned(a.Interpreter)); runs.denied() && !runs.unlisted {
				s = both(s, runs)
			}
		}
		if no := e.value("no_sudo"); a.GainsPrivilege && no.text == "true" {
			s = both(s, said{deny: true, line: no.line})
		}
		return s
	case verdict.OpFile:
		return p.file(e, actor, name, a.Letters)
	case verdict.OpConnect, verdict.OpSend, verdict.OpBind, verdict.OpListen:
		return p.network(e, a)
	case verdict.OpSignal:
		return p.protected(e, p.claim(q.Target, nil), "protect.signals")
	case verdict.OpPtrace:
		return p.protected(e, p.claim(q.Target, nil), "protect.ptrace")
	case verdict.OpMemory:
		return over(e.value("max_memory_mb"), a.Value, 1<<20)
	case verdict.OpCPU:
		return over(e.value("max_cpu_percent"), a.Value, 1)
	case verdict.OpProcesses:
		return over(e.value("max_processes"), a.Value, 1)
	case verdict.OpSyscall:
		return p.syscall(e, a)
	case verdict.OpCapability:
		return capability(e.list("blocked_capabilities"), event.CapabilityName(int(a.Number)))
	case verdict.OpIngress:
		return p.packet(a)
	case verdict.OpEgress:
		if p.egress.line == 0 {
			return said{}
		}
		return p.peers(p.host.list("egress.block"), p.host.list("egress.allow"), textList{present: p.egress.text == "deny", line: p.egress.line}, a)
	}
	return p.kernel(actor, a)
}
