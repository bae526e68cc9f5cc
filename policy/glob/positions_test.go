package glob

import (
	"slices"
	"testing"
)

// matchPositions matches by what Positions says alone.
func matchPositions(positions []Position, text string) bool {
	at := []int{0}
	for i := range len(text) {
		var next []int
		for n := 1; n < len(positions); n++ {
			p := &positions[n]
			follows := p.Loop && slices.Contains(at, n) || slices.ContainsFunc(p.After, func(before int) bool { return slices.Contains(at, before) })
			if c := text[i]; follows && p.Accept[c>>6]>>(c&63)&1 == 1 {
				next = append(next, n)
			}
		}
		at = next
	}
	return slices.ContainsFunc(at, func(n int) bool { return positions[n].Last })
}

func TestPositions(t *testing.T) {
	texts := []string{
		"", "/", "/a", "/ab", "/abb", "/b", "/a/b", "/a//b", "/a/x/b", "/a/x/y/b", "/ax", "/axx", "/a/", "x", "/x/a.log", "/bx",
	}
	for _, pattern := range []string{
		"/a", "/a*", "/a**", "/a*b", "/a**b", "/a/**", "/a?", "/{a,b}x", "/a{,x}", "/a{,/**}", "**", "*", "**/*.log", "**/b", "/a/**/b", "/[ab]*", "{,/**}", "/a***b",
	} {
		g, err := Parse(pattern)
		if err != nil {
			t.Fatal(err)
		}
		positions := g.Positions()
		for n := 1; n < len(positions); n++ {
			if after := positions[n].After; len(after) == 0 || !slices.IsSorted(after) || after[len(after)-1] >= n {
				t.Errorf("%s: position %d comes after %v", pattern, n, after)
			}
		}
		for _, text := range texts {
			if got, want := matchPositions(positions, text), g.Match(text); got != want {
				t.Errorf("%s matches %q by its positions: %v, want %v", pattern, text, got, want)
			}
		}
	}
}
