package show

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
)

// update rewrites the golden files: UPDATE_GOLDEN=1 go test ./internal/show
func update() bool { return os.Getenv("UPDATE_GOLDEN") != "" }

func render(t *testing.T, format Format, opts Options, events []*event.Event) string {
	t.Helper()
	var out bytes.Buffer
	opts.Location = time.UTC
	w, err := New(format, &out, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := w.Write(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestGolden(t *testing.T) {
	for _, format := range Formats() {
		t.Run(string(format), func(t *testing.T) {
			got := render(t, format, Options{}, append(samples(), special()...))
			name := filepath.Join("testdata", "events."+string(format))
			if update() {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		})
	}
}

func TestNothingHostileGetsThrough(t *testing.T) {
	for _, format := range Formats() {
		out := render(t, format, Options{}, special())
		for _, r := range out {
			if r != '\n' && (!visible(r) || r == '\ufffd' && format != JSON) {
				t.Errorf("%s lets %U through", format, r)
			}
		}
		if want := len(special()) + map[Format]int{Table: 1, CSV: 1}[format]; strings.Count(out, "\n") != want {
			t.Errorf("%s: %d lines, want %d", format, strings.Count(out, "\n"), want)
		}
	}
}

func TestJSONKeepsTheText(t *testing.T) {
	for _, e := range append(samples(), special()...) {
		plain, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if err := json.Unmarshal(plain, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(render(t, JSON, Options{}, []*event.Event{e})), &got); err != nil {
			t.Fatalf("%s: %v", e.Kind, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e.Kind, diff)
		}
	}
}

func TestDocument(t *testing.T) {
	var out bytes.Buffer
	if err := Document(&out, map[string]string{"a": "<\u202e\x7f>"}); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "{\n  \"a\": \"<\\u202e\\u007f>\"\n}\n"; got != want {
		t.Errorf("document = %q, want %q", got, want)
	}
	if err := Document(&out, func() {}); err == nil {
		t.Error("a function is a document")
	}
}

func TestCSVColumns(t *testing.T) {
	rows, err := csv.NewReader(strings.NewReader(render(t, CSV, Options{}, append(samples(), special()...)))).ReadAll()
	if err != nil {
		t.Fatal(err) // also when a row has another number of cells than the header
	}
	if diff := cmp.Diff(Columns(), rows[0]); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
}

func TestCSVFormula(t *testing.T) {
	tests := map[string]string{
		"=1+1": `,"'=1+1"`, "+1": `,"'+1"`, "-1": `,"'-1"`, "@SUM(A1)": `,"'@SUM(A1)"`, "  =1": `,"'  =1"`, "＝1": `,"'＝1"`,
		"\t=1": `,"\t=1"`, "a=1": `,"a=1"`, "": `,`, `a"b`: `,"a""b"`, "a;=1": `,"a;=1"`,
	}
	for text, want := range tests {
		var w csvWriter
		w.text(text)
		if string(w.buf) != want {
			t.Errorf("cell of %q = %s, want %s", text, w.buf, want)
		}
	}
}

func TestNewRefusesUnknownFormat(t *testing.T) {
	if _, err := New("xml", &bytes.Buffer{}, Options{}); err == nil || !strings.Contains(err.Error(), "table, json, csv") {
		t.Errorf("err = %v, want one that lists the formats", err)
	}
}
