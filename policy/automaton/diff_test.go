package automaton

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// unequal tells pairs of values apart only in whether something matches at all.
func unequal(a, b uint32) int {
	switch {
	case a == b:
		return 0
	case a == None:
		return 1
	case b == None:
		return 2
	default:
		return 3
	}
}

func TestDiff(t *testing.T) {
	for _, tt := range []struct {
		a, b []string
		want []Difference
	}{
		{[]string{"/etc/**"}, []string{"/etc/**"}, nil},
		{[]string{"/{a,b}/c"}, []string{"/[ab]/c"}, nil},
		{[]string{"/etc/**"}, []string{"/etc/*"}, []Difference{{Key: 2, A: 0, B: None, Example: "/etc/a/a", Tree: "/etc/a/", Whole: true}}},
		{[]string{"/etc/x"}, []string{"/etc/x", "/srv/**"}, []Difference{{Key: 1, A: None, B: 1, Example: "/srv/a", Tree: "/srv/", Whole: true}}},
		{[]string{"**/id_rsa"}, []string{"/home/**/id_rsa"}, []Difference{{Key: 2, A: 0, B: None, Example: "/id_rsa"}}},
		{[]string{"/a", "/b"}, []string{"/b", "/a"}, []Difference{{Key: 3, A: 0, B: 1, Example: "/a"}, {Key: 3, A: 1, B: 0, Example: "/b"}}},
		{nil, []string{"/"}, []Difference{{Key: 1, A: None, B: 0, Example: "/"}}},
	} {
		got, complete := Diff(build(t, globs(t, tt.a...)), build(t, globs(t, tt.b...)), Paths, unequal, 10_000)
		if !complete || !slices.Equal(got, tt.want) {
			t.Errorf("%v and %v: %+v, want %+v", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestDiffNames(t *testing.T) {
	a := build(t, []Pattern{{Name: "*.example.com"}})
	b := build(t, []Pattern{{Name: "**.example.com"}})
	got, complete := Diff(a, b, Names, unequal, 10_000)
	want := NameSymbols("a.a.example.com")
	if !complete || len(got) != 1 || got[0].Example != want || got[0].Whole {
		t.Errorf("%+v, want %q", got, want)
	}
}

func TestDiffIsBounded(t *testing.T) {
	found, complete := Diff(build(t, mixed(t, 300)), build(t, mixed(t, 200)), Paths, unequal, 500)
	if complete || len(found) > 500 {
		t.Errorf("%d differences, complete: %v", len(found), complete)
	}
}

// TestDiffIsComplete compares what is found with what random texts find.
func TestDiffIsComplete(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 300 {
		var texts [2][]string
		for side := range texts {
			for range 1 + r.IntN(5) {
				texts[side] = append(texts[side], randomGlob(r))
			}
			if r.IntN(2) == 0 {
				texts[side] = append(texts[side], "**/"+strings.Repeat("ab", 1+r.IntN(3)), "/a/b")
			}
		}
		a, b := build(t, globs(t, texts[0]...)), build(t, globs(t, texts[1]...))
		found, complete := Diff(a, b, AllTexts, unequal, 100_000)
		if !complete {
			t.Fatalf("%v: not complete", texts)
		}
		known := map[[2]uint32]string{}
		for _, d := range found {
			known[[2]uint32{d.A, d.B}] = d.Example
			for _, text := range []string{d.Example, d.Tree, d.Tree + "/zz"} {
				if !d.Whole && text != d.Example {
					continue
				}
				if va, vb := MatchAll(a, text), MatchAll(b, text); va != d.A || vb != d.B {
					t.Fatalf("%v: %q has %d and %d, not %+v", texts, text, va, vb, d)
				}
			}
		}
		for range 200 {
			text := example(r, texts[r.IntN(2)][0])
			pair := [2]uint32{MatchAll(a, text), MatchAll(b, text)}
			if shortest, ok := known[pair]; pair[0] != pair[1] && (!ok || len(shortest) > len(text)) {
				t.Fatalf("%v: %q with %v was not found, or after a longer one: %q", texts, text, pair, shortest)
			}
		}
	}
}
