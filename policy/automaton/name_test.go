package automaton

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// nameMatches says label by label whether a name matches a pattern.
func nameMatches(pattern, name string) bool {
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(name, ".")), ".")
	front := 0
	deep := strings.HasPrefix(pattern, "**.")
	if rest, ok := strings.CutPrefix(strings.TrimPrefix(pattern, "*"), "*."); ok {
		pattern, front = rest, 1
	} else if rest, ok := strings.CutPrefix(pattern, "*."); ok {
		pattern, front = rest, 1
	}
	want := strings.Split(pattern, ".")
	extra := len(labels) - len(want)
	if extra < front || extra > front && !deep {
		return false
	}
	return slices.Equal(labels[extra:], want)
}

func TestNames(t *testing.T) {
	hosts := []string{"a", "b", "ab", "example", "com", "co", "x-1"}
	r := rand.New(rand.NewPCG(1, 1))
	random := func(n int) string {
		labels := make([]string, 1+r.IntN(n))
		for i := range labels {
			labels[i] = hosts[r.IntN(len(hosts))]
		}
		return strings.Join(labels, ".")
	}
	for range 300 {
		var patterns []Pattern
		for i := range 1 + r.IntN(20) {
			patterns = append(patterns, Pattern{Name: []string{"", "*.", "**."}[r.IntN(3)] + random(3), Value: uint32(i)})
		}
		automata, sets, err := BuildSets(patterns, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			name := random(5)
			switch r.IntN(4) {
			case 0:
				name += "."
			case 1:
				name = strings.ToUpper(name)
			}
			var want, got []uint32
			for _, p := range patterns {
				if nameMatches(p.Name, name) {
					want = append(want, p.Value)
				}
			}
			for i := range automata {
				v := automata[i].MatchName(name)
				if v != automata[i].Match(NameSymbols(name)) {
					t.Fatalf("%q and its symbols differ", name)
				}
				if v != None {
					got = append(got, sets[v]...)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Fatalf("%v: %q has %v, want %v", patterns, name, got, want)
			}
		}
	}
}

func TestOddNames(t *testing.T) {
	automata := build(t, []Pattern{{Name: "example.com", Value: 1}, {Name: "*.example.com", Value: 2}, {Name: "**.org", Value: 3}})
	for name, want := range map[string]uint32{
		"":                None,
		".":               None,
		"example.com":     1,
		"example.com.":    1,
		"a.example.com":   2,
		"b.a.example.com": None,
		".example.com":    None, // an empty label
		"org":             None,
		"a.org":           3,
		"b.a.org":         3,
		".org":            None,
		"aexample.com":    None,
		"Ä.EXAMPLE.com":   2,
		"a\x00.org":       3, // no name, and no trap either
	} {
		got := uint32(None)
		for i := range automata {
			got = min(got, automata[i].MatchName(name))
		}
		if symbols := MatchAll(automata, NameSymbols(name)); got != want || symbols != want {
			t.Errorf("%q has %d, its symbols %d, want %d", name, int32(got), int32(symbols), int32(want))
		}
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	automata := build(t, append(mixed(t, 100), Pattern{Name: "**.example.com", Value: 100}))
	n := testing.AllocsPerRun(100, func() {
		MatchAll(automata, "/var/lib/app1/x/y/z.log")
		automata[0].MatchName("www.Example.com.")
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
