package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestSchemaFile holds the schema that is shipped to the one that this reader makes; -update writes it.
func TestSchemaFile(t *testing.T) {
	const file = "../docs/policy.schema.json"
	if *update {
		if err := os.WriteFile(file, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(Schema())); diff != "" {
		t.Errorf("write it with go test -run TestSchemaFile -update: -want +got:\n%s", diff)
	}
}

// TestSchemaKeys: every key that the reader takes is described, and nothing else.
func TestSchemaKeys(t *testing.T) {
	described := map[string]bool{}
	var parsed struct {
		Properties map[string]json.RawMessage
		Defs       map[string]struct {
			Properties map[string]struct{ Description string }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &parsed); err != nil {
		t.Fatal(err)
	}
	for _, s := range sections() {
		if described[s.name] {
			t.Errorf("two sections are called %s", s.name)
		}
		described[s.name] = true
		for _, name := range s.keys {
			if f := schemaKeys(s.name)[name]; f.doc == "" || len(f.value) == 0 {
				t.Errorf("%s: nothing describes %s", s.name, name)
			}
		}
		if s.name == policySection().name {
			continue
		}
		got := slices.Sorted(maps.Keys(parsed.Defs[defName(s.name)].Properties))
		if want := slices.Sorted(slices.Values(append(slices.Clone(s.keys), "<<"))); !slices.Equal(got, want) {
			t.Errorf("%s has the keys %q in the schema, %q in the reader", s.name, got, want)
		}
	}
	if got, want := len(parsed.Properties), len(policySection().keys)+1; got != want {
		t.Errorf("the root has %d keys in the schema, %d in the reader", got, want)
	}
}

// goodFiles are policies that load. Together they hold every key.
func goodFiles(t testing.TB) []string {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	return append(files, "builtin.yaml")
}

func TestSchemaAccepts(t *testing.T) {
	schema := compileSchema(t)
	for _, file := range goodFiles(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Load(file); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if err := schema.Validate(instance(t, text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestSchemaRefuses: mistakes of shape, in the bad policies.
func TestSchemaRefuses(t *testing.T) {
	shapes := regexp.MustCompile(`unknown (key|ICMP|group)|must be (a |text, |true)|is none of|bad network entry .*: (neither|a URL|the protocol|no such class)`)
	long := regexp.MustCompile(`label-long`) // a pattern counts no characters
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	schema, seen := compileSchema(t), 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, problems := Parse(file, text)
		var decoded any
		if yaml.Unmarshal(text, &decoded) != nil || !shapes.MatchString(problems.Error()) || long.MatchString(file) {
			continue
		}
		seen++
		if schema.Validate(instance(t, text)) == nil {
			t.Errorf("%s is valid: %v", file, problems)
		}
	}
	if seen < 50 {
		t.Errorf("only %d of %d bad policies tried", seen, len(files))
	}
}

// TestSchemaShapes gives each key of the good policies a value of another shape: reader and schema refuse it alike.
func TestSchemaShapes(t *testing.T) {
	schema, seen := compileSchema(t), map[string]bool{}
	for _, file := range goodFiles(t) {
		if file == "builtin.yaml" {
			continue // the same few keys a hundred times
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		root := instance(t, text)
		eachKey(root, func(parent map[string]any, key string) {
			seen[key] = true
			right := parent[key]
			for _, wrong := range []any{map[string]any{"none such": 1}, []any{[]any{}}} {
				parent[key] = wrong
				bad, err := json.Marshal(root)
				if err != nil {
					t.Fatal(err)
				}
				_, err = Parse("p.yaml", bad)
				if problems, is := errors.AsType[*Problems](err); !is || len(problems.List) == 0 {
					t.Errorf("%s: the reader takes %v for %s", file, wrong, key)
				}
				if schema.Validate(instance(t, bad)) == nil {
					t.Errorf("%s: the schema takes %v for %s", file, wrong, key)
				}
			}
			parent[key] = right
		})
	}
	for _, s := range sections() {
		for _, name := range s.keys {
			if !seen[name] {
				t.Errorf("%s: no good policy has %s", s.name, name)
			}
		}
	}
}

// eachKey visits the keys of maps within maps and lists.
func eachKey(node any, visit func(parent map[string]any, key string)) {
	switch n := node.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(n)) {
			eachKey(n[key], visit)
			visit(n, key)
		}
	case []any:
		for _, item := range n {
			eachKey(item, visit)
		}
	}
}

// FuzzSchema: what the reader takes, the schema takes.
func FuzzSchema(f *testing.F) {
	schema := compileSchema(f)
	for _, file := range goodFiles(f) {
		if text, err := os.ReadFile(file); err == nil && len(text) < 4096 {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := Parse("p.yaml", text); err != nil {
			return
		}
		var decoded any
		if yaml.Unmarshal(text, &decoded) != nil {
			return // merges that the decoder does not know
		}
		if err := schema.Validate(instance(t, text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource("policy.schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("policy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// instance is a policy's text as a validator takes it.
func instance(t testing.TB, text []byte) any {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON(bytes.TrimPrefix(text, []byte("\ufeff")))
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(strings.NewReader(string(asJSON)))
	if err != nil {
		t.Fatalf("%v in %s", err, asJSON)
	}
	return out
}
