package automaton

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// naive matches one glob at a time, each as a regular expression over one character per byte. It shares nothing with the
// packages that it judges.
type naive struct {
	expressions []*regexp.Regexp
	values      []uint32
}

// translate turns a valid glob into a regular expression, rule by rule.
func translate(t testing.TB, pattern string) *regexp.Regexp {
	t.Helper()
	rules := []struct{ glob, expression string }{{"**", ".*"}, {"*", "[^/]*"}, {"?", "[^/]"}, {"{", "(?:"}, {"}", ")"}}
	var out strings.Builder
	open := 0
next:
	for rest := pattern; rest != ""; {
		if rest[0] == '[' {
			rest = translateClass(&out, rest[1:])
			continue
		}
		if rest[0] == ',' && open > 0 {
			out.WriteByte('|')
			rest = rest[1:]
			continue
		}
		for _, rule := range rules {
			if after, ok := strings.CutPrefix(rest, rule.glob); ok {
				out.WriteString(rule.expression)
				open += strings.Count(rule.glob, "{") - strings.Count(rule.glob, "}")
				rest = after
				continue next
			}
		}
		if rest[0] == '\\' {
			rest = rest[1:]
		}
		fmt.Fprintf(&out, `\x{%02x}`, rest[0])
		rest = rest[1:]
	}
	expression, err := regexp.Compile(`(?s)\A(?:` + out.String() + `)\z`)
	if err != nil {
		t.Fatalf("translate %q: %v", pattern, err)
	}
	return expression
}

// translateClass lists the members of a set one by one, and returns what stands behind it.
func translateClass(out *strings.Builder, rest string) string {
	out.WriteString("[")
	if rest[0] == '!' || rest[0] == '^' {
		out.WriteString("^/")
		rest = rest[1:]
	}
	one := func() byte {
		if rest[0] == '\\' {
			rest = rest[1:]
		}
		c := rest[0]
		rest = rest[1:]
		return c
	}
	for rest[0] != ']' {
		low := one()
		high := low
		if rest[0] == '-' && rest[1] != ']' {
			rest = rest[1:]
			high = one()
		}
		for c := int(low); c <= int(high); c++ {
			fmt.Fprintf(out, `\x{%02x}`, c)
		}
	}
	out.WriteString("]")
	return rest[1:]
}

func newNaive(t testing.TB, patterns []Pattern) *naive {
	n := &naive{}
	for _, p := range patterns {
		n.expressions = append(n.expressions, translate(t, p.String()))
		n.values = append(n.values, p.Value)
	}
	return n
}

// match returns the values of the patterns that match, ascending.
func (n *naive) match(text string) []uint32 {
	runes := make([]rune, len(text))
	for i := range len(text) {
		runes[i] = rune(text[i])
	}
	var out []uint32
	for i, e := range n.expressions {
		if e.MatchString(string(runes)) {
			out = append(out, n.values[i])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// judge compares automata with the naive matcher.
func judge(t *testing.T, patterns []Pattern, texts []string) {
	t.Helper()
	smallest, err := Build(patterns, Limits{})
	if err != nil {
		t.Fatalf("Build(%v): %v", patterns, err)
	}
	withSets, sets, err := BuildSets(patterns, Limits{})
	if err != nil {
		t.Fatalf("BuildSets(%v): %v", patterns, err)
	}
	for _, a := range slices.Concat(smallest, withSets) {
		if err := a.Validate(); err != nil {
			t.Fatalf("%v: %v", patterns, err)
		}
	}
	n := newNaive(t, patterns)
	for _, text := range texts {
		want := n.match(text)
		first := uint32(None)
		if len(want) > 0 {
			first = want[0]
		}
		if got := MatchAll(smallest, text); got != first {
			t.Fatalf("%v: %q has %d, want %d", patterns, text, got, first)
		}
		if got := union(withSets, sets, text); !slices.Equal(got, want) {
			t.Fatalf("%v: %q has the set %v, want %v", patterns, text, got, want)
		}
	}
}

func union(automata []Automaton, sets [][]uint32, text string) []uint32 {
	var out []uint32
	for i := range automata {
		if v := automata[i].Match(text); v != None {
			out = append(out, sets[v]...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// elements make globs that overlap as much as possible.
var elements = []string{
	"/", "/", "/", "a", "a", "b", "b", "ab", "ba", "*", "*", "**", "**", "/**/", "/*/", "?", "[ab]", "[!a]", "[a-c]", "{a,b}", "{,/b}", "{a/,b*,**}", `\*`, "***", "\xff",
}

func randomGlob(r *rand.Rand) string {
	var out strings.Builder
	if r.IntN(4) > 0 {
		out.WriteByte('/')
	}
	for range 1 + r.IntN(7) {
		out.WriteString(elements[r.IntN(len(elements))])
	}
	return out.String()
}

// example returns a text that is likely to match the glob, or to miss it narrowly.
func example(r *rand.Rand, pattern string) string {
	var out []byte
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			for range r.IntN(4) {
				out = append(out, "ab/c"[r.IntN(4)])
			}
		case '?', '[', '{':
			out = append(out, "abc/"[r.IntN(4)])
			if c == '?' {
				continue
			}
			if end := strings.IndexAny(pattern[i:], "]}"); end > 0 {
				i += end
			}
		default:
			out = append(out, c)
		}
	}
	for range r.IntN(3) {
		if len(out) == 0 {
			break
		}
		switch at := r.IntN(len(out)); r.IntN(3) {
		case 0:
			out = slices.Delete(out, at, at+1)
		case 1:
			out = slices.Insert(out, at, "ab/*\xff"[r.IntN(5)])
		default:
			out[at] = "ab/c"[r.IntN(4)]
		}
	}
	return string(out)
}

func TestAgainstRegularExpressions(t *testing.T) {
	r := rand.New(rand.NewPCG(2026, 11))
	for range 600 {
		var patterns []Pattern
		var texts []string
		for range 1 + r.IntN(12) {
			p := randomGlob(r)
			// Values repeat, and need not be dense.
			patterns = append(patterns, Pattern{Glob: parse(t, p), Value: uint32(r.IntN(8) * 3)})
		}
		for range 40 {
			texts = append(texts, example(r, patterns[r.IntN(len(patterns))].String()))
		}
		judge(t, patterns, append(texts, "", "/"))
	}
}
