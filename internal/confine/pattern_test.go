package confine

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stockade-security/stockade/policy/glob"
)

func mustGlob(t testing.TB, text string) *glob.Glob {
	t.Helper()
	g, err := glob.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAlternatives(t *testing.T) {
	for _, c := range []struct {
		pattern string
		want    []string
	}{
		{"/etc/hosts", []string{"/etc/hosts"}},
		{"/srv{,/**}", []string{"/srv", "/srv/**"}},
		{"{/usr,}/{bin,sbin}/x", []string{"/usr/bin/x", "/usr/sbin/x", "/bin/x", "/sbin/x"}},
		{"/{a,b{c,d}}", []string{"/a", "/bc", "/bd"}},
		{`/\{a,b\}`, []string{`/\{a,b\}`}},
		{"/[{,}]x", []string{"/[{,}]x"}},
		{`/{[,\]}],a}`, []string{`/[,\]}]`, "/a"}},
		{`/{a\,b,c}`, []string{`/a\,b`, "/c"}},
	} {
		if diff := cmp.Diff(c.want, alternatives(c.pattern)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.pattern, diff)
		}
	}
}

// tree makes files in a new directory; a name that ends in / is a directory.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		at := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if name[len(name)-1] == '/' {
			err = os.MkdirAll(at, 0o755)
		} else {
			err = os.WriteFile(at, nil, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestFind(t *testing.T) {
	root := tree(t, "a/x1", "a/x2", "a/y", "b/x3", "b/deep/x4", "odd{,}*")
	at := func(names ...string) (out []place) {
		for _, name := range names {
			out = append(out, place{path: root + name})
		}
		return out
	}
	for _, c := range []struct {
		pattern string
		want    found
	}{
		{"/a/y", found{places: at("/a/y")}},
		{"/none", found{places: at("/none")}},
		{"/a/**", found{places: []place{{root + "/a", true}}}},
		{"/*/**", found{places: []place{{root + "/a", true}, {root + "/b", true}, {root + "/odd{,}*", true}}, partial: true}},
		{"/a/x*", found{places: at("/a/x1", "/a/x2"), partial: true}},
		{"/*/x[1-3]", found{places: at("/a/x1", "/a/x2", "/b/x3"), partial: true}},
		{"/{a/x?,b/deep/*}", found{places: at("/a/x1", "/a/x2", "/b/deep/x4"), partial: true}},
		{`/odd\{,\}\*`, found{places: at("/odd{,}*")}},
		{"/a/{,y}", found{places: at("/a/y")}},
		{"/**/x4", found{beyond: root + "/**/x4 has ** before its end"}},
	} {
		got := find(mustGlob(t, root+c.pattern))
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(found{}, place{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.pattern, diff)
		}
	}
	for _, all := range []string{"**", "/**"} {
		if got := find(mustGlob(t, all)); len(got.places) != 2 || !slices.Contains(got.places, place{"/", true}) || !slices.Contains(got.places, place{"/", false}) {
			t.Errorf("%s: got %+v", all, got)
		}
	}
	if got := find(mustGlob(t, "**/x")); got.beyond == "" {
		t.Errorf("**/x: got %+v, want something beyond", got)
	}
}

func TestReaches(t *testing.T) {
	for _, c := range []struct {
		pattern, dir string
		want         bool
	}{
		{"/srv/a/b", "/srv", true},
		{"/srv/a/b", "/srv/a", true},
		{"/srv/a/b", "/srv/a/b", false},
		{"/srv/a", "/srv/b", false},
		{"/srv", "/srv", false},
		{"/srv", "/", true},
		{"**/.ssh/id_*", "/srv", true},
		{"/s*/x", "/srv", true},
		{"/s*/x", "/srv/deep", false},
		{"/srv/**", "/srv/deep/er", true},
		{"/srv/?", "/srv", true},
		{"/{etc,srv/[a-c]}/x", "/srv/b", true},
		{"/{etc,srv/[a-c]}/x", "/srv/d", false},
	} {
		if got := reaches(mustGlob(t, c.pattern), c.dir); got != c.want {
			t.Errorf("reaches(%s, %s) = %v, want %v", c.pattern, c.dir, got, c.want)
		}
	}
}

// FuzzAlternatives holds the alternatives of a pattern to the pattern: together they match the same.
func FuzzAlternatives(f *testing.F) {
	f.Add("/srv{,/**}", "/srv/a")
	f.Add(`/{a\,b,[,}]c{d,e}}`, "/}cd")
	f.Add("{/usr,}/{bin,sbin}/*", "/bin/x")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		g, err := glob.Parse(pattern)
		if err != nil {
			return
		}
		got := false
		for _, one := range alternatives(pattern) {
			if one == "" {
				got = got || path == ""
				continue
			}
			part, err := glob.Parse(one)
			if err != nil {
				t.Fatalf("%q has the alternative %q: %v", pattern, one, err)
			}
			if len(one) > len(pattern) {
				return // too many: the pattern itself, out of reach
			}
			got = got || part.Match(path)
		}
		if want := g.Match(path); got != want {
			t.Errorf("%q matches %q: %v, its alternatives: %v", pattern, path, want, got)
		}
	})
}
