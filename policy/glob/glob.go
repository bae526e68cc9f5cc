// Package glob compiles and matches the path patterns of a policy file.
//
//   - any run of bytes without /
//     **     any run of bytes
//     ?      one byte except /
//     [a-z]  one byte of the set; [!a-z] one byte outside it; never /
//     {a,b}  either; alternatives may be empty, hold patterns and nest
//     \x     the byte x itself
//
// A match takes time in proportion to the path, whatever the pattern: there is no backtracking. The package knows
// bytes, not characters, because the kernel's names of files are bytes. It refuses to touch the file system: it
// does not clean paths, follow links or look whether anything exists.
package glob

import (
	"fmt"
	"math/bits"
	"strings"
)

// Glob is a compiled pattern. It is immutable and safe for concurrent use.
type Glob struct {
	text string
	// prefix and suffix are the literal bytes that every match starts and ends with, without overlap.
	prefix, suffix string
	// needle is the longest run of literal bytes that every match holds between the two.
	needle   string
	form     form
	literals int
	// nfa decides what stands between prefix and the end; only for formGeneral.
	nfa nfa
}

// form picks the cheapest way to decide what prefix and suffix leave open.
type form uint8

const (
	formExact   form = iota // nothing is left
	formRun                 // one *
	formTree                // one **
	formGeneral             // anything else
)

// SyntaxError says what is wrong with a pattern and where.
type SyntaxError struct {
	// Offset is the byte offset in the pattern.
	Offset  int
	Message string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("glob: %s at byte %d", e.Message, e.Offset)
}

// String returns the pattern as it was written.
func (g *Glob) String() string { return g.text }

// Prefix returns how many literal bytes every match starts with.
func (g *Glob) Prefix() int { return len(g.prefix) }

// Literals returns how many literal bytes every match holds at least.
func (g *Glob) Literals() int { return g.literals }

// Rooted reports whether the pattern can match a string that starts with /.
func (g *Glob) Rooted() bool {
	if g.prefix != "" {
		return g.prefix[0] == '/'
	}
	return g.form == formTree || g.form == formGeneral && g.nfa.starts('/')
}

// Match reports whether the whole of path matches. It does not allocate.
func (g *Glob) Match(path string) bool {
	rest, ok := strings.CutPrefix(path, g.prefix)
	if !ok || !strings.HasSuffix(rest, g.suffix) {
		return false
	}
	switch g.form {
	case formExact:
		return rest == ""
	case formTree:
		return true
	case formRun:
		return strings.IndexByte(rest[:len(rest)-len(g.suffix)], '/') < 0
	default:
		return strings.Contains(rest, g.needle) && g.nfa.match(rest)
	}
}

// maxPositions bounds what a pattern may hold behind its literal prefix, so that a set of positions is four words.
const maxPositions = 256

// set holds positions of an automaton, or byte values.
type set [maxPositions / 64]uint64

func (s *set) add(i int)      { s[i>>6] |= 1 << (i & 63) }
func (s *set) has(i int) bool { return s[i>>6]&(1<<(i&63)) != 0 }
func (s *set) union(o *set) {
	for i := range s {
		s[i] |= o[i]
	}
}

// nfa is a position automaton (Glushkov, 1961): each position consumes one byte, so no empty moves are left.
type nfa struct {
	positions []position
	first     set
	last      set
	nullable  bool
}

type position struct {
	accept set // bytes it consumes
	follow set // positions that may come next
}

func (n *nfa) starts(c byte) bool {
	for i := range n.positions {
		if n.first.has(i) && n.positions[i].accept.has(int(c)) {
			return true
		}
	}
	return false
}

func (n *nfa) match(text string) bool {
	words := (len(n.positions) + 63) / 64
	current, accepted := n.first, n.nullable
	for i := range len(text) {
		c := int(text[i])
		var next set
		alive := uint64(0)
		accepted = false
		for w := range words {
			for left := current[w]; left != 0; left &= left - 1 {
				at := w<<6 + bits.TrailingZeros64(left)
				p := &n.positions[at]
				if !p.accept.has(c) {
					continue
				}
				accepted = accepted || n.last.has(at)
				for k := range words {
					next[k] |= p.follow[k]
					alive |= p.follow[k]
				}
			}
		}
		if alive == 0 {
			return accepted && i == len(text)-1
		}
		current = next
	}
	return accepted
}
