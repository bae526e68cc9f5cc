// Package docs holds docs/events.md to the code: every kind, field and name that the code has is there, and nothing else.
package docs

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/audit"
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
	var found []table
	heading, inside := "", false
	for line := range strings.Lines(page(t)) {
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
		t.Fatalf("no table with the first column %q", first)
	}
	return found
}

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(root + "docs/events.md")
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

func TestKinds(t *testing.T) {
	var want []string
	for _, k := range event.Kinds() {
		want = append(want, string(k))
	}
	kinds := tables(t, "kind")
	if diff := cmp.Diff(want, firstNames(kinds)); diff != "" {
		t.Errorf("kinds, in order: -code +page:\n%s", diff)
	}
	details := fields(reflect.TypeFor[event.Event]())
	evidence := firstNames(tables(t, "evidence"))
	for _, table := range kinds {
		for _, r := range table.rows {
			if detail := r.names(1); len(detail) != 1 || !slices.Contains(details, detail[0]) {
				t.Errorf("%s: the detail %q is no field of an event", r[0], r[1])
			}
			for _, e := range append(r.names(3), r.names(4)...) {
				if !slices.Contains(evidence, e) {
					t.Errorf("%s: no such evidence: %s", r[0], e)
				}
			}
		}
	}
}

// TestFields compares each structure of an event and of the audit log with the table under the heading of its name.
func TestFields(t *testing.T) {
	want := map[string][]string{}
	structures(reflect.TypeFor[audit.Record](), want)
	got := map[string][]string{}
	for _, table := range tables(t, "field") {
		for _, r := range table.rows {
			got[table.heading] = append(got[table.heading], r.names(0)...)
			if !strings.HasSuffix(r[2], ".") {
				t.Errorf("%s: %s has no meaning that ends with a full stop", table.heading, r[0])
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields by structure, in order: -code +page:\n%s", diff)
	}
}

// TestAlways compares the fields that are never left out with those that are called so.
func TestAlways(t *testing.T) {
	want := map[string]map[string]bool{}
	always(reflect.TypeFor[audit.Record](), want)
	for _, table := range tables(t, "field") {
		for _, r := range table.rows {
			for _, name := range r.names(0) {
				says := strings.HasPrefix(r[2], "Always.")
				if is, ok := want[table.heading][name]; ok && is != says {
					t.Errorf("%s.%s: never left out: %v; the page says always: %v", table.heading, name, is, says)
				}
			}
		}
	}
}

// structures collects the fields of a structure and of all that it holds, by the names of the types.
func structures(of reflect.Type, all map[string][]string) {
	walk(of, func(s reflect.Type) bool {
		if all[s.Name()] != nil {
			return false
		}
		all[s.Name()] = fields(s)
		return true
	})
}

func always(of reflect.Type, all map[string]map[string]bool) {
	walk(of, func(s reflect.Type) bool {
		if all[s.Name()] != nil {
			return false
		}
		all[s.Name()] = map[string]bool{}
		for _, f := range members(s) {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			all[s.Name()][name] = !strings.Contains(options, "omit")
		}
		return true
	})
}

// walk visits a structure, and those of its fields when visit says so.
func walk(of reflect.Type, visit func(reflect.Type) bool) {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() || !visit(of) {
		return
	}
	for _, f := range members(of) {
		walk(f.Type, visit)
	}
}

// members are the fields as JSON has them: those of an embedded structure among its holder's.
func members(of reflect.Type) []reflect.StructField {
	return slices.DeleteFunc(reflect.VisibleFields(of), func(f reflect.StructField) bool { return f.Anonymous })
}

func fields(of reflect.Type) []string {
	var names []string
	for _, f := range members(of) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// TestExamples reads the page's examples as what they are, strictly.
func TestExamples(t *testing.T) {
	blocks := regexp.MustCompile("(?ms)^```json\n(.*?)^```$").FindAllStringSubmatch(page(t), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d examples, want an event and a record", len(blocks))
	}
	for i, into := range []any{new(event.Event), new(audit.Record)} {
		dec := json.NewDecoder(bytes.NewReader([]byte(blocks[i][1])))
		dec.DisallowUnknownFields()
		if err := dec.Decode(into); err != nil {
			t.Errorf("%T: %v in\n%s", into, err, blocks[i][1])
		}
	}
}

// TestNames compares names that the code writes into events with the page's tables of them.
func TestNames(t *testing.T) {
	for _, c := range []struct {
		column, files, pattern string
	}{
		{"evidence", "event/event.go", `Evidence = "(\w+)"`},
		{"cause", "internal/{kernel,audit}/*.go", `(?:bpfLossLOSS_\w+:|Cause\w+ +=) +"(\w+)"`},
		{"action", "internal/{audit,daemon}/*.go", `(?:Action: |note\(event\.Kind\w+, |guardEvent\()"(\w+)"`},
	} {
		want := written(t, c.files, c.pattern)
		got := firstNames(tables(t, c.column))
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -code +page:\n%s", c.column, diff)
		}
	}
	subjects := written(t, "internal/{posture,kernel/probe}/*.go", `Subject: "(\w+)"`)
	for _, table := range tables(t, "field") {
		for _, r := range table.rows {
			if table.heading == "Posture" && r[0] == "`subject`" {
				got := r.names(2)
				slices.Sort(got)
				if diff := cmp.Diff(subjects, got); diff != "" {
					t.Errorf("subjects of posture: -code +page:\n%s", diff)
				}
			}
		}
	}
}

// TestNotMade wants "Not made by this version" of exactly those kinds and kinds of evidence that no code makes.
func TestNotMade(t *testing.T) {
	makers := "internal/{audit,daemon,kernel,pipeline,posture,sensor/*}/*.go"
	made := written(t, makers, `event\.((?:Kind|Evidence)[A-Z]\w+)`)
	names := map[string]string{}
	for _, m := range regexp.MustCompile(`((?:Kind|Evidence)[A-Z]\w+) +(?:Kind|Evidence) = "(\w+)"`).FindAllStringSubmatch(source(t, "event/*.go"), -1) {
		names[m[2]] = m[1]
	}
	for _, table := range append(tables(t, "kind"), tables(t, "evidence")...) {
		for _, r := range table.rows {
			says := strings.Contains(r[2], "Not made by this version")
			if is := !slices.Contains(made, names[r.names(0)[0]]); is != says {
				t.Errorf("%s: made by no code in %s: %v; the page says so: %v", r[0], makers, is, says)
			}
		}
	}
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
