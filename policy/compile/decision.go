package compile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
)

// offence is what a denial is called and how grave it is. Where guards before Stockade had a severity it is theirs. Of the
// rest is CRITICAL what hands over the kernel or another program, LOW what strangers attempt from outside, and HIGH what
// the host's own programs do otherwise.
type offence struct {
	typ      Type
	severity event.Severity
}

func (o offence) deny() Decision { return Decision{Deny: true, Type: o.typ, Severity: o.severity} }

// order puts denials first.
func (d Decision) order() int {
	if d.Deny {
		return 0
	}
	return 1
}

// candidate is a rule that can decide some kind of access, for what T says.
type candidate[T any] struct {
	rule     Rule
	decision Decision // without the rule's number
	// specificity is compared from the first number on: the greater wins.
	specificity [4]int
	what        T
	// number is the decision's, once it is settled.
	number uint32
}

// settle puts all that can decide one kind of access into the order of precedence and numbers it, and its ends last.
func settle[T any](c *compiler, list []candidate[T], e *ends) {
	slices.SortStableFunc(list, func(a, b candidate[T]) int {
		return cmp.Or(a.decision.order()-b.decision.order(), slices.Compare(b.specificity[:], a.specificity[:]), inFileOrder(a.rule.Pos, b.rule.Pos))
	})
	if len(list) == 0 && !e.closed {
		return
	}
	run := make([]Decision, 0, len(list)+1)
	for i := range list {
		d := list[i].decision
		d.Rule = c.rule(list[i].rule)
		run = append(run, d)
	}
	if e.denies {
		run = append(run, e.decision)
	}
	e.first = c.run(run)
	for i := range list {
		list[i].number = e.first + uint32(i)
	}
	if e.denies {
		e.long = e.first + uint32(len(list))
	}
	if e.closed {
		e.miss = e.long
	}
}

// ends is what is decided where no candidate speaks: the denial comes behind all of them.
type ends struct {
	denies   bool
	closed   bool // by an allow list: nothing else is allowed
	decision Decision
	// first is the first candidate's number; miss and long are the denial's, as far as it holds there.
	first, miss, long uint32
}

// listKey is a list without its rules.
type listKey struct {
	name    string
	present bool
	rules   int
	pos     policy.Position
}

func keyOf[R any](name string, l policy.List[R]) listKey {
	return listKey{name, l.Present, len(l.Rules), l.Pos}
}

// ends names the allow list if there is one, else the first block list with rules: that closes nothing but long paths.
func (c *compiler) ends(o offence, allow listKey, block ...listKey) ends {
	if allow.present {
		return ends{denies: true, closed: true, decision: c.unlisted(o, allow)}
	}
	for _, key := range block {
		if key.rules > 0 {
			return ends{denies: true, decision: c.unlisted(o, key)}
		}
	}
	return ends{}
}

func inFileOrder(a, b policy.Position) int {
	return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column)
}

// unlisted is the denial of what no rule of a list names.
func (c *compiler) unlisted(o offence, key listKey) Decision {
	d := o.deny()
	d.Unlisted, d.Rule = true, c.rule(Rule{Text: key.name, Pos: key.pos})
	return d
}

// denial numbers a decision that stands alone.
func (c *compiler) denial(o offence, r Rule, grant uint32) uint32 {
	d := o.deny()
	d.Rule, d.Grant = c.rule(r), grant
	return c.run([]Decision{d})
}

// run returns the number of the first of decisions that follow each other.
func (c *compiler) run(list []Decision) uint32 {
	key := fmt.Sprint(list)
	first, ok := c.runs[key]
	if !ok {
		first = uint32(len(c.image.Decisions))
		c.runs[key] = first
		c.image.Decisions = append(c.image.Decisions, list...)
	}
	return first
}

func (c *compiler) rule(r Rule) uint32 {
	n, ok := c.rules[r]
	if !ok {
		n = uint32(len(c.image.Rules))
		c.rules[r] = n
		c.image.Rules = append(c.image.Rules, r)
	}
	return n
}
