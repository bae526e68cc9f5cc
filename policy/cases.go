package policy

import (
	"bytes"
	"fmt"

	"github.com/goccy/go-yaml/ast"
)

// CaseFile is a file of cases: what a policy is expected to decide. It is immutable.
type CaseFile struct {
	// Name is the file's name as it was given.
	Name  string
	Cases []Case
}

// Case says that each access of When by the task Given is to have the answer Expect. Given and the accesses are in the
// words of verdict.ParseTask and verdict.ParseAccess, which are not looked into here.
type Case struct {
	Pos   Position
	Name  string // empty: it has none
	Given NameRule
	When  []NameRule // at least one
	// Expect is allow, deny or undecided.
	Expect string
	// Rule is how the rule that decides is written, or its file:line, or its line alone; Subject the entry that claims the
	// task. An empty one may be any.
	Rule, Subject NameRule
}

// LoadCases reads a file of cases. The error is a *Problems if the file could be read.
func LoadCases(path string) (*CaseFile, error) {
	src, text, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("load cases: %w", err)
	}
	return ParseCases(src.name, text)
}

// ParseCases reads the text of a file of cases; name is what problems call it. The error is a *Problems.
func ParseCases(name string, text []byte) (*CaseFile, error) {
	r := &reader{book: newBook(), source: source{name: name}, anchors: map[string]ast.Node{}, cases: true}
	out := &CaseFile{Name: name}
	if body := r.document(bytes.TrimPrefix(text, []byte("\ufeff"))); len(r.problems) == 0 {
		if decode(r, body, caseFileSection(), out) && len(out.Cases) == 0 {
			top := Position{File: name, Line: 1, Column: 1}
			r.problem(top, `write "cases:" and an item below it, with given, when and expect`, "the file has no cases")
		}
	}
	if len(r.problems) > 0 {
		return nil, r.failure()
	}
	return out, nil
}

func caseFileSection() section[CaseFile] {
	return section[CaseFile]{
		name: "a file of cases",
		keys: []key[CaseFile]{{"cases", func(r *reader, e entry, f *CaseFile) { f.Cases = list(r, e, (*reader).caseItem).Rules }}},
	}
}

func caseSection() section[Case] {
	return section[Case]{
		name: "a case",
		keys: []key[Case]{
			{"name", func(r *reader, e entry, c *Case) { c.Name = r.phrase(e).Text }},
			{"given", func(r *reader, e entry, c *Case) { c.Given = r.phrase(e) }},
			{"when", func(r *reader, e entry, c *Case) { c.When = r.accesses(e) }},
			{"expect", func(r *reader, e entry, c *Case) { c.Expect = r.choice(e, []string{"allow", "deny", "undecided"}) }},
			{"rule", func(r *reader, e entry, c *Case) { c.Rule = r.phrase(e) }},
			{"subject", func(r *reader, e entry, c *Case) { c.Subject = r.phrase(e) }},
		},
	}
}

// caseItem reads a case. What stands in the way of its keys is told before what it lacks.
func (r *reader) caseItem(node ast.Node) (Case, bool) {
	c := Case{Pos: r.place(node)}
	if !decode(r, node, caseSection(), &c) {
		return c, false
	}
	switch {
	case c.Given.Text == "":
		r.problem(c.Pos, "add given: an entry's name, or the path of an executable", "the case does not say who acts")
	case len(c.When) == 0:
		r.problem(c.Pos, "add when: an access, such as r /etc/hosts", "the case does not say what is done")
	case c.Expect == "":
		r.problem(c.Pos, "add expect: allow, deny or undecided", "the case does not say what is expected")
	}
	return c, true
}

func (r *reader) phrase(e entry) NameRule {
	s, _ := r.scalar(e.value, e.key)
	return NameRule{Text: s.text, Pos: s.pos}
}

// accesses reads one access or a list of them.
func (r *reader) accesses(e entry) []NameRule {
	if _, ok := e.value.(*ast.SequenceNode); !ok {
		return []NameRule{r.phrase(e)}
	}
	return list(r, e, func(r *reader, node ast.Node) (NameRule, bool) {
		s, ok := r.scalar(node, "an access")
		return NameRule{Text: s.text, Pos: s.pos}, ok
	}).Rules
}
