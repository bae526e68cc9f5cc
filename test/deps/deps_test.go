// Package deps holds the project to the arrows between its packages:
//
//	event <- policy <- policy/compile <- verdict <- rooms <- api <- daemon <- cmd
//
// It judges what the compiler sees on each supported system, tests included, and refuses a package or a library that no rule
// knows: whoever adds one decides here where it stands.
package deps

import (
	"errors"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/stockade-security/stockade/"
	root   = "../.."
)

// rule says what the packages that match may import of this module, apart from what lies below themselves under the same rule.
// Patterns are paths below the module; a trailing /... takes in the tree.
type rule struct {
	packages []string
	may      []string
	because  string
}

var language = []string{"event", "policy/...", "verdict"}

// rules are tried in order; the first that matches a package holds.
var rules = []rule{
	{[]string{"event"}, nil, "event is what everything else imports, so it stands on the standard library alone"},
	{[]string{"policy/glob"}, nil, "a glob is text and its meaning, and knows nothing of policies"},
	{[]string{"internal/syscalls"}, nil, "names of system calls are facts, which the policy and the sensors share"},
	{[]string{"policy/compile"}, []string{"event", "policy/...", "internal/syscalls"}, "the compiler turns a policy into an image, and knows nothing that executes one"},
	{[]string{"policy/enforce"}, []string{"event", "policy/...", "internal/syscalls"}, "what is said about a policy is said from its text; facts about a kernel come in as values"},
	{[]string{"policy/layout"}, []string{"event", "policy/...", "internal/syscalls"}, "an image is laid out from what the compiler made; what only the host knows comes in as values"},
	{[]string{"policy/diff"}, []string{"event", "policy/...", "internal/syscalls", "verdict"}, "policies are compared by their texts and images, and the test asks verdict whether that is so"},
	{[]string{"policy/..."}, []string{"event", "policy/glob", "internal/syscalls"}, "a policy is text and its meaning: it knows nothing that compiles, watches or acts"},
	{[]string{"verdict"}, []string{"event", "policy/...", "internal/syscalls"}, "a verdict is a pure function of image, subject and access"},
	{[]string{"guard", "anomaly/..."}, language, "guard and anomaly are embedded in other people's programs: they carry no daemon with them"},
	{[]string{"internal/kernel/enforcer"}, append([]string{"internal/kernel/...", "internal/syscalls"}, language...), "the enforcer publishes images, and turns what programs decided into the words of verdict"},
	{[]string{"internal/kernel/..."}, []string{"event"}, "the loader serves every sensor, so it knows none of them, and no policy's text"},
	{[]string{"internal/sensor/*"}, []string{"event", "internal/kernel/...", "internal/syscalls"}, "a sensor knows its own programs and the loader; who did it and what follows is decided further on"},
	{[]string{"internal/pipeline"}, append([]string{"internal/kernel", "internal/sensor/*", "internal/identity"}, language...), "the pipeline joins what an event passes from record to verdict; what is kept or served comes after it"},
	{[]string{"internal/trial"}, append([]string{"internal/syscalls"}, language...), "a trial asks a policy in words, and names of system calls are words"},
	{[]string{"internal/confine"}, append([]string{"internal/syscalls"}, language...), "a command is confined from its policy alone, without a guard; names of system calls are facts"},
	{[]string{"internal/daemon"}, append([]string{"internal/..."}, language...), "the daemon wires the rooms together, and knows no verbs"},
	{[]string{"internal/api/..."}, append([]string{"guard", "anomaly/...", "internal/..."}, language...), "the API stands on the rooms, and nothing but cmd stands on it"},
	{[]string{"internal/*", "internal/*/..."}, language, "siblings never import each other: values go down from cmd, and an interface lives with its consumer"},
	{[]string{"rules/...", "web/..."}, nil, "shipped data, embedded by who uses it"},
	{[]string{"test/naive"}, []string{"event", "policy", "internal/syscalls", "verdict"}, "a policy is decided by its text, by nothing that the compiler it is compared with is made of; verdict has the words"},
	{[]string{"cmd/...", "test/..."}, []string{"..."}, "wiring"},
}

// forTests are packages that the tests of every package may import, and no other code.
var forTests = []string{"test/naive"}

// library says where a library may be imported; tests is true for one that only tests may use.
type library struct {
	path    string
	where   []string
	tests   bool
	because string
}

var libraries = []library{
	{"github.com/cilium/ebpf", []string{"internal/kernel/...", "internal/sensor/...", "test/..."}, false, "the kernel is spoken to in two places only, so that all else builds and runs anywhere"},
	{"github.com/spf13/cobra", []string{"cmd/..."}, false, "flags and verbs are cmd's: a package takes values"},
	{"github.com/spf13/pflag", []string{"cmd/..."}, false, "flags and verbs are cmd's: a package takes values"},
	{"github.com/goccy/go-yaml", []string{"policy/..."}, false, "text that people write is read in policy, strictly and once"},
	{"github.com/klauspost/compress", []string{"internal/..."}, false, "what is kept is compressed by who keeps it"},
	{"github.com/hashicorp/golang-lru/v2", []string{"internal/..."}, false, "bounded tables are the daemon's"},
	{"github.com/shirou/gopsutil/v4", []string{"internal/poller"}, false, "it serves systems without kernel sensors; on Linux /proc is read by identity"},
	{"golang.org/x/net", []string{"policy"}, false, "policy asks it who shares a suffix, and for ASCII forms of names; the network is spoken to by the standard library"},
	{"golang.org/x/sys", []string{"internal/...", "cmd/...", "guard", "test/..."}, false, "event, policy and verdict are pure"},
	{"github.com/google/go-cmp", []string{"..."}, true, "it may panic, and is for tests"},
	{"github.com/santhosh-tekuri/jsonschema/v6", []string{"policy"}, true, "the policy's reader checks policies; the schema is for editors, and held to the reader by tests"},
	{"github.com/rogpeppe/go-internal", []string{"..."}, true, "testscript is for tests"},
}

func TestArrows(t *testing.T) {
	seen := map[string]bool{}
	for _, system := range []string{"linux", "darwin", "windows"} {
		for pkg, p := range list(t, system) {
			r := ruleOf(pkg)
			if r == nil {
				t.Errorf("%s: no rule knows this package: decide in test/deps where it stands", pkg)
				continue
			}
			for i, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
				complaint := judge(r, pkg, imported, i >= len(p.Imports))
				if key := pkg + " " + imported; complaint != "" && !seen[key] {
					seen[key] = true
					t.Errorf("%s imports %s: %s", pkg, imported, complaint)
				}
			}
		}
	}
}

// judge is the complaint about an import, or empty.
func judge(r *rule, pkg, imported string, inTest bool) string {
	if own, ok := strings.CutPrefix(imported, module); ok {
		if matches(forTests, own) {
			if inTest {
				return ""
			}
			return "it is there to be compared with, in tests: code that decides has package verdict"
		}
		below := matches([]string{pkg + "/..."}, own) && ruleOf(own) == r
		if below || matches(r.may, own) {
			return ""
		}
		return r.because
	}
	if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") {
		return outside(pkg, imported, inTest)
	}
	return ""
}

// outside is the complaint about an import from another module, or empty.
func outside(pkg, imported string, inTest bool) string {
	i := slices.IndexFunc(libraries, func(l library) bool { return matches([]string{l.path + "/..."}, imported) })
	if i < 0 {
		return "no rule knows this library: decide in test/deps who may use it, and give it a line in docs/dependencies.md"
	}
	l := libraries[i]
	if !matches(l.where, pkg) || l.tests && !inTest && !strings.HasPrefix(pkg, "test/") {
		return l.because
	}
	return ""
}

func ruleOf(pkg string) *rule {
	i := slices.IndexFunc(rules, func(r rule) bool { return matches(r.packages, pkg) })
	if i < 0 {
		return nil
	}
	return &rules[i]
}

// matches reports whether path matches a pattern: * stands for one element, a trailing /... for anything below and the tree's root.
func matches(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if pattern == "..." {
			return true
		}
		tree, below := strings.CutSuffix(pattern, "/...")
		want, got := strings.Split(tree, "/"), strings.Split(path, "/")
		if len(got) < len(want) || len(got) > len(want) && !below {
			return false
		}
		return slices.EqualFunc(want, got[:len(want)], func(w, g string) bool { return w == "*" || w == g })
	})
}

// list finds the packages as the go command would on that system. It reads the files itself, so that the go command's cache of
// test results sees them change.
func list(t *testing.T, system string) map[string]*build.Package {
	t.Helper()
	context := build.Default
	context.GOOS, context.CgoEnabled = system, false
	all := map[string]*build.Package{}
	err := filepath.WalkDir(root, func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if name := entry.Name(); dir != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "node_modules") {
			return filepath.SkipDir
		}
		p, err := context.ImportDir(dir, 0)
		if none := new(build.NoGoError); errors.As(err, &none) {
			return nil
		}
		path, _ := filepath.Rel(root, dir)
		all[filepath.ToSlash(path)] = p
		return err
	})
	if err != nil {
		t.Fatalf("list packages for %s: %v", system, err)
	}
	if all["event"] == nil {
		t.Fatalf("list packages for %s: found %d, and event not among them", system, len(all))
	}
	return all
}

// TestRules tries the rules on imports that must be refused and that must not: a rule that allows all would pass TestArrows.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		pkg, imported string
		inTest, fine  bool
	}{
		{"event", "fmt", false, true},
		{"event", module + "policy", false, false},
		{"event", "golang.org/x/sys/unix", false, false},
		{"policy", module + "event", false, true},
		{"policy", module + "verdict", false, false},
		{"policy", module + "policy/compile", false, false},
		{"policy/compile", module + "policy", false, true},
		{"policy/glob", module + "policy", false, false},
		{"verdict", module + "internal/identity", false, false},
		{"guard", module + "internal/audit", false, false},
		{"guard", module + "verdict", false, true},
		{"internal/sensor/process", module + "internal/kernel", false, true},
		{"internal/sensor/process", module + "internal/sensor/file", false, false},
		{"internal/sensor/process", module + "internal/identity", false, false},
		{"internal/sensor/process", "github.com/cilium/ebpf/link", false, true},
		{"internal/kernel", module + "internal/sensor/process", false, false},
		{"internal/kernel", module + "internal/kernel/probe", false, true},
		{"internal/identity", "github.com/cilium/ebpf", false, false},
		{"internal/identity", module + "internal/audit", true, false},
		{"internal/identity", module + "internal/api", false, false},
		{"internal/api", module + "internal/audit", false, true},
		{"internal/confine", module + "internal/syscalls", false, true},
		{"internal/confine", module + "internal/kernel", false, false},
		{"internal/pipeline", module + "internal/audit", false, false},
		{"internal/daemon", module + "cmd/stockade", false, false},
		{"internal/audit", "github.com/google/go-cmp/cmp", false, false},
		{"internal/audit", "github.com/google/go-cmp/cmp", true, true},
		{"internal/audit", "example.com/unheard/of", false, false},
		{"internal/audit", module + "test/activity", true, false},
		{"verdict", module + "test/naive", true, true},
		{"verdict", module + "test/naive", false, false},
		{"cmd/stockade", module + "test/naive", false, false},
		{"test/naive", module + "policy/compile", false, false},
		{"cmd/stockade", module + "internal/api", false, true},
		{"cmd/stockade", "github.com/cilium/ebpf", false, false},
	} {
		if got := judge(ruleOf(c.pkg), c.pkg, c.imported, c.inTest); (got == "") != c.fine {
			t.Errorf("%s imports %s (in a test: %v): complaint %q, want one: %v", c.pkg, c.imported, c.inTest, got, !c.fine)
		}
	}
	if r := ruleOf("newcomer"); r != nil {
		t.Errorf("a package that no rule knows falls under %q", r.because)
	}
}

// TestDependenciesAreExplained wants a line in docs/dependencies.md for each library.
func TestDependenciesAreExplained(t *testing.T) {
	doc, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range libraries {
		line := regexp.MustCompile(`(?m)^\| .*` + regexp.QuoteMeta(l.path) + `.*\|.*\|.*\|$`)
		if !line.Match(doc) {
			t.Errorf("docs/dependencies.md has no line for %s: what it does, why it and not its rivals, its licence", l.path)
		}
	}
}
