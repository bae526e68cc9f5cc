package automaton

import "slices"

// future knows of each node what its threads can still come to.
type future struct {
	// best holds by node the smallest value that it can reach; with sets of values the only one, or many.
	best []uint32
	// tokens holds the values that nodes assure, ascending. The token of tokens[i] is len(best)+i.
	tokens []uint32
	// assures holds by node the tokens of the values that are matched whatever follows it.
	assures [][]uint32
	sets    bool
}

// foresee looks at the followers of each node, which have larger numbers: a single pass from the end.
func foresee(n *nfa, sets bool) future {
	f := future{best: make([]uint32, len(n.accept)), assures: make([][]uint32, len(n.accept)), sets: sets}
	for i := len(f.best) - 1; i >= 0; i-- {
		f.best[i] = None
		for _, v := range n.values[i] {
			f.best[i] = f.join(f.best[i], v)
		}
		for _, next := range n.follow[i] {
			f.best[i] = f.join(f.best[i], f.best[next])
			if n.all(next) {
				// It may be skipped, so what stands before it matches too.
				for _, v := range n.values[next] {
					f.assures[i] = insert(f.assures[i], v)
				}
			}
		}
		f.tokens = append(f.tokens, f.assures[i]...)
	}
	slices.Sort(f.tokens)
	f.tokens = slices.Compact(f.tokens)
	for i := range f.assures {
		for k, v := range f.assures[i] {
			at, _ := slices.BinarySearch(f.tokens, v)
			f.assures[i][k] = uint32(len(f.best) + at)
		}
	}
	return f
}

func (f *future) join(a, b uint32) uint32 {
	switch {
	case !f.sets:
		return min(a, b)
	case a == None || a == b:
		return b
	case b == None:
		return a
	default:
		return many
	}
}

// tokenValue returns the value that a member of a set stands for if it is a token.
func (f *future) tokenValue(member uint32) (uint32, bool) {
	if int(member) < len(f.best) {
		return 0, false
	}
	return f.tokens[int(member)-len(f.best)], true
}

// prune puts tokens for what the set's nodes assure, and drops what then changes nothing.
func (f *future) prune(set []uint32) []uint32 {
	nodes := len(f.best)
	for _, m := range set {
		if int(m) < nodes {
			set = append(set, f.assures[m]...)
		}
	}
	if f.sets {
		return f.pruneSets(set)
	}
	smallest := uint32(None) // token
	for _, m := range set {
		if int(m) >= nodes {
			smallest = min(smallest, m)
		}
	}
	if smallest == None {
		return set
	}
	value := f.tokens[int(smallest)-nodes]
	out := set[:0]
	for _, m := range set {
		if int(m) < nodes && f.best[m] < value {
			out = append(out, m)
		}
	}
	return append(out, smallest)
}

// pruneSets drops the nodes whose only value has its token in the set.
func (f *future) pruneSets(set []uint32) []uint32 {
	nodes := len(f.best)
	var held []uint32
	for _, m := range set {
		if int(m) >= nodes {
			held = insert(held, f.tokens[int(m)-nodes])
		}
	}
	if held == nil {
		return set
	}
	return slices.DeleteFunc(set, func(m uint32) bool {
		if int(m) >= nodes {
			return false
		}
		_, found := slices.BinarySearch(held, f.best[m])
		return found
	})
}
