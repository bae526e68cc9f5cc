package policy

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

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

func TestWarnEnforce(t *testing.T) {
	p := mustParse(t, "mode: enforce\nprocesses: {a: {allowed_network: []}}\ndefault: {}\n")
	if w := p.Warnings(); len(w) != 1 || w[0].Line != 1 || w[0].Kind != WarningNotActedOn {
		t.Errorf("%+v", w)
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

// TestHostile: files that are made to cost much are refused, quickly. Each says why.
func TestHostile(t *testing.T) {
	list := "processes:\n  a:\n    allowed_files: &l [" + strings.Repeat("/a,\n      ", 2000) + "/a]\n"
	merges := "processes:\n  m0: &m0 {description: x}\n"
	for i := 1; i < 30; i++ {
		merges += fmt.Sprintf("  m%d: &m%d\n    <<: [%s*m%d]\n", i, i, strings.Repeat(fmt.Sprintf("*m%d, ", i-1), 50), i-1)
	}
	tests := []struct{ name, text, want string }{
		{"large", strings.Repeat("#\n", MaxBytes/2+1), "larger than"},
		{"alias bomb", list + numbered(200, "  u%d: {allowed_files: *l}\n"), "expands to more than"},
		{"merge bomb", merges, "expands to more than"},
		{"brackets", strings.Repeat("[\n", MaxBytes/4), "nest too deep"},
		{"dashes", strings.Repeat("- ", 4000), "nest too deep"},
		{"questions", strings.Repeat("? ", 4000), "nest too deep"},
		{"anchors", strings.Repeat("&a\n", MaxBytes/4), "more than 1000 anchors"},
		{"tags", strings.Repeat("!a\n", MaxBytes/4), "tags are not used"},
		{"colons", strings.Repeat("a: ", 5000), "not YAML"},
		{"unknown keys", "processes:\n  a:\n" + numbered(maxKeys-10, "    k%d: []\n"), "more than 1000 problems"},
		{"keys", "processes:\n  a:\n" + numbered(60000, "    k%d: []\n"), "more than 10000 keys"},
		{"unknown syscalls", "processes:\n  a:\n    blocked_syscalls:\n" + strings.Repeat("    - process_vm_redv_"+"\n", 30000), "more than 1000 problems"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := Parse("p.yaml", []byte(tt.text))
			runtime.ReadMemStats(&after)
			if spent := (after.TotalAlloc - before.TotalAlloc) >> 20; spent > 1024 {
				t.Errorf("allocated %d MiB in all", spent)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %.300v, want %q", err, tt.want)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestHuge: of a file that is far too large only the beginning is read.
func TestHuge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.yaml")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(100 << 20); err != nil { // takes no space
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = Load(path)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "the file is larger than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
	if spent := (after.TotalAlloc - before.TotalAlloc) >> 20; spent > 16 {
		t.Errorf("allocated %d MiB", spent)
	}
}

// numbered repeats a line of a policy with a number in it.
func numbered(n int, format string) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, format, i)
	}
	return out.String()
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

func FuzzParse(f *testing.F) {
	var files []string
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/*.yaml", "builtin.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			f.Fatalf("%s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(text) < 8192 {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse("p.yaml", text)
		lines := strings.Count(string(text), "\n") + 1
		if err == nil {
			checkParsed(t, p, lines)
			return
		}
		var problems *Problems
		if !errors.As(err, &problems) || len(problems.List) == 0 {
			t.Fatalf("not a list of problems: %v", err)
		}
		for _, problem := range problems.List {
			checkProblem(t, problem, lines)
		}
	})
}

// checkParsed holds a policy to what its readers may rely on.
func checkParsed(t *testing.T, p *Policy, lines int) {
	t.Helper()
	if len(p.Digest()) != 64 {
		t.Errorf("digest %q", p.Digest())
	}
	names := map[string]bool{}
	for q := range p.subjects() {
		if names[q.Name] || q.Pos.Line < 1 || q.Pos.Line > lines {
			t.Errorf("entry %q at %v", q.Name, q.Pos)
		}
		names[q.Name] = true
		if q != p.Default && len(q.Match.conditions()) == 0 {
			t.Errorf("entry %q has no condition", q.Name)
		}
		for _, call := range slices.Concat(q.AllowedSyscalls.Rules, q.BlockedSyscalls.Rules) {
			if len(call.Names) == 0 {
				t.Errorf("%s names no system call", call.Text)
			}
		}
		for _, rule := range slices.Concat(q.AllowedNetwork.Rules, q.BlockedNetwork.Rules, q.AllowedListen.Rules) {
			if rule.unresolved() {
				t.Errorf("%s names nobody", rule.Text)
			}
		}
	}
	for _, w := range p.Warnings() {
		checkProblem(t, w.Problem, lines)
		if w.Other.Line > lines {
			t.Errorf("in %d lines: %+v", lines, w)
		}
	}
}

func checkProblem(t *testing.T, p Problem, lines int) {
	t.Helper()
	if p.Line < 1 || p.Line > lines+1 || p.Column < 1 || p.Message == "" {
		t.Errorf("in %d lines: %+v", lines, p)
	}
	for _, c := range p.String() {
		if c != '\n' && (c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0) {
			t.Errorf("control character %q in %q", c, p.String())
		}
	}
}
