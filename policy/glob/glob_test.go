package glob

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern string
		yes, no []string
	}{
		{"/etc/shadow", []string{"/etc/shadow"}, []string{"/etc/shadow2", "/etc/shado", ""}},
		{"/etc/*", []string{"/etc/passwd", "/etc/"}, []string{"/etcetera", "/etc", "/etc/ssh/key"}},
		{"/etc/**", []string{"/etc/passwd", "/etc/ssh/key"}, []string{"/etc", "/etcetera"}},
		{"/etc{,/**}", []string{"/etc", "/etc/a/b"}, []string{"/etcetera"}},
		{"/proc/*/mem", []string{"/proc/1/mem"}, []string{"/proc/mem", "/proc/1/task/1/mem", "/proc/1/memx"}},
		{"**/.ssh/id_*", []string{"/root/.ssh/id_rsa", "/.ssh/id_"}, []string{"/root/.ssh/id_rsa/x", "/root/.sshx/id_rsa"}},
		{"/a/**/b", []string{"/a/b/b", "/a/x/y/b", "/a//b"}, []string{"/a/b", "/a/x/bb"}},
		{"/a**b", []string{"/ab", "/a/b", "/abb"}, []string{"/a", "/b"}},
		{"/x?z", []string{"/xyz"}, []string{"/xz", "/x/z", "/xyyz"}},
		{"/v[0-9a]", []string{"/v0", "/va"}, []string{"/vb", "/v", "/v00"}},
		{"/v[!0-9]x", []string{"/vbx"}, []string{"/v0x", "/v/x"}},
		{"/v[]]", nil, []string{"/v]"}},
		{`/v[\]-]`, []string{"/v]", "/v-"}, []string{"/v\\"}},
		{`/a\*b`, []string{"/a*b"}, []string{"/axb"}},
		{"/{usr,opt}/{,local/}bin/*", []string{"/usr/bin/x", "/opt/local/bin/y"}, []string{"/usr/local/x", "/srv/bin/x"}},
		{"/{a,{b,c}d}e", []string{"/ae", "/bde", "/cde"}, []string{"/be", "/de"}},
		{"/a,b]", []string{"/a,b]"}, []string{"/a"}},
		{"**", []string{"", "/", "/a/b"}, nil},
		{"*", []string{"", "a"}, []string{"/a"}},
		{"/*a*a*a*a*b", []string{"/aaaab"}, []string{"/" + strings.Repeat("a", 4000)}},
	}
	for _, tt := range tests {
		g, err := Parse(tt.pattern)
		if err != nil {
			if tt.yes != nil {
				t.Errorf("Parse(%q): %v", tt.pattern, err)
			}
			continue
		}
		for _, path := range tt.yes {
			if !g.Match(path) {
				t.Errorf("%q does not match %q", tt.pattern, path)
			}
		}
		for _, path := range tt.no {
			if g.Match(path) {
				t.Errorf("%q matches %q", tt.pattern, path)
			}
		}
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		pattern string
		offset  int
		message string
	}{
		{"", 0, "empty"},
		{"/a[bc", 2, "never closed"},
		{"/a[]", 2, "set is empty"},
		{"/a[z-a]", 3, "wrong way round"},
		{"/a[+-0]", 3, "cannot hold /"},
		{"/a[é]", 3, "ASCII"},
		{"/a{b,c", 2, "never closed"},
		{"/a}b", 2, "closes no {"},
		{`/ab\`, 3, "escapes nothing"},
		{"/a\nb", 2, "control character"},
		{"/{{{{{{{{{a}}}}}}}}}", 9, "nest"},
		{"/" + strings.Repeat("?", 257), 257, "too long"},
		{"/" + strings.Repeat("a", 4096), 4096, "longer than"},
	}
	for _, tt := range tests {
		_, err := Parse(tt.pattern)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("Parse(%q) = %v, want a SyntaxError", tt.pattern, err)
			continue
		}
		if syntax.Offset != tt.offset || !strings.Contains(syntax.Message, tt.message) {
			t.Errorf("Parse(%q) = %d %q, want %d %q", tt.pattern, syntax.Offset, syntax.Message, tt.offset, tt.message)
		}
	}
}

func TestSpecificity(t *testing.T) {
	tests := []struct {
		pattern          string
		prefix, literals int
		rooted           bool
	}{
		{"/etc/shadow", 11, 11, true},
		{"/etc/*", 5, 5, true},
		{"/etc/**/key", 5, 9, true},
		{"/{usr,opt/x}/bin", 1, 8, true},
		{"**/x", 0, 2, true},
		{"{/a,/b}", 0, 2, true},
		{"*x", 0, 1, false},
		{"etc/x", 5, 5, false},
		{"?tc", 0, 2, false},
	}
	for _, tt := range tests {
		g, err := Parse(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if g.Prefix() != tt.prefix || g.Literals() != tt.literals || g.Rooted() != tt.rooted {
			t.Errorf("%q: prefix %d literals %d rooted %v, want %d %d %v", tt.pattern, g.Prefix(), g.Literals(), g.Rooted(), tt.prefix, tt.literals, tt.rooted)
		}
	}
}

// FuzzMatch compares with a regular expression that is made from the pattern byte by byte.
func FuzzMatch(f *testing.F) {
	for _, seed := range [][2]string{
		{"/etc/**", "/etc/a/b"},
		{"/a[b-d!]*", "/ac"},
		{"/{a,b{c,}}?", "/bcx"},
		{"/[!x]", "/\xff"},
		{`/\[a`, "/[a"},
		{"**/**/x", "/a/x"},
		{"/a***b", "/a/b"},
		{"{,/}*", ""},
		{"/[a-]", "/-"},
		{"/[^^]", "/^"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		g, err := Parse(pattern)
		if err != nil {
			return
		}
		want := reference(t, pattern).MatchString(latin1(path))
		if got := g.Match(path); got != want {
			t.Errorf("Match(%q, %q) = %v, the regular expression says %v", pattern, path, got, want)
		}
		if got := matchPositions(g.Positions(), path); got != want {
			t.Errorf("the positions of %q match %q: %v, the regular expression says %v", pattern, path, got, want)
		}
	})
}

// latin1 turns each byte into one character, so that the regular expression sees bytes too.
func latin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

func reference(t *testing.T, pattern string) *regexp.Regexp {
	t.Helper()
	var out strings.Builder
	depth := 0
	quote := func(c byte) { out.WriteString(regexp.QuoteMeta(latin1(string([]byte{c})))) }
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
			quote(pattern[i])
		case strings.HasPrefix(pattern[i:], "**"):
			i++
			out.WriteString(`.*`)
		case c == '*':
			out.WriteString(`[^/]*`)
		case c == '?':
			out.WriteString(`[^/]`)
		case c == '[':
			i = referenceClass(&out, pattern, i)
		case c == '{':
			depth++
			out.WriteString(`(?:`)
		case c == '}':
			depth--
			out.WriteString(`)`)
		case c == ',' && depth > 0:
			out.WriteString(`|`)
		default:
			quote(c)
		}
	}
	re, err := regexp.Compile(`(?s)\A(?:` + out.String() + `)\z`)
	if err != nil {
		t.Fatalf("%q as a regular expression: %v", pattern, err)
	}
	return re
}

// referenceClass first splits the set into its bytes, then pairs up the ranges.
func referenceClass(out *strings.Builder, pattern string, i int) int {
	out.WriteString("[")
	i++
	if pattern[i] == '!' || pattern[i] == '^' {
		out.WriteString("^/")
		i++
	}
	var members []byte
	var dash []bool
	for ; pattern[i] != ']'; i++ {
		dash = append(dash, pattern[i] == '-')
		if pattern[i] == '\\' {
			i++
		}
		members = append(members, pattern[i])
	}
	for m := 0; m < len(members); m++ {
		out.WriteString(hex(members[m]))
		if m+2 < len(members) && dash[m+1] {
			out.WriteString("-" + hex(members[m+2]))
			m += 2
		}
	}
	out.WriteString("]")
	return i
}

func hex(c byte) string { return fmt.Sprintf(`\x{%02x}`, c) }

func BenchmarkMatch(b *testing.B) {
	const path = "/usr/share/nginx/html/assets/images/2024/10/logo-large.png"
	for _, pattern := range []string{"/usr/share/nginx/**", "/etc/shadow", "**/.ssh/id_*", "/usr/**/*.png", "/usr/{share,lib}/nginx/*/assets/**/logo*"} {
		b.Run(strings.ReplaceAll(pattern, "/", "_"), func(b *testing.B) {
			g, err := Parse(pattern)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				g.Match(path)
			}
		})
	}
}
