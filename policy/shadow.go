package policy

import (
	"maps"
	"slices"
)

// maxComparisons bounds the search for rules that cover others, in a whole policy; what would come after is not warned of.
const maxComparisons = 500_000

// pathCover finds the rule of a list that covers another, by the literal beginnings of patterns.
type pathCover struct {
	rules   []PathRule
	byStart map[string][]int
	lengths []int // of the beginnings, each once
	effort  *int
}

func newPathCover(rules []PathRule, effort *int) *pathCover {
	c := &pathCover{rules: rules, byStart: map[string][]int{}, effort: effort}
	lengths := map[int]bool{}
	for i, rule := range rules {
		start := rule.Glob.Start()
		c.byStart[start] = append(c.byStart[start], i)
		lengths[len(start)] = true
	}
	c.lengths = slices.Sorted(maps.Keys(lengths))
	return c
}

// over returns the index of the first rule found that covers rule and is wanted, -1 without one.
func (c *pathCover) over(rule PathRule, wanted func(i int) bool) int {
	start := rule.Glob.Start()
	for _, n := range c.lengths {
		if n > len(start) {
			break
		}
		for _, i := range c.byStart[start[:n]] {
			if *c.effort--; *c.effort < 0 {
				return -1
			}
			if wanted(i) && c.covers(i, rule) {
				return i
			}
		}
	}
	return -1
}

func (c *pathCover) covers(i int, rule PathRule) bool {
	wide := c.rules[i]
	return rule.Access&^wide.Access == 0 && wide.Glob.Covers(rule.Glob)
}

// warnShadowedPaths warns of rules that another rule of the list covers; of two that are alike, of the later.
func (b *book) warnShadowedPaths(l List[PathRule], effort *int) {
	if len(l.Rules) < 2 {
		return
	}
	c := newPathCover(l.Rules, effort)
	for i, rule := range l.Rules {
		j := c.over(rule, func(j int) bool {
			return j < i || j > i && !(rule.Access == l.Rules[j].Access && rule.Glob.Covers(l.Rules[j].Glob))
		})
		if j >= 0 {
			b.warnCovered(rule.Text, rule.Pos, l.Rules[j].Text, l.Rules[j].Pos)
		}
	}
}

// warnBlockedPaths warns of allowed rules all of which is blocked.
func (b *book) warnBlockedPaths(allowed List[PathRule], blocked []PathRule, effort *int) {
	if len(allowed.Rules) == 0 || len(blocked) == 0 {
		return
	}
	c := newPathCover(blocked, effort)
	for _, rule := range allowed.Rules {
		if i := c.over(rule, func(int) bool { return true }); i >= 0 {
			b.warnTaken(rule.Text, rule.Pos, blocked[i].Text, blocked[i].Pos)
		}
	}
}

func (b *book) warnCovered(text string, pos Position, by string, other Position) {
	if pos == other { // an alias in the list names the same line twice
		return
	}
	b.warnOther(WarningNoEffect, pos, other, "remove it", "%s changes nothing: %s at %s covers it", quoted(text), quoted(by), printable(other.String()))
}

func (b *book) warnTaken(text string, pos Position, by string, other Position) {
	b.warnOther(WarningContradiction, pos, other, "remove one of the two: blocked wins", "%s allows nothing: %s at %s blocks it",
		quoted(text), quoted(by), printable(other.String()))
}
