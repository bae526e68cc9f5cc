package policy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Bounds on what all files of a policy hold together.
const (
	maxEntries  = 100_000 // keys and list items, with every alias expanded
	maxProblems = 1000    // and as many warnings
)

// reader turns the YAML document of one file into a part of the Policy. It shares the book with the readers of the
// policy's other files.
type reader struct {
	*book
	source
	lines   []string
	anchors map[string]ast.Node
	// shared are patterns of the entry at hand whose leave is not known yet.
	shared []sharedName
	// from is the reader of the file that includes this one, nil for the first.
	from *reader
	// cases: it is a file of cases, and no policy.
	cases bool
}

// book collects what a policy's files say beside the Policy itself: above all what is wrong with them.
type book struct {
	problems []Problem
	warnings []Warning
	// texts holds the lines of each file.
	texts map[string][]string
	// files lists the files in the order in which they were begun.
	files []source
	// taken is where each key of the policy's root stands.
	taken map[string]Position
	// budget is how many more keys and items may be visited, room how many more bytes may be read.
	budget, room int
	// resolverUses are the places of @resolvers.
	resolverUses []Position
	words        vocabulary
}

func newBook() *book {
	return &book{texts: map[string][]string{}, taken: map[string]Position{}, budget: maxEntries, room: maxTotal}
}

func (r *reader) at(tk *token.Token) Position {
	if tk == nil || tk.Position == nil {
		return Position{File: r.name, Line: 1, Column: 1}
	}
	return Position{File: r.name, Line: max(1, tk.Position.Line), Column: max(1, tk.Position.Column)}
}

func (b *book) describe(pos Position, hint, format string, args []any) Problem {
	return Problem{
		File: pos.File, Line: pos.Line, Column: pos.Column,
		Message: fmt.Sprintf(format, args...), Excerpt: excerpt(b.texts[pos.File], pos.Line, pos.Column), Hint: hint,
	}
}

func (b *book) problem(pos Position, hint, format string, args ...any) {
	if len(b.problems) <= maxProblems {
		b.problems = append(b.problems, b.describe(pos, hint, format, args))
	}
}

func (b *book) warn(kind WarningKind, pos Position, hint, format string, args ...any) {
	b.warnOther(kind, pos, Position{}, hint, format, args...)
}

// warnOther warns about two lines. What is beyond the bound is only told to be there.
func (b *book) warnOther(kind WarningKind, pos, other Position, hint, format string, args ...any) {
	switch {
	case len(b.warnings) < maxProblems:
		b.warnings = append(b.warnings, Warning{Kind: kind, Other: other, Problem: b.describe(pos, hint, format, args)})
	case len(b.warnings) == maxProblems:
		b.warnings = append(b.warnings, Warning{Kind: kind, Problem: Problem{
			File: pos.File, Line: pos.Line, Column: pos.Column, Message: fmt.Sprintf("there are more than %d warnings: the rest is not shown", maxProblems),
		}})
	}
}

// meant returns a hint if name looks like a misspelling of one of the candidates. It gives up where no more problems are
// kept, because the comparison is dear.
func (b *book) meant(name string, candidates []string) string {
	if len(b.problems) > maxProblems {
		return ""
	}
	if meant := closest(name, candidates); meant != "" {
		return "did you mean " + meant + "?"
	}
	return ""
}

// inOrder compares places: files in the order in which they were begun, then lines, then columns.
func (b *book) inOrder(x, y Problem) int {
	file := func(p Problem) int {
		return slices.IndexFunc(b.files, func(s source) bool { return s.name == p.File })
	}
	if x.File != y.File {
		return file(x) - file(y)
	}
	return cmp.Or(x.Line-y.Line, x.Column-y.Column)
}

// failure returns the problems in order. One that an alias repeats is told once.
func (b *book) failure() *Problems {
	overflow := len(b.problems) > maxProblems
	list := b.problems[:min(len(b.problems), maxProblems)]
	slices.SortStableFunc(list, b.inOrder)
	list = distinct(list)
	if overflow {
		last := list[len(list)-1]
		list = append(list, Problem{File: last.File, Line: last.Line, Column: last.Column, Message: fmt.Sprintf("there are more than %d problems: the rest is not shown", maxProblems)})
	}
	return &Problems{List: list}
}

// caution returns the warnings in order, each once.
func (b *book) caution() []Warning {
	slices.SortStableFunc(b.warnings, func(x, y Warning) int { return b.inOrder(x.Problem, y.Problem) })
	return distinct(b.warnings)
}

// distinct keeps the first of those that are the same.
func distinct[E comparable](list []E) []E {
	seen := make(map[E]bool, len(list))
	return slices.DeleteFunc(list, func(e E) bool {
		again := seen[e]
		seen[e] = true
		return again
	})
}
