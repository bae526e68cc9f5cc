package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFragments holds the fragments of the changelog to changelog/README.md.
func TestFragments(t *testing.T) {
	paths, err := filepath.Glob(root + "changelog/unreleased/*")
	if err != nil {
		t.Fatal(err)
	}
	first := regexp.MustCompile(`^(Added|Changed|Fixed|Security|Removed): [^A-Z].*[^.]$`)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sentence, rest, _ := strings.Cut(string(text), "\n")
		if filepath.Ext(path) != ".md" || !first.MatchString(sentence) {
			t.Errorf("%s: the first line is no sentence as changelog/README.md wants it: %s", filepath.Base(path), sentence)
		}
		if body, found := strings.CutPrefix(rest, "\n"); !found || strings.TrimSpace(body) == "" {
			t.Errorf("%s: no text below an empty line", filepath.Base(path))
		}
	}
}
