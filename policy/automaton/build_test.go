package automaton

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
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

// globs returns patterns whose values count up from 0.
func globs(t testing.TB, texts ...string) []Pattern {
	t.Helper()
	patterns := make([]Pattern, len(texts))
	for i, text := range texts {
		patterns[i] = Pattern{Glob: parse(t, text), Value: uint32(i)}
	}
	return patterns
}

func build(t testing.TB, patterns []Pattern) []Automaton {
	t.Helper()
	automata, err := Build(patterns, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return automata
}

// mixed returns the mix, a fifth of it blocked, with values in a policy's order of precedence.
func mixed(t testing.TB, count int) []Pattern {
	t.Helper()
	type rule struct {
		glob    *glob.Glob
		allowed int
	}
	rules := make([]rule, count)
	for i, text := range mix.Globs(1, count) {
		rules[i] = rule{parse(t, text), min(1, i%5)}
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

// TestMix compares large sets with their globs one by one.
func TestMix(t *testing.T) {
	for _, count := range []int{10, 100, 1000} {
		patterns := mixed(t, count)
		automata := build(t, patterns)
		if len(automata) != 2 || automata[0].Reverse || !automata[1].Reverse {
			t.Errorf("%d globs became %d automata, not one that reads from either end", count, len(automata))
		}
		for _, p := range patterns {
			text := p.String()
			want := slices.IndexFunc(patterns, func(p Pattern) bool { return p.Glob.Match(text) })
			if got := MatchAll(automata, text); got != uint32(want) {
				t.Errorf("%d globs: %q has %d, want %d", count, text, got, want)
			}
		}
	}
}

func TestTenThousand(t *testing.T) {
	automata := build(t, mixed(t, 10_000))
	size := 0
	for i := range automata {
		size += len(automata[i].Cells) * cellSize
		if err := automata[i].Validate(); err != nil {
			t.Error(err)
		}
	}
	if len(automata) > 2 || size > 8<<20 {
		t.Errorf("10,000 globs became %d automata of %d bytes", len(automata), size)
	}
}

func TestSameBytes(t *testing.T) {
	patterns := mixed(t, 500)
	first := build(t, patterns)
	if again := build(t, patterns); !reflect.DeepEqual(first, again) {
		t.Error("built twice, the automata differ")
	}
	_, sets, err := BuildSets(patterns[:100], Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if used := usedSets(t, patterns[:100]); used != len(sets) {
		t.Errorf("%d of %d sets are used", used, len(sets))
	}
	if _, again, _ := BuildSets(patterns[:100], Limits{}); !reflect.DeepEqual(sets, again) {
		t.Error("built twice, the sets differ")
	}
}

// usedSets counts the sets that the patterns' automata can yield.
func usedSets(t *testing.T, patterns []Pattern) int {
	t.Helper()
	automata, _, err := BuildSets(patterns, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	used := map[uint32]bool{}
	for i := range automata {
		a := &automata[i]
		seen := map[uint32]bool{a.Start: true}
		for walk := []uint32{a.Start}; len(walk) > 0; walk = walk[1:] {
			used[a.Cells[walk[0]].Check] = true
			for c := range 256 {
				if to := a.step(walk[0], byte(c)); !seen[to] {
					seen[to] = true
					walk = append(walk, to)
				}
			}
		}
	}
	delete(used, None)
	return len(used)
}

// TestMinimal counts states of automata that are small enough to be drawn by hand.
func TestMinimal(t *testing.T) {
	for _, tt := range []struct {
		globs  []string
		states int
	}{
		{[]string{"**"}, 1},
		{[]string{"*"}, 2},                              // yes, no
		{[]string{"/a"}, 4},                             // "", "/", "/a", no
		{[]string{"/a", "/b"}, 5},                       // values differ
		{[]string{"/{a,b}/c"}, 6},                       // "", "/", "/a", "/a/", "/a/c", no
		{[]string{"/a/**", "/a/b/**"}, 5},               // the second says nothing new
		{[]string{"/[ab]c{d,}", "/ac{d,}"}, 6},          // nor here
		{[]string{"**a"}, 2},                            // ends in a, or not
		{[]string{"/{ax,bx}/y/**", "/[ab]x/y/z*"}, 8},   // both ways to the x are one
		{[]string{"/a*", "/ab*", "/abc*", "/abcd*"}, 4}, // the first says it all
	} {
		n := merge(globs(t, tt.globs...), false)
		s, ok := determinise(n, nil, budget{1000, 100_000})
		if !ok {
			t.Fatal("over the budget")
		}
		if d := s.dfa.minimise(); len(d.values) != tt.states && tt.states > 0 {
			t.Errorf("%v: %d states, want %d", tt.globs, len(d.values), tt.states)
		}
	}
}

// TestMultiplying builds what would be 2^n states in one automaton that reads from the beginning.
func TestMultiplying(t *testing.T) {
	for _, tt := range []struct {
		format          string
		count, automata int
	}{
		{"/srv/**/x%d/**/y%[1]d", 10, 1},      // narrow from the end
		{"/srv/**/x%d/**/y%[1]d", 500, 1},     // so there is no limit
		{"/srv/**/x%d/**/y%[1]d/**/z", 10, 0}, // doubling either way
		{"/srv/**/x%d/**/y%[1]d/**/z", 40, 0},
		{"/d/*a%d*b%[1]d*", 24, 0},
		{"**/x%d/**", 100, 0},
	} {
		var texts, tries []string
		for i := range tt.count {
			text := fmt.Sprintf(tt.format, i)
			texts = append(texts, text)
			tries = append(tries, strings.ReplaceAll(text, "*", "q"), strings.ReplaceAll(text, "**", "x3/y4/a7b7"))
		}
		patterns := globs(t, texts...)
		automata := build(t, patterns)
		if len(automata) > 8 || tt.automata > 0 && len(automata) != tt.automata {
			t.Errorf("%d of %s became %d automata", tt.count, tt.format, len(automata))
		}
		for _, text := range tries {
			want := uint32(slices.IndexFunc(patterns, func(p Pattern) bool { return p.Glob.Match(text) }))
			if got := MatchAll(automata, text); got != want {
				t.Errorf("%d of %s: %q has %d, want %d", tt.count, tt.format, text, int32(got), int32(want))
			}
		}
	}
}

func TestCost(t *testing.T) {
	var multiply, long, braces []string
	for i := range 300 {
		multiply = append(multiply, fmt.Sprintf("/srv/**/x%d/**/y%[1]d/**/z", i), fmt.Sprintf("/etc/%d", i))
		long = append(long, fmt.Sprintf("/%d/%s", i, strings.Repeat("a", 200)))
		for k := range 5 {
			braces = append(braces, "/"+strings.Repeat(fmt.Sprintf("{a%d,b*,**}", 1000*k+i), 20))
		}
	}
	for _, tt := range []struct {
		texts []string
		what  string
		worst string
	}{
		{multiply, "states", "/srv/**/x"},
		{long, "bytes", "/1"}, // 300 * 200 bytes * 2 cells
		{braces, "moves", "/{a"},
	} {
		_, err := Build(globs(t, tt.texts...), Limits{Bytes: 900_000})
		cost, ok := errors.AsType[*CostError](err)
		if !ok {
			t.Errorf("%s: %v, want a CostError", tt.what, err)
			continue
		}
		if cost.What != tt.what || cost.Need <= cost.Max || cost.Automata != 8 || len(cost.Patterns) != 5 || !strings.HasPrefix(cost.Patterns[0], tt.worst) {
			t.Errorf("%+v", cost)
		}
		if text := err.Error(); !strings.Contains(text, fmt.Sprint(cost.Max)) || !strings.Contains(text, cost.Patterns[4]) {
			t.Error(text)
		}
	}
	if _, _, err := BuildSets(globs(t, multiply...), Limits{Automata: 2}); err == nil {
		t.Error("sets of patterns that multiply have no limit")
	}
}

func TestNothing(t *testing.T) {
	automata, sets, err := BuildSets(nil, Limits{})
	if automata != nil || sets != nil || err != nil || MatchAll(automata, "/") != None {
		t.Error(automata, sets, err)
	}
}

func TestPanicsOnlyIfInvalid(t *testing.T) {
	a := build(t, globs(t, "/etc/*", "/usr/{bin,lib}/x?"))[0]
	for _, tt := range []struct {
		name   string
		damage func(a *Automaton)
	}{
		{"class", func(a *Automaton) { a.Classes['x'] = 0 }},
		{"wide class", func(a *Automaton) { a.Classes['x'] = 255 }},
		{"start", func(a *Automaton) { a.Start = uint32(len(a.Cells)) - 1 }},
		{"huge start", func(a *Automaton) { a.Start = None }},
		{"final", func(a *Automaton) { a.Final = None }},
		{"too final", func(a *Automaton) { a.Final = a.Start + 1 }},
		{"final with entry", func(a *Automaton) { a.Cells[a.Final+1].Check = 0 }},
		{"next", func(a *Automaton) { a.Cells[a.Start].Next = uint32(len(a.Cells)) - 2 }},
		{"none", func(a *Automaton) { a.Cells = nil }},
	} {
		bad := a
		bad.Cells = slices.Clone(a.Cells)
		tt.damage(&bad)
		if bad.Validate() == nil {
			t.Errorf("%s: a damaged automaton is valid", tt.name)
		}
	}
	if err := a.Validate(); err != nil {
		t.Error(err)
	}
}
