package automaton

import (
	"cmp"
	"slices"
)

// split makes at most room automata. Patterns that roam the whole tree are parted from those that stay in a part of it if
// they do not roam when read backwards: **/id_rsa is as narrow from its end as /etc/shadow is from its beginning. Narrow
// automata are small, and most texts are soon through with them. Otherwise one automaton is fastest, as long as the product
// of all patterns is small.
func (b *builder) split(patterns []Pattern, room int) ([]*dfa, error) {
	n := merge(patterns, false)
	if n.moves > maxMoves {
		return nil, b.tooManyMoves(n, patterns)
	}
	roamers, residents := divide(patterns, n.roams)
	parted := len(roamers) > 0 && len(residents) > 0 && room > 1
	if !(parted && narrowBackwards(roamers)) && !(parted && n.product() > n.modest()) {
		if d, err := b.try(n, patterns, n.modest()); err == nil {
			return []*dfa{d}, nil
		}
	}
	switch {
	case parted:
		return both(room, residents, b.split, roamers, b.roamers)
	case len(roamers) > 0:
		return b.roamers(patterns, room)
	default:
		return b.deal(patterns, room, false)
	}
}

func narrowBackwards(patterns []Pattern) bool {
	either, _ := divide(patterns, merge(patterns, true).roams)
	return len(either) == 0
}

// roamers is split for patterns that roam. Of those that roam either way, the ones with several loops double the rest each.
func (b *builder) roamers(patterns []Pattern, room int) ([]*dfa, error) {
	back := merge(patterns, true)
	either, narrow := divide(patterns, back.roams)
	tries := []*nfa{back}
	if len(either) > 0 {
		tries = []*nfa{merge(patterns, false), back}
	}
	for _, n := range tries {
		if d, err := b.try(n, patterns, n.modest()); err == nil {
			return []*dfa{d}, nil
		}
	}
	doubling, single := divide(patterns, func(i int) bool { return len(back.loops[i]) > 1 })
	switch {
	case len(either) == 0:
		return b.deal(patterns, room, true)
	case len(narrow) > 0 && room > 1:
		return both(room, narrow, b.roamers, either, b.roamers)
	case len(doubling) > 0 && len(single) > 0 && room > 1:
		return both(room, single, b.roamers, doubling, b.roamers)
	default:
		return b.deal(patterns, room, false)
	}
}

// both splits two parts, each as it needs.
func both(room int, some []Pattern, splitSome func([]Pattern, int) ([]*dfa, error), others []Pattern, splitOthers func([]Pattern, int) ([]*dfa, error)) ([]*dfa, error) {
	out, err := splitSome(some, room-1)
	if err != nil {
		return nil, err
	}
	more, err := splitOthers(others, room-len(out))
	return append(out, more...), err
}

func divide(patterns []Pattern, apart func(i int) bool) (some, others []Pattern) {
	for i, p := range patterns {
		if apart(i) {
			some = append(some, p)
		} else {
			others = append(others, p)
		}
	}
	return some, others
}

// deal parts the patterns into as few hands as will do, neighbours into different ones.
func (b *builder) deal(patterns []Pattern, room int, reverse bool) ([]*dfa, error) {
	patterns = slices.Clone(patterns)
	slices.SortStableFunc(patterns, func(a, b Pattern) int { return cmp.Compare(a.String(), b.String()) })
	most, err := b.hands(patterns, room, reverse, (*nfa).modest)
	if err != nil {
		return b.hands(patterns, room, reverse, (*nfa).generous)
	}
	for count := 2; count < room; count++ {
		if fewer, err := b.hands(patterns, count, reverse, (*nfa).modest); err == nil {
			return fewer, nil
		}
	}
	return most, nil
}

func (b *builder) hands(patterns []Pattern, count int, reverse bool, states func(*nfa) int) ([]*dfa, error) {
	var out []*dfa
	for hand := range min(count, len(patterns)) {
		var held []Pattern
		for i := hand; i < len(patterns); i += count {
			held = append(held, patterns[i])
		}
		n := merge(held, reverse)
		d, err := b.try(n, held, states(n))
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// modest is how many states an automaton may have where more automata could do the same with fewer: a table that does not
// fit a processor's caches costs more time than a second table that does.
func (n *nfa) modest() int { return 1<<13 + 3*len(n.accept) }

// generous is for when there can be no more automata.
func (n *nfa) generous() int { return 1<<16 + 3*len(n.accept) }

// workPerState bounds the time of a construction by the states that it may have.
const workPerState = 100

func (b *builder) try(n *nfa, patterns []Pattern, states int) (*dfa, error) {
	if n.moves > maxMoves {
		return nil, b.tooManyMoves(n, patterns)
	}
	s, ok := determinise(n, b.sets, budget{states, states * workPerState})
	if !ok {
		return nil, b.cost("states", len(s.dfa.values), states, n.worst(patterns, s.arena))
	}
	d := s.dfa.minimise()
	d.reverse = n.reverse
	return d, nil
}

func (b *builder) tooManyMoves(n *nfa, patterns []Pattern) *CostError {
	return b.cost("moves", n.moves, maxMoves, n.worst(patterns, nil))
}

func (b *builder) cost(what string, need, most int, patterns []string) *CostError {
	return &CostError{Patterns: patterns, What: what, Need: need, Max: most, Automata: b.limits.Automata}
}

// roams reports whether the pattern has a ** that goes on beside most other patterns.
func (n *nfa) roams(pattern int) bool { return slices.ContainsFunc(n.loops[pattern], n.roaming) }

func (n *nfa) roaming(node uint32) bool {
	return n.all(node) && 4*int(n.owners[n.after[node][0]]) > len(n.loops)
}

// product estimates how many states come of the roaming patterns going on beside the others: each node of theirs with each
// loop of the others.
func (n *nfa) product() int {
	within := make([]bool, len(n.accept))
	nodes, loops := 0, 0
	for i := 1; i < len(n.accept); i++ {
		within[i] = n.roaming(uint32(i)) || slices.ContainsFunc(n.after[i], func(before uint32) bool { return within[before] })
		switch {
		case within[i]:
			nodes++
		case n.loop[i]:
			loops++
		}
	}
	return nodes * loops
}

// worst returns the patterns that have most to do with what states were found: those whose loops are in most of them, then
// those with most loops, then the longest; at most five. A loop that patterns share counts a part for each.
func (n *nfa) worst(patterns []Pattern, states []uint32) []string {
	count := make([]int, len(n.accept))
	for _, member := range states {
		if int(member) < len(count) {
			count[member]++
		}
	}
	cost := make([]int, len(patterns))
	order := make([]int, len(patterns))
	for i := range patterns {
		order[i] = i
		for _, loop := range n.loops[i] {
			cost[i] += count[loop] / int(n.owners[loop])
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(cost[b], cost[a]), cmp.Compare(len(n.loops[b]), len(n.loops[a])), cmp.Compare(len(patterns[b].String()), len(patterns[a].String())))
	})
	var out []string
	for _, i := range order[:min(5, len(order))] {
		out = append(out, patterns[i].String())
	}
	return out
}
