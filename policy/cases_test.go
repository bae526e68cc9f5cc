package policy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoadCases(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy_test.yaml")
	const text = "\ufeff" + `
cases:
  - name: it reads its files
    given: app
    when: r /etc/hosts
    expect: allow
  - {given: /usr/bin/x, when: [r /a, "connect 10.0.0.1:443/tcp"], expect: deny, rule: 7, subject: app}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := LoadCases(path)
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string, line, column int) NameRule {
		return NameRule{Text: text, Pos: Position{File: path, Line: line, Column: column}}
	}
	want := &CaseFile{Name: path, Cases: []Case{
		{Pos: Position{File: path, Line: 3, Column: 5}, Name: "it reads its files", Given: at("app", 4, 12), When: []NameRule{at("r /etc/hosts", 5, 11)}, Expect: "allow"},
		{
			Pos: Position{File: path, Line: 7, Column: 5}, Given: at("/usr/bin/x", 7, 13), When: []NameRule{at("r /a", 7, 32), at("connect 10.0.0.1:443/tcp", 7, 38)},
			Expect: "deny", Rule: at("7", 7, 87), Subject: at("app", 7, 99),
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestBadCases(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "c.yaml:1:1: the file of cases is empty",
		"cases: []":                      "c.yaml:1:1: the file has no cases",
		"processes: {}":                  `c.yaml:1:1: unknown key "processes" in a file of cases`,
		"cases: [{when: r /a}]":          "c.yaml:1:9: the case does not say who acts",
		"cases: [{given: a}]":            "c.yaml:1:9: the case does not say what is done",
		"cases: [{given: a, when: r /}]": "c.yaml:1:9: the case does not say what is expected",
		"cases: [{given: a, when: r /, expect: denied}]":   `c.yaml:1:39: expect "denied" is none of allow, deny, undecided`,
		"cases: [{given: a, wen: r /, expect: deny}]":      `c.yaml:1:20: unknown key "wen" in a case`,
		"cases: [{given: [a], when: r /, expect: deny}]":   "c.yaml:1:17: given must be text, not a list",
		"cases: [{given: a, when: [[r /]], expect: deny}]": "c.yaml:1:27: an access must be text, not a list",
		"cases: [text]":                 "c.yaml:1:9: a case must be a map, not text",
		"a: &a [*a]":                    "c.yaml:1:1: unknown key",
		strings.Repeat("x", MaxBytes+1): "c.yaml:1:1: the file is larger",
	} {
		_, err := ParseCases("c.yaml", []byte(text))
		if problems := (*Problems)(nil); !errors.As(err, &problems) || !strings.HasPrefix(problems.List[0].String(), want) {
			t.Errorf("%.60s\n  got  %v\n  want %s", text, err, want)
		}
	}
	if _, err := LoadCases(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that does not exist: %v", err)
	}
	if _, err := LoadCases(t.TempDir()); err == nil {
		t.Error("a directory loads")
	}
}

func FuzzParseCases(f *testing.F) {
	f.Add([]byte("cases: [{given: a, when: [r /a], expect: deny, rule: 7}]"))
	f.Add([]byte("cases:\n- &a {given: a}\n- *a\n- <<: *a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ParseCases("c.yaml", text)
		if problems := (*Problems)(nil); err != nil && !errors.As(err, &problems) {
			t.Fatalf("the error is no list of problems: %v", err)
		}
		for i := range got.casesOrNone() {
			if c := &got.Cases[i]; c.Given.Text == "" || len(c.When) == 0 || c.Expect == "" {
				t.Errorf("a case without its parts: %+v", c)
			}
		}
	})
}

func (f *CaseFile) casesOrNone() []Case {
	if f == nil {
		return nil
	}
	return f.Cases
}
