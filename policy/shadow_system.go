package policy

import (
	"iter"
	"slices"
	"strings"
)

// warnShadowedNames warns of names that stand twice, and of capabilities beside ALL.
func (b *book) warnShadowedNames(l List[NameRule]) {
	first := map[string]Position{}
	for _, rule := range l.Rules {
		if rule.Text == "ALL" {
			first[rule.Text] = rule.Pos
			break
		}
	}
	for _, rule := range l.Rules {
		if all, ok := first["ALL"]; ok && rule.Text != "ALL" {
			b.warnCovered(rule.Text, rule.Pos, "ALL", all)
		} else if other, again := first[rule.Text]; again {
			b.warnCovered(rule.Text, rule.Pos, rule.Text, other)
		} else {
			first[rule.Text] = rule.Pos
		}
	}
}

// callCover finds candidates among the groups, and by name.
func callCover(rules []SyscallRule, effort *int) *cover[SyscallRule] {
	first := map[string]int{}
	var groups []int
	for i, rule := range rules {
		if _, again := first[rule.Text]; again {
			continue
		}
		first[rule.Text] = i
		if strings.HasPrefix(rule.Text, "@") {
			groups = append(groups, i)
		}
	}
	return &cover[SyscallRule]{
		rules: rules, effort: effort,
		candidates: func(rule SyscallRule) iter.Seq[int] {
			return func(yield func(int) bool) {
				if i, ok := first[rule.Text]; !ok || yield(i) {
					each(groups, yield)
				}
			}
		},
		covers: func(wide, narrow SyscallRule) bool {
			return !slices.ContainsFunc(narrow.Names, func(n string) bool {
				_, has := slices.BinarySearch(wide.Names, n)
				return !has
			})
		},
		told: func(rule SyscallRule) (string, Position) { return rule.Text, rule.Pos },
	}
}
