package automaton

import (
	"cmp"
	"slices"
	"testing"

	"github.com/stockade-security/stockade/policy/automaton/mix"
	"github.com/stockade-security/stockade/policy/glob"
)

func parse(t testing.TB, text string) *glob.Glob {
	t.Helper()
	g, err := glob.Parse(text)
	if err != nil {
		t.Fatalf("parse %q: %v", text, err)
	}
	return g
}

// mixed returns the mix, a fifth of it blocked, with values in a policy's order of precedence.
func mixed(t testing.TB, count int) []Pattern {
	t.Helper()
	type rule struct {
		glob    *glob.Glob
		allowed int
	}
	var rules []rule
	for i, text := range mix.Globs(1, count) {
		rules = append(rules, rule{parse(t, text), min(1, i%5)})
	}
	slices.SortStableFunc(rules, func(a, b rule) int {
		return cmp.Or(cmp.Compare(a.allowed, b.allowed), cmp.Compare(b.glob.Prefix(), a.glob.Prefix()), cmp.Compare(b.glob.Literals(), a.glob.Literals()))
	})
	patterns := make([]Pattern, count)
	for i, r := range rules {
		patterns[i] = Pattern{Glob: r.glob, Value: uint32(i)}
	}
	return patterns
}

// best is the smallest value of the globs that match.
func best(patterns []Pattern, text string) uint32 {
	value := uint32(None)
	for _, p := range patterns {
		if p.Value < value && p.Glob.Match(text) {
			value = p.Value
		}
	}
	return value
}

func TestBuildMix(t *testing.T) {
	for _, count := range []int{10, 100, 1000} {
		patterns := mixed(t, count)
		automata, err := Build(patterns, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range patterns {
			text := p.String()
			if got, want := MatchAll(automata, text), best(patterns, text); got != want {
				t.Errorf("%d globs: %q has %d, want %d", count, text, got, want)
			}
		}
	}
}
