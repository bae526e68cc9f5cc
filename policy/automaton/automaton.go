// Package automaton turns sets of globs and host names into deterministic automata over bytes, small enough for a kernel map
// and made so that one loop of two loads per byte executes them, in Go and in BPF alike.
//
// Whatever the number of patterns, a match looks once at each byte. Build settles everything that costs: it unites the
// patterns' positions (Glushkov, 1961), makes them deterministic (Rabin and Scott, 1959), minimises the result (after
// Hopcroft, 1971) and lays it out as a comb (Tarjan and Yao, 1979). Patterns that multiply each other are spread over
// several automata, and refused where that does not help.
//
// The package knows patterns and numbers only: what a number means is its caller's. It never looks at the file system or
// resolves a name.
package automaton

import (
	"errors"
	"fmt"
)

// Cell is one entry of an automaton's table (a comb: Tarjan and Yao, 1979, "Storing a sparse table"). A state is the
// index of its header cell. For the byte class c, 1 or more, of a state s:
//
//	cells[s+c].Check == s   the next state is cells[s+c].Next
//	otherwise               it is cells[s].Next, the state's fallback
//
// Check of a header cell is the value of its state.
type Cell struct{ Check, Next uint32 }

// Automaton is a minimised deterministic automaton. It is immutable and safe for concurrent use.
type Automaton struct {
	// Classes maps a byte to its class, from 1 on.
	Classes [256]uint8
	Start   uint32
	// Final is how many of the first cells are headers of final states: no byte leads out of them, so a match may stop
	// there; it need not.
	Final uint32
	// Reverse: the automaton reads a text from its last byte to its first.
	Reverse bool
	Cells   []Cell
}

// None is the value of what no pattern matches.
const None = ^uint32(0)

// Match returns the value of text, in time proportional to its length. It does not allocate. It panics if the automaton is
// not valid.
func (a *Automaton) Match(text string) uint32 {
	if a.Reverse {
		return a.matchReverse(text)
	}
	return a.finish(a.Start, text)
}

// finish returns the value that text leads to from a state.
func (a *Automaton) finish(s uint32, text string) uint32 {
	cells := a.Cells
	for i := range len(text) {
		if s < a.Final {
			break
		}
		if next := s + uint32(a.Classes[text[i]]); cells[next].Check == s {
			s = cells[next].Next
		} else {
			s = cells[s].Next
		}
	}
	return cells[s].Check
}

func (a *Automaton) matchReverse(text string) uint32 {
	cells, s := a.Cells, a.Start
	for i := len(text) - 1; i >= 0 && s >= a.Final; i-- {
		if next := s + uint32(a.Classes[text[i]]); cells[next].Check == s {
			s = cells[next].Next
		} else {
			s = cells[s].Next
		}
	}
	return cells[s].Check
}

// MatchAll returns the smallest value of text among automata, such as Build returns, or None. It does not allocate.
func MatchAll(automata []Automaton, text string) uint32 {
	value := uint32(None)
	for i := 0; i < len(automata); i++ {
		a := &automata[i]
		if i+1 < len(automata) && !a.Reverse && !automata[i+1].Reverse {
			i++
			value = min(value, matchTwo(a, &automata[i], text))
		} else {
			value = min(value, a.Match(text))
		}
	}
	return value
}

// matchTwo runs two automata in step: each waits for its own loads most of the time, so the second costs little. It looks
// every now and then whether one is through.
func matchTwo(a, b *Automaton, text string) uint32 {
	aCells, bCells, s, u := a.Cells, b.Cells, a.Start, b.Start
	for text != "" && s >= a.Final && u >= b.Final {
		chunk := text[:min(16, len(text))]
		text = text[len(chunk):]
		for i := range len(chunk) {
			c := chunk[i]
			if next := s + uint32(a.Classes[c]); aCells[next].Check == s {
				s = aCells[next].Next
			} else {
				s = aCells[s].Next
			}
			if next := u + uint32(b.Classes[c]); bCells[next].Check == u {
				u = bCells[next].Next
			} else {
				u = bCells[u].Next
			}
		}
	}
	return min(a.finish(s, text), b.finish(u, text))
}

// Validate reports whether every text has a value: no byte leads out of the cells, and nothing leads out of a final state. It
// says nothing about which value. Automata that Build made are valid; those from elsewhere must be asked before a match.
func (a *Automaton) Validate() error {
	var widest uint64
	for c, class := range a.Classes {
		if class == 0 {
			return fmt.Errorf("byte %#02x has no class", c)
		}
		widest = max(widest, uint64(class))
	}
	count := uint64(len(a.Cells))
	if count > maxCells {
		return fmt.Errorf("%d cells, at most %d", count, maxCells)
	}
	if uint64(a.Start)+widest >= count {
		return errors.New("the start is outside the cells")
	}
	if uint64(a.Final) > count {
		return errors.New("there are more final states than cells")
	}
	for i := range a.Cells {
		if uint64(a.Cells[i].Next)+widest >= count {
			return fmt.Errorf("cell %d leads outside the cells", i)
		}
	}
	for s := range a.Final {
		if a.Cells[s].Next != s {
			return fmt.Errorf("final state %d has a fallback", s)
		}
		for class := range uint32(widest) {
			if at := s + class + 1; uint64(at) < count && a.Cells[at].Check == s {
				return fmt.Errorf("final state %d has an entry", s)
			}
		}
	}
	return nil
}

// maxCells keeps the sum of a state and a class within 32 bits, and a table within a kernel map.
const maxCells = 1 << 28
