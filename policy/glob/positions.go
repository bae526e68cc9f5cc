package glob

// Position is one element of a glob, seen as an automaton without empty moves (Glushkov, 1961): being at a position means
// having just consumed a byte there.
type Position struct {
	// Accept holds the bytes that it consumes: bit c%64 of word c/64.
	Accept [256 / 64]uint64
	// After holds the positions that may come right before it, itself apart, in ascending order; all are smaller.
	After []int
	// Loop: it may come right after itself.
	Loop bool
	// Last: a match may end here.
	Last bool
}

// Positions returns what the pattern consists of, literal prefix included. Position 0 stands for the beginning: it consumes
// nothing, and is Last if the pattern matches the empty string.
func (g *Glob) Positions() []Position {
	out := make([]Position, 1, 2+len(g.prefix)+len(g.suffix)+len(g.nfa.positions))
	out = chain(out, g.prefix)
	base := len(out) - 1
	switch g.form {
	case formExact:
		out[base].Last = true
	case formRun:
		out = loopAndSuffix(out, without('/'), g.suffix)
	case formTree:
		out = loopAndSuffix(out, without(), g.suffix)
	default:
		out = g.nfa.positionsAfter(out)
	}
	return out
}

// chain appends a position for each byte, the first of them after the last of out.
func chain(out []Position, text string) []Position {
	after := make([]int, len(text))
	for i := range len(text) {
		after[i] = len(out) - 1
		var accept set
		accept.add(int(text[i]))
		out = append(out, Position{Accept: accept, After: after[i : i+1 : i+1]})
	}
	return out
}

func loopAndSuffix(out []Position, accept set, suffix string) []Position {
	base := len(out) - 1
	out = append(out, Position{Accept: accept, After: []int{base}, Loop: true, Last: suffix == ""})
	if suffix == "" {
		out[base].Last = true
		return out
	}
	out = chain(out, suffix)
	out[base+2].After = []int{base, base + 1}
	out[len(out)-1].Last = true
	return out
}

// positionsAfter appends the automaton's positions behind the last of out.
func (n *nfa) positionsAfter(out []Position) []Position {
	base := len(out) - 1
	out[base].Last = n.nullable
	for i, p := range n.positions {
		var after []int
		if n.first.has(i) {
			after = append(after, base)
		}
		for before := range i {
			if n.positions[before].follow.has(i) {
				after = append(after, base+1+before)
			}
		}
		out = append(out, Position{Accept: p.accept, After: after, Loop: p.follow.has(i), Last: n.last.has(i)})
	}
	return out
}
