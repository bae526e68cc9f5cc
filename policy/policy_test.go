package policy

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the expected texts of testdata/bad")

// TestBad holds every bad policy against the whole text of its error, in the file of the same name ending in .txt.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 80 {
		t.Fatalf("%d bad policies, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(filepath.Base(file), text)
			var problems *Problems
			if !errors.As(err, &problems) || len(problems.List) == 0 {
				t.Fatalf("the policy loads, or fails without problems: %v", err)
			}
			checkGolden(t, strings.TrimSuffix(file, ".yaml")+".txt", err.Error()+"\n")
		})
	}
}

func mustParse(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := Parse("p.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return p
}

// TestSeedShape loads a file with every key of the per-process guards before, spelt the ways their reader took.
func TestSeedShape(t *testing.T) {
	p, err := Load("testdata/seed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "testdata/seed.yaml" || p.Version != "1.0" || p.Mode != ModeAudit || len(p.Processes) != 2 {
		t.Fatalf("name %q version %q mode %q with %d processes", p.Name, p.Version, p.Mode, len(p.Processes))
	}
	q := p.Processes[0]
	if q.Name != "collector" || q.Description != "takes events in" || q.MaxMemoryMB.Value != 512 || q.MaxCPUPercent.Value != 25 {
		t.Errorf("entry %q %q %d %d", q.Name, q.Description, q.MaxMemoryMB.Value, q.MaxCPUPercent.Value)
	}
	if !q.AllowedExec.Present || len(q.AllowedExec.Rules) != 0 {
		t.Errorf("allowed_exec: [] is %+v", q.AllowedExec)
	}
	if got := q.BlockedSyscalls.Rules; len(got) != 2 || got[1].Text != "kexec_load" {
		t.Errorf("syscalls %+v", got)
	}
	if got := q.BlockedFiles.Rules[1]; got.Text != "/proc/*/mem" || got.Access != AccessAll || got.Pos.String() != "testdata/seed.yaml:13" {
		t.Errorf("second blocked file %+v", got)
	}
	if p.Processes[1].AllowedNetwork.Present || p.Processes[1].AllowedExec.Present {
		t.Error("absent keys are present")
	}
	if got := p.Alerts.OnCritical.Rules; len(got) != 3 {
		t.Errorf("on_critical %+v", got)
	}
}

func TestWarnings(t *testing.T) {
	p, err := Load("testdata/seed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		Kind WarningKind
		Line int
		Has  string
	}
	want := []line{
		{WarningUncovered, 4, `a copy of "collector"`},
		{WarningChanged, 10, `"/var/lib/collector/*" matches one level`},
		{WarningChanged, 15, `"0.0.0.0:9750" is about connections to this host`},
		{WarningNotActedOn, 16, `"*.example.com:443"`},
		{WarningNotActedOn, 19, "max_memory_mb"},
		{WarningNotActedOn, 20, "max_cpu_percent"},
		{WarningChanged, 21, "no allowed_network"},
		{WarningNoValue, 22, `"description" has no value`},
		{WarningChanged, 23, "allowed_files is empty"},
		{WarningNoValue, 24, `"blocked_files" has no value`},
		{WarningNotActedOn, 26, "on_violation"},
		{WarningNotActedOn, 28, "on_critical"},
		{WarningDegraded, 31, "notify_architect"},
	}
	var got []line
	for i, w := range p.Warnings() {
		l := line{w.Kind, w.Line, w.Message}
		if i < len(want) && strings.Contains(w.Message, want[i].Has) {
			l.Has = want[i].Has
		}
		got = append(got, l)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAliases(t *testing.T) {
	p := mustParse(t, `processes:
  a: &a
    allowed_network: []
    blocked_files: &list ["/x r"]
  b: *a
  c:
    <<: *a
    blocked_files: ["/y"]
  d:
    blocked_files: *list
    <<: [*a]
`)
	var got []string
	for _, q := range p.Processes {
		r := q.BlockedFiles.Rules[0]
		got = append(got, q.Name+" "+r.Glob.String()+" "+r.Access.String()+" "+r.Pos.String())
		if !q.AllowedNetwork.Present {
			t.Errorf("%s has no allowed_network", q.Name)
		}
	}
	want := []string{"a /x r p.yaml:4", "b /x r p.yaml:4", "c /y rwx p.yaml:8", "d /x r p.yaml:4"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestProblemFields(t *testing.T) {
	_, err := Parse("p.yaml", []byte("processes:\n  a:\n    allowed_fles: []\n"))
	var problems *Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	want := []Problem{{
		File: "p.yaml", Line: 3, Column: 5, Message: `unknown key "allowed_fles" in a process entry`,
		Excerpt: "    3 |     allowed_fles: []\n      |     ^", Hint: "did you mean allowed_files?",
	}}
	if diff := cmp.Diff(want, problems.List); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestLoadMissing(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestDigest(t *testing.T) {
	base := mustParse(t, "processes: {a: {allowed_exec: [/x, /y]}, b: {}}")
	same := []string{
		"# note\nprocesses:\n  a:\n    allowed_exec: ['/x', \"/y\"]\n  b: {}\nversion: 1.0\nmode: audit\n",
		"\ufeffprocesses: {a: {allowed_exec: [/x, /y]}, b: {}}\r\n",
		"processes:\r\n  a:\r\n    allowed_exec:\r\n    - /x\r\n    - /y\r\n  b: {}\r\n",
	}
	for _, text := range same {
		if got := mustParse(t, text).Digest(); got != base.Digest() {
			t.Errorf("%q has another digest", text)
		}
	}
	seen := []string{base.Digest()}
	for _, text := range []string{
		"processes: {a: {allowed_exec: [/y, /x]}, b: {}}",
		"processes: {a: {allowed_exec: [/x, /y]}, b: {allowed_exec: []}}",
		"mode: alert\nprocesses: {a: {allowed_exec: [/x, /y]}, b: {}}",
		"processes: {a: {allowed_files: [/x, /y]}, b: {}}",
		"processes: {a: {allowed_files: [/x r, /y]}, b: {}}",
		"processes: {a: {allowed_network: ['10.0.0.0/8:1-2']}, b: {}}",
		"processes: {a: {allowed_network: ['10.0.0.0/8:1,2/tcp']}, b: {}}",
	} {
		got := mustParse(t, text).Digest()
		if len(got) != 64 || slices.Contains(seen, got) {
			t.Errorf("%q: digest %s is not its own", text, got)
		}
		seen = append(seen, got)
	}
}

func TestBuiltin(t *testing.T) {
	p := Builtin()
	if p.Mode != ModeAudit {
		t.Errorf("mode %s", p.Mode)
	}
	for _, w := range p.Warnings() {
		t.Errorf("%s", w)
	}
	for _, q := range p.Processes {
		if len(q.BlockedFiles.Rules) == 0 || q.AllowedFiles.Present || q.AllowedExec.Present || q.AllowedNetwork.Present {
			t.Errorf("%s: allow lists would not be quiet on every host", q.Name)
		}
	}
}
