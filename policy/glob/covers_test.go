package glob

import "testing"

func TestCovers(t *testing.T) {
	tests := []struct {
		wide, narrow string
		want         bool
	}{
		{"/etc/hosts", "/etc/hosts", true},
		{"/etc/*", "/etc/hosts", true},
		{"/etc/*", "/etc/ssh/key", false},
		{"/{etc,usr}/?osts", "/etc/hosts", true},
		{"/etc/**", "/etc/*", true},
		{"/etc/**", "/etc/ssh/**", true},
		{"/etc/**", "/etc/{a,b}/*.conf", true},
		{"/etc/**", "/etc{,/**}", false},
		{"/etc/**.conf", "/etc/a/*.conf", true},
		{"/etc/**.conf", "/etc/a/*.txt", false},
		{"/etc/**.conf", "/etc/a/**", false},
		{"/etc/*.conf", "/etc/a*b.conf", true},
		{"/etc/*.conf", "/etc/a/*.conf", false},
		{"/etc/*", "/etc/**", false},
		{"/etc/*", "/etc/?", false}, // true, but not told
		{"/a**a", "/a", false},
		{"**", "/{a,b}", true},
		{"/{a,b}?", "/{a,b}?", true},
		{"/{a,b}?", "/{a,b}??", false},
		{`/a\*`, "/a*", false},
	}
	for _, tt := range tests {
		if got := mustParse(t, tt.wide).Covers(mustParse(t, tt.narrow)); got != tt.want {
			t.Errorf("%s covers %s: %t", tt.wide, tt.narrow, got)
		}
	}
	if got := mustParse(t, `/a\*b/**`).Start(); got != "/a*b/" {
		t.Errorf("it starts with %q", got)
	}
}

func mustParse(t testing.TB, pattern string) *Glob {
	t.Helper()
	g, err := Parse(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// FuzzCovers: what a pattern covers is matched by it.
func FuzzCovers(f *testing.F) {
	f.Add("/etc/**", "/etc/*.conf", "/etc/a.conf")
	f.Add("/a**a", "/a*", "/a")
	f.Add("/*b", "/a*bb", "/abb")
	f.Add("**x", "/?x", "/x")
	f.Fuzz(func(t *testing.T, wide, narrow, path string) {
		w, err := Parse(wide)
		if err != nil {
			return
		}
		n, err := Parse(narrow)
		if err != nil {
			return
		}
		if w.Covers(n) && n.Match(path) && !w.Match(path) {
			t.Errorf("%q covers %q, and does not match %q", wide, narrow, path)
		}
	})
}
