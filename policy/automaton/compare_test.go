package automaton

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/policy/glob"
)

// side makes patterns whose values are their places; changed are those that other does not have.
func side(t testing.TB, globs, other []string) Side {
	t.Helper()
	s := Side{Changed: map[uint32]bool{}}
	for i, text := range globs {
		g, err := glob.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Patterns = append(s.Patterns, Pattern{Glob: g, Value: uint32(i)})
		changed := true
		for _, o := range other {
			changed = changed && o != text
		}
		s.Changed[uint32(i)] = changed
	}
	return s
}

func compare(t testing.TB, a, b []string, unmatched bool) []Region {
	t.Helper()
	out, err := Compare(side(t, a, b), side(t, b, a), CleanPaths(), unmatched)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []string
		all  bool
		want []Region
	}{
		{"nothing changed", []string{"/a/**"}, []string{"/a/**"}, false, nil},
		{"one more", []string{"/a/**"}, []string{"/a/**", "/b"}, false, []Region{{None, None, "/"}, {None, 1, "/b"}}},
		{"narrower", []string{"/a/**"}, []string{"/a/*"}, false, []Region{{None, None, "/"}, {0, 0, "/a/a"}, {0, None, "/a/a/a"}}},
		{"what nothing matches", []string{"/x"}, nil, true, []Region{{None, None, "/"}, {0, None, "/x"}}},
		{"only what nothing matches", []string{"/x"}, []string{"/x"}, true, []Region{{None, None, "/"}}},
		{"there is no such text", []string{"/**"}, []string{"/**"}, true, nil},
		{"nothing at all", nil, nil, true, []Region{{None, None, "/"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := compare(t, c.a, c.b, c.all)
			// Only pairs matter here; which of the shortest texts stands for one is nobody's business.
			for i := range got {
				for _, w := range c.want {
					if w.A == got[i].A && w.B == got[i].B && len(w.Example) == len(got[i].Example) {
						got[i].Example = w.Example
					}
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" && !subset(c.want, got) {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// subset reports whether the regions with a value are the same; that of no match may be told or not.
func subset(want, got []Region) bool {
	strip := func(in []Region) map[string]bool {
		out := map[string]bool{}
		for _, r := range in {
			if r.A != None || r.B != None {
				out[fmt.Sprint(r)] = true
			}
		}
		return out
	}
	return cmp.Equal(strip(want), strip(got))
}

func TestCompareGivesUp(t *testing.T) {
	var a []string
	for i := range 40 {
		a = append(a, fmt.Sprintf("/**/x%d/**/y%d/**", i, i))
	}
	if _, err := compareUpTo(1000, side(t, a, nil), side(t, nil, a), CleanPaths(), true); !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v", err)
	}
}

func TestTexts(t *testing.T) {
	in := func(texts Language, text string) bool {
		state := 0
		for i := range len(text) {
			if state = texts.Next(state, text[i]); state < 0 {
				return false
			}
		}
		return texts.Whole(state)
	}
	for text, want := range map[string][2]bool{
		"/a": {true, true}, "/a/b": {true, true}, "/.a": {true, true}, "/..a": {true, true}, "/...": {true, true}, "/a.": {true, true},
		"/": {true, true}, "": {}, "a": {}, "//": {}, "//a": {}, "/a/": {}, "/.": {}, "/..": {}, "/./a": {}, "/../a": {}, "/a/..": {}, "/a\x00": {},
		"@a": {false, true}, "@a//": {false, true}, "@": {}, "@\x00": {},
	} {
		if got := [2]bool{in(CleanPaths(), text), in(SocketNames(), text)}; got != want {
			t.Errorf("%q: path, socket %v, want %v", text, got, want)
		}
	}
}

// TestCompareIsComplete tries random texts: each that a changed pattern matches lies in a region that was found, and each
// region's example has its values.
func TestCompareIsComplete(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	parts := []string{"a", "b", "ab", "*", "**", "a*", "?", "{a,b}", "[ab]b"}
	some := func() (out []string) {
		for range random.IntN(5) {
			text := ""
			for range 1 + random.IntN(3) {
				text += "/" + parts[random.IntN(len(parts))]
			}
			out = append(out, text)
		}
		return out
	}
	for range 300 {
		a := some()
		b := append(some(), a[:len(a)/2]...)
		sa, sb := side(t, a, b), side(t, b, a)
		unmatched := random.IntN(2) == 0
		regions, err := Compare(sa, sb, CleanPaths(), unmatched)
		if err != nil {
			t.Fatal(err)
		}
		found := map[[2]uint32]bool{}
		for _, r := range regions {
			found[[2]uint32{r.A, r.B}] = true
			if r.A != smallest(sa, r.Example) || r.B != smallest(sb, r.Example) || path.Clean(r.Example) != r.Example {
				t.Fatalf("%q against %q: %+v", a, b, r)
			}
		}
		for range 200 {
			var text strings.Builder
			for range 1 + random.IntN(3) {
				text.WriteString("/" + []string{"a", "b", "ab", "aa", "c"}[random.IntN(5)])
			}
			va, vb := smallest(sa, text.String()), smallest(sb, text.String())
			touched := unmatched && va == None && vb == None || va != None && sa.Changed[va] || vb != None && sb.Changed[vb]
			if touched && !found[[2]uint32{va, vb}] {
				t.Fatalf("%q against %q: %s is (%d, %d), which was not found", a, b, &text, va, vb)
			}
		}
	}
}

func smallest(s Side, text string) uint32 {
	for _, p := range s.Patterns {
		if p.Glob.Match(text) {
			return p.Value
		}
	}
	return None
}
