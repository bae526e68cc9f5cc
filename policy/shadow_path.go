package policy

import (
	"iter"
	"maps"
	"slices"
)

// pathCover finds candidates by the literal beginnings of patterns.
func pathCover(rules []PathRule, effort *int) *cover[PathRule] {
	byStart, lengths := map[string][]int{}, map[int]bool{}
	for i, rule := range rules {
		start := rule.Glob.Start()
		byStart[start] = append(byStart[start], i)
		lengths[len(start)] = true
	}
	sorted := slices.Sorted(maps.Keys(lengths))
	return &cover[PathRule]{
		rules: rules, effort: effort,
		candidates: func(rule PathRule) iter.Seq[int] {
			start := rule.Glob.Start()
			return func(yield func(int) bool) {
				for _, n := range sorted {
					if n > len(start) || !each(byStart[start[:n]], yield) {
						return
					}
				}
			}
		},
		covers: func(wide, narrow PathRule) bool {
			return narrow.Access&^wide.Access == 0 && wide.Glob.Covers(narrow.Glob)
		},
		told: func(rule PathRule) (string, Position) { return rule.Text, rule.Pos },
	}
}

// each yields the indices, until it is told to stop.
func each(indices []int, yield func(int) bool) (goOn bool) {
	for _, i := range indices {
		if !yield(i) {
			return false
		}
	}
	return true
}
