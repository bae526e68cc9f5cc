package automaton

import (
	"cmp"
	"slices"
)

// workPerState bounds the time of a construction by the states that it may have.
const workPerState = 400

// split makes at most room automata. One is fastest to run, so patterns are parted only where the product of all is too
// large: first those that roam the whole tree from those that stay in a part of it; then those with several loops, which
// double it each; then into as few equal hands as will do.
func (b *builder) split(patterns []Pattern, room int) ([]*dfa, error) {
	n := merge(patterns)
	d, fault := b.try(n, patterns)
	if fault == nil {
		return []*dfa{d}, nil
	}
	if room < 2 {
		return nil, fault
	}
	for _, apart := range []func(i int) bool{n.roams, n.multiplies} {
		if some, others := divide(patterns, apart); len(some) > 0 && len(others) > 0 {
			return b.both(some, others, room)
		}
	}
	if len(patterns) < 2 {
		return nil, fault
	}
	return b.deal(patterns, room)
}

func (b *builder) try(n *nfa, patterns []Pattern) (*dfa, error) {
	states := min(b.limits.States, 4096+8*len(n.accept))
	s, ok := determinise(n, b.sets, budget{states, states * workPerState})
	if !ok {
		return nil, &CostError{Patterns: s.worst(patterns), States: len(s.dfa.values), Automata: b.limits.Automata, Limits: b.limits}
	}
	return s.dfa.minimise(), nil
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

// roams reports whether a loop of the pattern goes on beside more than a quarter of all patterns.
func (n *nfa) roams(pattern int) bool {
	return slices.ContainsFunc(n.loops[pattern], func(loop uint32) bool {
		return n.all(loop) && 4*int(n.owners[n.after[loop][0]]) > len(n.loops)
	})
}

func (n *nfa) multiplies(pattern int) bool { return len(n.loops[pattern]) > 1 }

func (b *builder) both(some, others []Pattern, room int) ([]*dfa, error) {
	out, err := b.split(others, room-1)
	if err != nil {
		return nil, err
	}
	more, err := b.split(some, room-len(out))
	return append(out, more...), err
}

// deal parts the patterns into as few hands as will do, neighbours into different ones.
func (b *builder) deal(patterns []Pattern, room int) ([]*dfa, error) {
	patterns = slices.Clone(patterns)
	slices.SortStableFunc(patterns, func(a, b Pattern) int { return cmp.Compare(a.String(), b.String()) })
	best, err := b.hands(patterns, room)
	for count := 2; count < room && err == nil; count++ {
		if fewer, fault := b.hands(patterns, count); fault == nil {
			return fewer, nil
		}
	}
	return best, err
}

func (b *builder) hands(patterns []Pattern, count int) ([]*dfa, error) {
	out := make([]*dfa, 0, count)
	for hand := range min(count, len(patterns)) {
		var held []Pattern
		for i := hand; i < len(patterns); i += count {
			held = append(held, patterns[i])
		}
		d, err := b.try(merge(held), held)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// worst returns the patterns whose loops are in most states, at most five. A loop that patterns share counts a part for each.
func (s *subsets) worst(patterns []Pattern) []string {
	count := make([]int, len(s.nfa.accept))
	for _, n := range s.arena {
		if int(n) < len(count) && s.nfa.loop[n] {
			count[n]++
		}
	}
	cost := make([]int, len(patterns))
	order := make([]int, len(patterns))
	for i := range patterns {
		order[i] = i
		for _, loop := range s.nfa.loops[i] {
			cost[i] += count[loop] / int(s.nfa.owners[loop])
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(cost[b], cost[a]) })
	var out []string
	for _, i := range order[:min(5, len(order))] {
		out = append(out, patterns[i].String())
	}
	return out
}
