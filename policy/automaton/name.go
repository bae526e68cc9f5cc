package automaton

import (
	"strings"

	"github.com/stockade-security/stockade/policy/glob"
)

// separator stands before each label of a host name, and behind the last.
const separator = 0

// NameSymbols returns what automata over host names read: each label in lower case behind a separator, the last one before
// it too. This is the wire form of RFC 1035 with the length bytes zeroed. Letters are those of ASCII. A dot at the end is ignored.
func NameSymbols(name string) string {
	name = strings.TrimSuffix(name, ".")
	out := make([]byte, 1, len(name)+2)
	out[0] = separator
	for i := range len(name) {
		out = append(out, symbol(name[i]))
	}
	return string(append(out, separator))
}

// MatchName is Match of NameSymbols(name), without making them. It does not allocate.
func (a *Automaton) MatchName(name string) uint32 {
	name = strings.TrimSuffix(name, ".")
	s := a.step(a.Start, separator)
	for i := range len(name) {
		at := i
		if a.Reverse {
			at = len(name) - 1 - i
		}
		s = a.step(s, symbol(name[at]))
	}
	return a.Cells[a.step(s, separator)].Check
}

func symbol(c byte) byte {
	switch {
	case c == '.':
		return separator
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	default:
		return c
	}
}

func (a *Automaton) step(s uint32, c byte) uint32 {
	if next := s + uint32(a.Classes[c]); a.Cells[next].Check == s {
		return a.Cells[next].Next
	}
	return a.Cells[s].Next
}

// namePositions returns what a pattern of names consists of. Labels are never empty, so one or more labels are any
// bytes that do not start with a separator.
func namePositions(pattern string) []glob.Position {
	out := []glob.Position{{}}
	add := func(p glob.Position) {
		p.After = append(p.After, len(out)-1)
		out = append(out, p)
	}
	var dot, label, anything byteSet
	dot.add(separator)
	for c := range 256 {
		anything.add(c)
		if c != separator {
			label.add(c)
		}
	}
	add(glob.Position{Accept: dot})
	rest, deep := strings.CutPrefix(pattern, "**.")
	rest, one := strings.CutPrefix(rest, "*.")
	if deep || one {
		// One byte of a label, then the loop, which may be skipped.
		add(glob.Position{Accept: label})
		loop := glob.Position{Accept: label, Loop: true}
		if deep {
			loop.Accept = anything
		}
		add(loop)
		add(glob.Position{Accept: dot})
		end := &out[len(out)-1]
		end.After = []int{len(out) - 3, len(out) - 2}
	}
	for i := range len(rest) {
		var accept byteSet
		if rest[i] == '.' {
			accept = dot
		} else {
			accept.add(int(rest[i]))
		}
		add(glob.Position{Accept: accept})
	}
	add(glob.Position{Accept: dot})
	out[len(out)-1].Last = true
	return out
}
