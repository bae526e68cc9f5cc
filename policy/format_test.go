package policy

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFormat holds each file of testdata/format against its layout, in the file of the same name ending in .want.
func TestFormat(t *testing.T) {
	files, err := filepath.Glob("testdata/format/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Format(text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		golden := strings.TrimSuffix(file, ".yaml") + ".want"
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", file, diff)
		}
		checkFormatted(t, text, got)
	}
}

// TestFormatKeeps: the policies in the tree are written in the layout already, and a policy says what it said.
func TestFormatKeeps(t *testing.T) {
	for _, file := range []string{"builtin.yaml", "testdata/settings.yaml", "testdata/seed.yaml", "testdata/design.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Format(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(text), string(got)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", file, diff)
		}
	}
}

// checkFormatted holds Format to what it promises about a text and its result.
func checkFormatted(t *testing.T, text, got []byte) {
	t.Helper()
	again, err := Format(got)
	if err != nil || !bytes.Equal(got, again) {
		t.Errorf("formatting once more: %v\n-once +again:\n%s\nof %q", err, cmp.Diff(string(got), string(again)), text)
	}
	before, err := Parse("p.yaml", text)
	if err != nil {
		return
	}
	after, err := Parse("p.yaml", got)
	if err != nil {
		t.Fatalf("%v\nof %q\nfrom %q", err, got, text)
	}
	if before.Digest() != after.Digest() {
		t.Errorf("%q\nsays something else than\n%q", got, text)
	}
}

// TestFormatRefuses: what is no YAML, and what YAML could say in no other layout.
func TestFormatRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "the policy is empty",
		"a: [":                                "not YAML",
		"processes: {a: !x {}}":               "tags are not used",
		"a: 1\n---\nb: 2\n":                   "a second YAML document",
		"a:\n  b: >1\n     more\n   less\n":   "format policy: line 2 would say something else",
		"? &a a\n: 1\n? *a\n: 2\nc: [1,\n 2]": "format policy: the new layout does not load",
	} {
		out, err := Format([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q becomes %q, %v; want %q", text, out, err, want)
		}
	}
}

func FuzzFormat(f *testing.F) {
	for _, pattern := range []string{"testdata/format/*.yaml", "testdata/*.yaml", "testdata/bad/*.yaml", "builtin.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil && len(text) < 4096 {
				f.Add(text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := Format(text); err == nil {
			checkFormatted(t, text, got)
		}
	})
}
