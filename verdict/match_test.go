package verdict

import (
	"path"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/policy/compile"
)

func TestClean(t *testing.T) {
	long := "/" + strings.Repeat("x", compile.MaxPath)
	for _, tt := range []struct {
		name      string
		truncated bool
		want      string
		long      bool
	}{
		{"/etc/hosts", false, "/etc/hosts", false},
		{"/etc/hosts (deleted)", false, "/etc/hosts", false},
		{"/a//b/./c/../d/", false, "/a/b/d", false},
		{"/../../etc/x", false, "/etc/x", false},
		{"a/../../b", false, "../b", false},
		{"", false, ".", false},
		{long[:compile.MaxPath], false, long[:compile.MaxPath], false},
		{long, false, "", true},
		{"/etc/hosts", true, "", true},
		// The text decides, whatever it would come down to.
		{"/" + strings.Repeat("x/../", 1000), false, "", true},
	} {
		if got, long := clean(tt.name, tt.truncated); got != tt.want || long != tt.long {
			t.Errorf("clean(%.40q, %t) = %.40q, %t", tt.name, tt.truncated, got, long)
		}
	}
}

// FuzzClean: the quick test never calls clean what is not, and misses only hidden files and what path.Clean changes.
func FuzzClean(f *testing.F) {
	for _, name := range []string{"/", "", "/a", "/abcdefg/", "/abcdefg//h", "/abcdef/./h", "/abcdefghijklmno/..", "/a/.b", "relative/a", "/abcdefgh/abcdefgh/.."} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		cleaned := path.Clean(name) == name
		switch {
		case isClean(name) && !cleaned:
			t.Errorf("%q is called clean", name)
		case !isClean(name) && cleaned && len(name) > 1 && name[0] == '/' && !strings.Contains(name, "/."):
			t.Errorf("%q is not called clean", name)
		}
	})
}
