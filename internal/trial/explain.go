package trial

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/policy/glob"
	"github.com/stockade-security/stockade/verdict"
)

// Question is one access of one task.
type Question struct {
	// Subject is an entry's name or default; if it is empty, Facts and Ancestors say who acts.
	Subject   string
	Facts     verdict.Facts
	Ancestors []event.Ref
	// Access is as verdict.ParseAccess reads it.
	Access string
}

// Explanation is an answer, what nearly gave it, and what would turn it.
type Explanation struct {
	Access string `json:"access"`
	Answer
	// RunnersUp are the rules that speak of the access too, each as it would decide if the ones before it were not there.
	RunnersUp []Answer `json:"runners_up"`
	// Flip is the smallest change found that turns the answer from deny to allow or back; empty if none was.
	Flip []Change `json:"flip"`
	// Flipped is the answer with the change, which was tried.
	Flipped *Answer `json:"flipped,omitempty"`
}

// Explain answers a question. It compiles variants of the policy to find out what else speaks, at most most of them for
// runners-up, and a few for changes.
func Explain(p *policy.Policy, q Question, most int) (*Explanation, error) {
	first, err := newVariant(p, &q)
	if err != nil {
		return nil, err
	}
	e := &Explanation{Access: q.Access, Answer: first.answer(), RunnersUp: []Answer{}, Flip: []Change{}}
	// Variants need not compile what has nothing to do with the access.
	if small, err := newVariant(relevant(p, &first.access), &q); err == nil && small.answer() == first.answer() {
		first = small
	}
	for v := first; len(e.RunnersUp) < most; {
		if v = v.next(); v == nil {
			break
		}
		e.RunnersUp = append(e.RunnersUp, v.answer())
	}
	changes, flipped := first.toAllow, (*variant)(nil)
	if e.Action != Deny {
		changes = first.toDeny
	}
	if e.Flip, flipped = changes(); flipped == nil {
		e.Flip = []Change{}
		return e, nil
	}
	after := flipped.answer()
	if strings.HasPrefix(after.Position, added+":") {
		after.Position = ""
	}
	e.Flipped = &after
	return e, nil
}

// variant is a policy with changes, and what it decides.
type variant struct {
	policy *policy.Policy
	q      *Question

	img      *compile.Image
	task     verdict.Task
	access   verdict.Access
	decision verdict.Decision
}

func newVariant(p *policy.Policy, q *Question) (*variant, error) {
	v := &variant{policy: p, q: q}
	var err error
	if v.img, err = compile.Compile(p); err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	if v.access, err = verdict.ParseAccess(v.img, q.Access); err != nil {
		return nil, err
	}
	v.task = verdict.Identify(v.img, q.Facts, q.Ancestors)
	if q.Subject != "" {
		i := slices.IndexFunc(v.img.Subjects, func(s compile.Subject) bool { return s.Name == q.Subject })
		if i < 0 {
			return nil, fmt.Errorf("the policy has no entry %q", q.Subject)
		}
		v.task.Subject = uint32(i)
	}
	v.decision = verdict.Decide(v.img, v.task, &v.access)
	return v, nil
}

func (v *variant) answer() Answer { return answer(v.img, v.task, &v.access) }

func (v *variant) denied() bool { return v.decision.Denied }

func (v *variant) rule() compile.Rule { return v.decision.Rule(v.img) }

// says is the image's decision that decides.
func (v *variant) says() compile.Decision { return v.img.Decisions[v.decision.ID] }

// spoken reports whether anything of the policy decides.
func (v *variant) spoken() bool { return v.decision.ID != compile.NoDecision }

// next is the variant without what decides in this one, nil if nothing else speaks: what a list lacks has no next.
func (v *variant) next() *variant {
	if !v.spoken() || v.says().Unlisted {
		return nil
	}
	p, ok := without(v.policy, v.rule().Pos)
	if !ok {
		return nil
	}
	next, err := newVariant(p, v.q)
	if err != nil || !next.spoken() || next.rule().Pos == v.rule().Pos {
		return nil
	}
	return next
}

// maxChanges is how many rules may stand in the way of an access until no change is offered.
const maxChanges = 8

// toAllow takes what denies away, one after the other, and adds what lists lack.
func (v *variant) toAllow() ([]Change, *variant) {
	var changes []Change
	for at := v; len(changes) <= maxChanges; {
		if !at.denied() {
			return changes, at
		}
		change, next := at.relax()
		if next == nil {
			return nil, nil
		}
		changes, at = append(changes, change), next
	}
	return nil, nil
}

// relax makes the one change that the deciding denial asks for.
func (v *variant) relax() (Change, *variant) {
	rule := v.rule()
	change, p := v.add(rule)
	if p == nil {
		var ok bool
		change = Change{Do: "remove", Position: rule.Pos.String(), Text: rule.Text}
		if p, ok = without(v.policy, rule.Pos); !ok {
			return change, nil
		}
	}
	next, err := newVariant(p, v.q)
	if err != nil {
		return change, nil
	}
	return change, next
}

// add adds to the list of whom or what a denying rule lets through; nil if there is none, or nothing to add.
func (v *variant) add(rule compile.Rule) (Change, *policy.Policy) {
	if key := v.exemption(rule.Pos); key != "" && v.q.Facts.Exe != "" {
		text := escapeGlob(path.Clean(v.q.Facts.Exe))
		g, err := glob.Parse(text)
		if err != nil {
			return Change{}, nil
		}
		p, ok := exempt(v.policy, rule.Pos, key, policy.PathRule{Text: text, Glob: g, Access: policy.AccessExecute})
		if ok {
			return Change{Do: "add", Position: rule.Pos.String(), Key: key, Text: text}, p
		}
	}
	text := v.entryText(rule.Text)
	if !v.says().Unlisted || text == "" {
		return Change{}, nil
	}
	index := v.entry()
	p, err := with(v.policy, index, rule.Text, text)
	if err != nil {
		return Change{}, nil
	}
	return Change{Do: "add", Position: rule.Pos.String(), Key: v.keyPath(index, rule.Text), Text: text}, p
}

// toDeny adds the one rule that blocks the access and nothing else, or takes away the one that allows it.
func (v *variant) toDeny() ([]Change, *variant) {
	if key := v.blockList(); key != "" {
		index := v.entry()
		text := v.entryText(key)
		if p, err := with(v.policy, index, key, text); err == nil && text != "" {
			if next, err := newVariant(p, v.q); err == nil && next.denied() {
				return []Change{{Do: "add", Position: v.listPosition(index, key), Key: v.keyPath(index, key), Text: text}}, next
			}
		}
	}
	if !v.spoken() {
		return nil, nil
	}
	rule := v.rule()
	p, ok := without(v.policy, rule.Pos)
	if !ok {
		return nil, nil
	}
	if next, err := newVariant(p, v.q); err == nil && next.denied() {
		return []Change{{Do: "remove", Position: rule.Pos.String(), Text: rule.Text}}, next
	}
	return nil, nil
}

// entry is the index in Processes of the entry whose lists decide, -1 for default: of signals and ptrace it is the
// target's, of everything else the task's.
func (v *variant) entry() int {
	if v.access.Op == verdict.OpSignal || v.access.Op == verdict.OpPtrace {
		return int(v.access.Target) - 1
	}
	return int(v.task.Subject) - 1
}

func (v *variant) keyPath(index int, key string) string {
	if index < 0 {
		return "default." + key
	}
	return "processes." + v.policy.Processes[index].Name + "." + key
}

// listPosition is where the block list stands, "" if it is not there.
func (v *variant) listPosition(index int, key string) string {
	entry := v.policy.Default
	if index >= 0 {
		entry = &v.policy.Processes[index]
	}
	if entry == nil {
		return ""
	}
	at := map[string]policy.Position{
		"blocked_exec": entry.BlockedExec.Pos, "blocked_files": entry.BlockedFiles.Pos, "blocked_network": entry.BlockedNetwork.Pos,
		"blocked_syscalls": entry.BlockedSyscalls.Pos, "blocked_capabilities": entry.BlockedCapabilities.Pos,
	}[key]
	if at == (policy.Position{}) {
		return ""
	}
	return at.String()
}

// exemption is the key of the executables that a rule about everybody lets through, "" if the access has no such rules.
func (v *variant) exemption(rule policy.Position) string {
	switch v.access.Op {
	case verdict.OpExec:
		return "parents"
	case verdict.OpFile:
		read := v.access
		read.Letters &= policy.AccessRead
		if d := verdict.Decide(v.img, v.task, &read); d.Denied && d.Rule(v.img).Pos == rule {
			return "readers"
		}
		return "writers"
	case verdict.OpIoctl, verdict.OpPrctl, verdict.OpBPF, verdict.OpSettime, verdict.OpKeyring, verdict.OpIOUring:
		return "allow_exe"
	}
	return ""
}

// escapeGlob writes a path so that it matches itself alone.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `{`, `\{`, `}`, `\}`).Replace(path)
}
