package policy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// writeFiles makes files with their folders below a fresh one, which it returns.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestInclude(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"main.yaml":          "include: [parts/web.yaml, host.yaml]\nmode: alert\nprocesses:\n  sshd: {protect: {signals: [nginx]}}\n",
		"parts/web.yaml":     "version: 1.0\ninclude: [deep/db.yaml]\nprocesses:\n  nginx:\n    allowed_exec: []\n    max_processes: 9\n",
		"parts/deep/db.yaml": "processes: {postgres: {no_sudo: true}}\n",
		"host.yaml":          "host: {bpf: {allow_exe: []}}\ndefault: {}\n",
	})
	main := filepath.Join(dir, "main.yaml")
	p, err := Load(main)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, q := range p.Processes {
		place := q.Pos
		place.File = strings.TrimPrefix(filepath.ToSlash(place.File), filepath.ToSlash(dir)+"/")
		got = append(got, q.Name+" "+place.String())
	}
	want := []string{"postgres parts/deep/db.yaml:1", "nginx parts/web.yaml:4", "sshd main.yaml:4"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if p.Name != main || p.Mode != ModeAlert || !p.Host.BPF.Present || p.Default == nil {
		t.Errorf("%s is in mode %s with host %+v", p.Name, p.Mode, p.Host)
	}
	var warned []string
	for _, w := range p.Warnings() {
		if w.Kind == WarningNotActedOn {
			warned = append(warned, fmt.Sprintf("%s:%d %s", filepath.Base(w.File), w.Line, strings.TrimSpace(strings.Split(w.Excerpt, "\n")[0])))
		}
	}
	if diff := cmp.Diff([]string{"web.yaml:6 6 |     max_processes: 9"}, warned); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	whole := mustParse(t, `mode: alert
processes: {postgres: {no_sudo: true}, nginx: {allowed_exec: [], max_processes: 9}, sshd: {protect: {signals: [nginx]}}}
default: {}
host: {bpf: {allow_exe: []}}
`)
	if p.Digest() != whole.Digest() {
		t.Error("the same policy in one file has another digest")
	}
}

// TestIncludeBad: each set of files has the problems that stand below it. The first file is main.yaml.
func TestIncludeBad(t *testing.T) {
	const app = "processes: {app: {}}\n"
	deep := map[string]string{"main.yaml": "include: [f1.yaml]\n"}
	many := map[string]string{"main.yaml": app + "include:\n"}
	large := map[string]string{"main.yaml": app + "include:\n"}
	for i := range 100 {
		deep[fmt.Sprintf("f%d.yaml", i)] = fmt.Sprintf("include: [f%d.yaml]\n", i+1)
		many["main.yaml"] += fmt.Sprintf("  - f%d.yaml\n", i)
		many[fmt.Sprintf("f%d.yaml", i)] = fmt.Sprintf("processes: {p%d: {}}\n", i)
	}
	for i := range 4 {
		large["main.yaml"] += fmt.Sprintf("  - f%d.yaml\n", i)
		large[fmt.Sprintf("f%d.yaml", i)] = fmt.Sprintf("processes: {p%d: {}}\n", i) + strings.Repeat("#\n", MaxBytes/2-12)
	}
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"itself", map[string]string{"main.yaml": app + "include: [main.yaml]\n"}, `main.yaml:2:11: "main.yaml" includes itself`},
		{"cycle", map[string]string{"main.yaml": app + "include: [a/b.yaml]\n", "a/b.yaml": "include: [../main.yaml]\n"}, `a/b.yaml:1:11: "main.yaml" includes itself`},
		{"twice", map[string]string{"main.yaml": app + "include: [a.yaml, ./a.yaml]\n", "a.yaml": "processes: {b: {}}\n"}, `main.yaml:2:19: "a.yaml" is already part of the policy`},
		{"subject in both", map[string]string{"main.yaml": app + "include: [a.yaml]\n", "a.yaml": "\n" + app}, `a.yaml:2:13: "app" is already at main.yaml:1`},
		{"key in both", map[string]string{"main.yaml": app + "mode: audit\ninclude: [a.yaml]\n", "a.yaml": "mode: alert\n"}, `a.yaml:1:1: "mode" is already at main.yaml:2`},
		{"missing", map[string]string{"main.yaml": app + "include: [a.yaml]\n"}, `main.yaml:2:11: cannot include "a.yaml": `},
		{"folder", map[string]string{"main.yaml": app + "include: [a]\n", "a/b.yaml": ""}, `main.yaml:2:11: cannot include "a": it is no regular file`},
		{"pattern", map[string]string{"main.yaml": app + "include: ['conf.d/*.yaml']\n"}, `main.yaml:2:11: an included file is named by no pattern`},
		{"no name", map[string]string{"main.yaml": app + "include: ['']\n"}, `main.yaml:2:11: "" names no file`},
		{"empty file", map[string]string{"main.yaml": app + "include: [a.yaml]\n", "a.yaml": "# nothing\n"}, `a.yaml:1:1: the policy is empty`},
		{"not YAML", map[string]string{"main.yaml": app + "include: [a.yaml]\nmode: loud\n", "a.yaml": "processes: {\n"}, "main.yaml:3:7: mode \"loud\" is none of audit, alert, enforce\na.yaml:1:12: not YAML: "},
		{"alias of another file", map[string]string{"main.yaml": "processes: {app: &a {}}\ninclude: [a.yaml]\n", "a.yaml": "processes: {b: *a}\n"}, `a.yaml:1:16: the alias *a names no anchor`},
		{"undefined subject", map[string]string{"main.yaml": app + "include: [a.yaml]\n", "a.yaml": "processes: {b: {protect: {signals: [app, c]}}}\n"}, `a.yaml:1:42: the policy has no process entry "c"`},
		{"deep", deep, "f8.yaml:1:11: files include each other more than 8 deep"},
		{"many", many, "main.yaml:102:5: the policy has more than 100 files"},
		{"large", large, "main.yaml:6:5: the policy's files are larger than 4194304 bytes together"},
		{"a large one", map[string]string{"main.yaml": app + "include: [a.yaml]\n", "a.yaml": strings.Repeat("#\n", MaxBytes)}, "a.yaml:1:1: the file is larger than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := writeFiles(t, tt.files)
			t.Chdir(dir)
			_, err := Load("main.yaml")
			var problems *Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v", err)
			}
			want := strings.Split(tt.want, "\n")
			if len(problems.List) != len(want) {
				t.Fatalf("got %v, want %s", err, tt.want)
			}
			for i, problem := range problems.List {
				if got := filepath.ToSlash(problem.String()); !strings.HasPrefix(got, want[i]) {
					t.Errorf("got %s, want %s", got, want[i])
				}
			}
		})
	}
}
