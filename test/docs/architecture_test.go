package docs

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPackages compares the tree with the table of packages, where internal/sensor/* stands for those that its line names.
func TestPackages(t *testing.T) {
	var want, got []string
	for _, top := range []string{"event", "guard", "policy", "verdict", "internal", "cmd"} {
		err := fs.WalkDir(os.DirFS(root), top, func(name string, _ fs.DirEntry, err error) error {
			if path.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") {
				want = append(want, path.Dir(name))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range tablesOf(t, "docs/architecture.md", "package") {
		for _, r := range table.rows {
			for _, name := range r.names(0) {
				dir, all := strings.CutSuffix(name, "/*")
				if !all {
					got = append(got, name)
					continue
				}
				for _, one := range r.names(1) {
					got = append(got, dir+"/"+one)
				}
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(slices.Compact(want), got); diff != "" {
		t.Errorf("packages: -tree +page:\n%s", diff)
	}
}

// TestLinks follows the links of the documents to other files of the tree.
func TestLinks(t *testing.T) {
	var names []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/design/*.md", "changelog/*.md"} {
		found, err := filepath.Glob(root + pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no files %s: %v", pattern, err)
		}
		names = append(names, found...)
	}
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: %v", strings.TrimPrefix(name, root), err)
			}
		}
	}
}
