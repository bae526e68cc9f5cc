package verdict_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// keyLine is a line of keys.yaml that holds a key.
type keyLine struct {
	path  string // such as processes.*.match.exe and host.files[].path
	name  string // the last part of it, as it is written
	first int    // the key's line, counted from 0
	end   int    // the line behind all that is below it
}

// keyLines reads a file whose keys stand in lines of their own.
func keyLines(lines []string) []keyLine {
	var out []keyLine
	var open []int // indices in out, by depth
	for i, line := range lines {
		bare := strings.TrimLeft(line, " ")
		depth := (len(line) - len(bare)) / 2
		if bare == "" || bare[0] == '#' {
			continue
		}
		for len(open) > depth {
			out[open[len(open)-1]].end = i
			open = open[:len(open)-1]
		}
		name, _, _ := strings.Cut(bare, ":")
		path := name
		if depth > 0 {
			parent := out[open[depth-1]].path
			switch {
			case bare == "-":
				path = parent + "[]"
			case strings.HasSuffix(parent, "processes") || strings.HasSuffix(parent, "zones") || parent == "sinks":
				path = parent + ".*"
			default:
				path = parent + "." + name
			}
		}
		open = append(open, len(out))
		out = append(out, keyLine{path, name, i, len(lines)})
	}
	for _, i := range open {
		out[i].end = len(lines)
	}
	return out
}

// outcome is all that a policy says in the cases: what is decided by which rule, whose task it is, and what follows.
func outcome(img *compile.Image, cases []policy.Case) (out []string, err error) {
	for _, c := range cases {
		task, err := verdict.ParseTask(img, c.Given.Text)
		if err != nil {
			return nil, err
		}
		for _, when := range c.When {
			a, err := verdict.ParseAccess(img, when.Text)
			if err != nil {
				return nil, err
			}
			d := verdict.Decide(img, task, &a)
			s := img.Subjects[task.Subject]
			out = append(out, fmt.Sprint(d.Denied, d.Undecided, d.Rule(img).Text, s.Name, s.Mode, s.OnLimit))
		}
	}
	return out, nil
}

func readKeys(t *testing.T) (lines []string, cases []policy.Case) {
	t.Helper()
	text, err := os.ReadFile("testdata/keys.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file, err := policy.LoadCases("testdata/keys.cases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), file.Cases
}

func compileLines(lines []string) (*compile.Image, error) {
	p, err := policy.Parse("keys.yaml", []byte(strings.Join(lines, "\n")))
	if err != nil {
		return nil, err
	}
	return compile.Compile(p)
}

// TestEveryKeyActs takes out each key in turn: the answer to a case changes, or what passes through to who acts on it does, or
// the policy is refused because it needs the key.
func TestEveryKeyActs(t *testing.T) {
	lines, cases := readKeys(t)
	img, err := compileLines(lines)
	if err != nil {
		t.Fatal(err)
	}
	before, err := outcome(img, cases)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keyLines(lines) {
		got := without(t, lines, key, img, before, cases)
		want := "answers"
		switch {
		case key.path == "version" || strings.HasSuffix(key.path, ".description"): // text for people
			want = "nothing"
		case slices.Contains(needed(), key.path), slices.Contains(needed(), strings.Replace(key.path, "*", key.name, 1)):
			want = "refused"
		case strings.HasPrefix(key.path, "alerts") || strings.HasPrefix(key.path, "anomaly") || strings.HasPrefix(key.path, "sinks") || strings.HasPrefix(key.path, "dns.lease") || key.path == "break_glass":
			want = "settings"
		}
		if got != want {
			t.Errorf("line %d: without %s changes: %s, want %s", key.first+1, key.path, got, want)
		}
	}
}

// needed are the keys without which this policy is refused; those of ops and hook, because others name them.
func needed() []string {
	return []string{
		"processes", "processes.*.allow_shared_suffix", "default.allow_shared_suffix", "firewall.egress.allow_shared_suffix",
		"host.exec[].path", "host.exec[].parents", "host.files[].path", "host.devices[].path", "host.devices[].allow_exe", "host.prctl.block",
		"dns", "dns.resolvers", "firewall.ingress.zones.*.interfaces", "anomaly.brute_force.threshold", "anomaly.brute_force.window",
		"processes.ops", "sinks", "sinks.hook", "sinks.*.webhook", "sinks.*.file", "sinks.*.syslog",
	}
}

// without says what changes without a key.
func without(t *testing.T, lines []string, key keyLine, img *compile.Image, before []string, cases []policy.Case) string {
	t.Helper()
	changed, err := compileLines(slices.Concat(lines[:key.first], lines[key.end:]))
	if err != nil {
		return "refused"
	}
	after, err := outcome(changed, cases)
	switch {
	case err != nil || !slices.Equal(before, after):
		return "answers"
	case stripped(img.Settings) != stripped(changed.Settings):
		return "settings"
	}
	return "nothing"
}

// stripped is the settings without the places of their lines, which move.
func stripped(s compile.Settings) string {
	return regexp.MustCompile(`keys\.yaml:\d+`).ReplaceAllString(fmt.Sprintf("%+v", s), "")
}

// TestEveryKeyIsThere compares keys.yaml with the language.
func TestEveryKeyIsThere(t *testing.T) {
	var schema any
	if err := json.Unmarshal(policy.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	want, got := map[string]bool{}, map[string]bool{}
	schemaPaths(schema.(map[string]any), schema.(map[string]any)["$defs"].(map[string]any), "", want)
	delete(want, "include") // of files, which TestInclude of policy reads
	lines, _ := readKeys(t)
	for _, key := range keyLines(lines) {
		if !strings.HasSuffix(key.path, "*") && !strings.HasSuffix(key.path, "[]") {
			got[key.path] = true
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("-the language +keys.yaml:\n%s", diff)
	}
}

// schemaPaths collects the keys that a JSON Schema has below a path.
func schemaPaths(s, defs map[string]any, path string, out map[string]bool) {
	if ref, ok := s["$ref"].(string); ok {
		s = defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	properties, _ := s["properties"].(map[string]any)
	for key, below := range properties {
		if key != "<<" { // YAML's own
			at := strings.TrimPrefix(path+"."+key, ".")
			out[at] = true
			schemaPaths(below.(map[string]any), defs, at, out)
		}
	}
	if below, ok := s["additionalProperties"].(map[string]any); ok {
		schemaPaths(below, defs, path+".*", out)
	}
	if below, ok := s["items"].(map[string]any); ok {
		schemaPaths(below, defs, path+"[]", out)
	}
	for _, either := range []string{"oneOf", "anyOf", "allOf"} {
		list, _ := s[either].([]any)
		for _, below := range list {
			schemaPaths(below.(map[string]any), defs, path, out)
		}
	}
}

// TestKeyCases runs the cases as `stockade policy test` does.
func TestKeyCases(t *testing.T) {
	lines, cases := readKeys(t)
	img, err := compileLines(lines)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		task, err := verdict.ParseTask(img, c.Given.Text)
		if err != nil {
			t.Fatal(err)
		}
		for _, when := range c.When {
			a, err := verdict.ParseAccess(img, when.Text)
			if err != nil {
				t.Fatal(err)
			}
			d := verdict.Decide(img, task, &a)
			got := map[bool]string{d.Denied: "deny", d.Undecided: "undecided", !d.Denied && !d.Undecided: "allow"}[true]
			subject := img.Subjects[task.Subject].Name
			if got != c.Expect || c.Rule.Text != "" && c.Rule.Text != d.Rule(img).Text || c.Subject.Text != "" && c.Subject.Text != subject {
				t.Errorf("%s: %s by %s: %s by %q for %s: %s", c.Pos, when.Text, c.Given.Text, got, d.Rule(img).Text, subject, verdict.Detail(img, task, &a, d))
			}
		}
	}
}
