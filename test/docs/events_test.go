// Package docs holds the documents to the code: every kind, field and name that events have is in docs/events.md, every
// package in docs/architecture.md, and nothing that does not exist is in either. It refuses to judge what a text means.
package docs

import (
	"bytes"
	"encoding/json"
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
	blocks := regexp.MustCompile("(?ms)^```json\n(.*?)^```$").FindAllStringSubmatch(page(t, "docs/events.md"), -1)
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
	made := written(t, "internal/{"+strings.Join(makers(t), ",")+"}/*.go", `event\.((?:Kind|Evidence)[A-Z]\w+)`)
	names := map[string]string{}
	for _, m := range regexp.MustCompile(`((?:Kind|Evidence)[A-Z]\w+) +(?:Kind|Evidence) = "(\w+)"`).FindAllStringSubmatch(source(t, "event/*.go"), -1) {
		names[m[2]] = m[1]
	}
	for _, table := range append(tables(t, "kind"), tables(t, "evidence")...) {
		for _, r := range table.rows {
			says := strings.Contains(r[2], "Not made by this version")
			if is := !slices.Contains(made, names[r.names(0)[0]]); is != says {
				t.Errorf("%s: made by no code: %v; the page says so: %v", r[0], is, says)
			}
		}
	}
}
