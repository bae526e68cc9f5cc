package policy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

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
