package policy

import (
	"fmt"
	"strings"
	"unicode"
)

// Problem is one thing wrong with a policy file.
type Problem struct {
	File string `json:"file"`
	// Line and Column count from 1, Column in characters.
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
	// Excerpt is the line with its number and, below, a caret at Column; safe to print.
	Excerpt string `json:"excerpt,omitempty"`
	// Hint says what to write instead.
	Hint string `json:"hint,omitempty"`
}

// String returns the problem as a few lines without a line break at the end.
func (p Problem) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s:%d:%d: %s", printable(p.File), p.Line, p.Column, p.Message)
	if p.Excerpt != "" {
		out.WriteString("\n" + p.Excerpt)
	}
	if p.Hint != "" {
		out.WriteString("\n  hint: " + p.Hint)
	}
	return out.String()
}

// Problems is the error of a policy that cannot be loaded: everything wrong with it, in the file's order.
type Problems struct {
	List []Problem `json:"problems"`
}

func (p *Problems) Error() string {
	lines := make([]string, len(p.List))
	for i, problem := range p.List {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// WarningKind says why a Warning is given.
type WarningKind string

// The kinds of warnings.
const (
	// WarningNotActedOn: the key is read and recorded, but nothing in this version acts on it.
	WarningNotActedOn WarningKind = "not_acted_on"
	// WarningChanged: the line means something else than it did to the per-process guards before Stockade.
	WarningChanged WarningKind = "changed_meaning"
	// WarningDegraded: an action can do only a part of what its name says.
	WarningDegraded WarningKind = "degraded"
	// WarningNoEffect: a rule that changes nothing, because it can never match or Other covers it.
	WarningNoEffect WarningKind = "no_effect"
	// WarningContradiction: Other takes all of what the rule gives.
	WarningContradiction WarningKind = "contradiction"
	// WarningUncovered: what the policy leaves open although it seems to speak of it.
	WarningUncovered WarningKind = "uncovered"
	// WarningNoValue: a key without a value, which counts as absent.
	WarningNoValue WarningKind = "no_value"
)

// Warning is something about a policy that loads. Its Hint gives the equivalent, where there is one.
type Warning struct {
	Kind WarningKind `json:"kind"`
	Problem
	// Other is the second of two lines that belong together, else the zero value.
	Other Position `json:"other,omitzero"`
}

const (
	maxExcerpt = 100 // characters of a line
	maxQuoted  = 80  // bytes of a value in a message
)

// excerpt shows the line and a caret. A long line is cut to the part around the column.
func excerpt(lines []string, line, column int) string {
	if line < 1 || line > len(lines) {
		return ""
	}
	text := []rune(printable(lines[line-1]))
	start := 0
	if column > maxExcerpt*3/4 {
		start = min(column-maxExcerpt/2, len(text))
	}
	end := min(start+maxExcerpt, len(text))
	number := fmt.Sprintf("%5d", line)
	caret := strings.Repeat(" ", max(0, column-1-start)) + "^"
	return fmt.Sprintf("%s | %s\n%s | %s", number, string(text[start:end]), strings.Repeat(" ", len(number)), caret)
}

// printable replaces, character by character, what a terminal would act on.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsPrint(r):
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// quoted returns s for a message: escaped and bounded.
func quoted(s string) string {
	if len(s) > maxQuoted {
		return fmt.Sprintf("%+q…", s[:maxQuoted])
	}
	return fmt.Sprintf("%q", s)
}

// closest returns the candidate that name was most likely meant to be, or "".
func closest(name string, candidates []string) string {
	if len(name) > 64 {
		return ""
	}
	best, limit := "", max(2, len(name)/3)+1
	for _, candidate := range candidates {
		if max(len(candidate)-len(name), len(name)-len(candidate)) >= limit {
			continue // no distance is smaller
		}
		if d := distance(strings.ToLower(name), strings.ToLower(candidate)); d < limit && d < len(candidate) {
			best, limit = candidate, d
		}
	}
	return best
}

// distance is the number of insertions, deletions, replacements and swaps of neighbours between a and b
// (optimal string alignment).
func distance(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
