package policy

import "iter"

// maxComparisons bounds the search for rules that cover others, in a whole policy; what would come after is not warned of.
const maxComparisons = 500_000

// cover tells which rule of a list covers another: does all that it does.
type cover[R any] struct {
	rules []R
	// candidates yields the indices of rules that may cover one, so that not each pair must be compared.
	candidates func(rule R) iter.Seq[int]
	covers     func(wide, narrow R) bool
	told       func(R) (text string, pos Position)
	// effort is how many more pairs may be compared.
	effort *int
}

// over returns the index of the first rule found that covers rule and is wanted, -1 without one.
func (c *cover[R]) over(rule R, wanted func(i int) bool) int {
	for i := range c.candidates(rule) {
		if *c.effort--; *c.effort < 0 {
			return -1
		}
		if wanted(i) && c.covers(c.rules[i], rule) {
			return i
		}
	}
	return -1
}

// warnShadowed warns of rules that another rule of the list covers; of two that are alike, of the later.
func warnShadowed[R any](b *book, c *cover[R]) {
	for i, rule := range c.rules {
		j := c.over(rule, func(j int) bool { return j < i || j > i && !c.covers(rule, c.rules[j]) })
		if j < 0 {
			continue
		}
		text, pos := c.told(rule)
		by, other := c.told(c.rules[j])
		b.warnCovered(text, pos, by, other)
	}
}

// warnBlocked warns of allowed rules all of which is blocked.
func warnBlocked[R any](b *book, allowed []R, blocked *cover[R]) {
	for _, rule := range allowed {
		i := blocked.over(rule, func(int) bool { return true })
		if i < 0 {
			continue
		}
		text, pos := blocked.told(rule)
		by, other := blocked.told(blocked.rules[i])
		b.warnTaken(text, pos, by, other)
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
