// Package automaton turns sets of globs into deterministic automata over bytes, small enough for a kernel map and made
// so that one loop of two loads per byte executes them, in Go and in BPF alike.
//
// Whatever the number of globs, a match looks once at each byte. The package knows patterns and numbers only: what a
// number means is its caller's.
package automaton

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
	// there. That is allowed, not required.
	Final uint32
	Cells []Cell
}

// None is the value of what no pattern matches.
const None = ^uint32(0)

// Match returns the value of text, in time proportional to its length. It does not allocate.
func (a *Automaton) Match(text string) uint32 {
	s := a.Start
	for i := range len(text) {
		s = a.step(s, text[i])
	}
	return a.Cells[s].Check
}

func (a *Automaton) step(s uint32, c byte) uint32 {
	if next := &a.Cells[s+uint32(a.Classes[c])]; next.Check == s {
		return next.Next
	}
	return a.Cells[s].Next
}

// MatchAll returns the smallest value of text among automata that were built together, or None. It does not allocate.
func MatchAll(automata []Automaton, text string) uint32 {
	value := uint32(None)
	for i := range automata {
		value = min(value, automata[i].Match(text))
	}
	return value
}
