package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../../"

// row is a line of a table: its cells as text.
type row []string

// names are what stands in backticks in a cell.
func (r row) names(cell int) []string {
	var names []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(r[cell], -1) {
		names = append(names, m[1])
	}
	return names
}

// table is one of the page's, with the heading above it. Its first row names the columns.
type table struct {
	heading string
	columns row
	rows    []row
}

// tables reads those of docs/events.md whose first column has the name.
func tables(t *testing.T, first string) []table {
	t.Helper()
	return tablesOf(t, "docs/events.md", first)
}

func tablesOf(t *testing.T, name, first string) []table {
	t.Helper()
	var found []table
	heading, inside := "", false
	for line := range strings.Lines(page(t, name)) {
		line = strings.TrimSpace(line)
		if text := strings.TrimLeft(line, "#"); text != line {
			heading = strings.TrimSpace(text)
		}
		if !strings.HasPrefix(line, "|") {
			inside = false
			continue
		}
		cells := row(strings.Split(strings.Trim(line, "|"), "|"))
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case !inside:
			found = append(found, table{heading: heading, columns: cells})
			inside = true
		case strings.HasPrefix(cells[0], "---"):
		default:
			last := &found[len(found)-1]
			if len(cells) != len(last.columns) {
				t.Errorf("%s: %d cells under %d columns: %s", heading, len(cells), len(last.columns), line)
				continue
			}
			last.rows = append(last.rows, cells)
		}
	}
	found = slices.DeleteFunc(found, func(t table) bool { return t.columns[0] != first })
	if len(found) == 0 {
		t.Fatalf("%s has no table with the first column %q", name, first)
	}
	return found
}

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(root + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// firstNames are those of the first column.
func firstNames(all []table) []string {
	var names []string
	for _, t := range all {
		for _, r := range t.rows {
			names = append(names, r.names(0)...)
		}
	}
	return names
}

// makers are the rooms whose code may make events: all but the one that names every kind to show it.
func makers(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(root + "internal")
	if err != nil {
		t.Fatal(err)
	}
	rooms := []string{"sensor/*"}
	for _, e := range entries {
		if files, err := filepath.Glob(root + "internal/" + e.Name() + "/*.go"); err == nil && len(files) > 0 && e.Name() != "show" {
			rooms = append(rooms, e.Name())
		}
	}
	return rooms
}

// written returns what the pattern finds in the files that are no tests, sorted, each once.
func written(t *testing.T, files, pattern string) []string {
	t.Helper()
	var found []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(source(t, files), -1) {
		found = append(found, m[1])
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// source joins the files of a pattern in which one {a,b} stands for several.
func source(t *testing.T, files string) string {
	t.Helper()
	before, rest, _ := strings.Cut(files, "{")
	choices, after, _ := strings.Cut(rest, "}")
	var text strings.Builder
	for choice := range strings.SplitSeq(choices, ",") {
		paths, err := filepath.Glob(root + before + choice + after)
		if err != nil || len(paths) == 0 {
			t.Fatalf("no files %s%s%s: %v", before, choice, after, err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text.Write(data)
		}
	}
	return text.String()
}
