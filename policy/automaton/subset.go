package automaton

import (
	"cmp"
	"slices"
)

// dfa is a deterministic automaton with a full row per state. State 0 is the start.
type dfa struct {
	classOf [256]uint8
	classes int
	rows    []uint32 // by state and class: the next state
	values  []uint32 // by state
	reverse bool     // reads texts backwards
}

func (d *dfa) row(s uint32) []uint32 {
	return d.rows[int(s)*d.classes : (int(s)+1)*d.classes]
}

// budget bounds a construction. The work counts looks at nodes, so that the bound is the same on every machine.
type budget struct{ states, work int }

// subsets makes a deterministic automaton by the subset construction (Rabin and Scott, 1959). A state is the set of nodes
// where the text so far can have ended.
//
// A pattern that ends in ** would multiply with all others, because within its tree their threads go on. So a set does not
// hold what can change nothing any more: a node assures a value if that value is matched whatever follows. The set then
// holds a token for the value instead, and drops the nodes that cannot do better (or, with sets of values, add any).
type subsets struct {
	nfa  *nfa
	dfa  dfa
	sets *setTable // nil: the smallest value is a state's

	bytes  byteSets
	future future

	// State s is the set arena[start[s]:start[s+1]]: nodes, then tokens, ascending.
	arena []uint32
	start []int
	// index finds a state by the hash of its set, same the next one with that hash.
	index map[uint64]uint32
	same  []uint32
	limit budget
	work  int

	// The rest is scratch. seen holds by node one more than the last state that it followed.
	seen     []uint32
	literals []literal // followers that consume one class
	wide     []uint32  // the others
	held     []uint32  // the state's tokens
	next     []uint32
	defaults []uint32
}

// literal is a node that consumes the bytes of one class.
type literal struct {
	class int
	node  uint32
}

// determinise fails if it exceeds the limit; the subsets then tell what it has come to.
func determinise(n *nfa, sets *setTable, limit budget) (s *subsets, ok bool) {
	s = &subsets{nfa: n, sets: sets, limit: limit, index: map[uint64]uint32{}, start: []int{0}, seen: make([]uint32, len(n.accept))}
	s.dfa.classOf, s.dfa.classes = byteClasses(n.sets)
	s.bytes = classify(n.sets, &s.dfa)
	s.future = foresee(n, sets != nil)
	s.defaults = make([]uint32, s.bytes.wideCount)
	s.dfa.rows = make([]uint32, 0, (len(n.accept)+len(n.accept)/2)*s.dfa.classes)
	s.next = append(s.next, 0)
	s.intern()
	for state := uint32(0); int(state) < len(s.dfa.values); state++ {
		if len(s.dfa.values) > limit.states || s.work > limit.work {
			return s, false
		}
		s.expand(state)
	}
	return s, true
}

// set returns the nodes and tokens of a state.
func (s *subsets) set(state uint32) []uint32 { return s.arena[s.start[state]:s.start[state+1]] }

// expand makes the row of a state.
func (s *subsets) expand(state uint32) {
	s.gather(state)
	d := &s.dfa
	row := len(d.rows)
	d.rows = slices.Grow(d.rows, d.classes)[:row+d.classes]
	const unknown = None
	for i := range s.defaults {
		s.defaults[i] = unknown
	}
	literals := s.literals
	for class := range d.classes {
		count := 0
		for count < len(literals) && literals[count].class == class {
			count++
		}
		wide := s.bytes.wideClass[class]
		if count == 0 && s.defaults[wide] != unknown {
			d.rows[row+class] = s.defaults[wide]
			continue
		}
		s.next = append(s.next[:0], s.held...)
		for _, l := range literals[:count] {
			s.next = append(s.next, l.node)
		}
		for _, n := range s.wide {
			if s.bytes.member[s.nfa.accept[n]][wide] {
				s.next = append(s.next, n)
			}
		}
		next := s.intern()
		d.rows[row+class] = next
		if count == 0 {
			s.defaults[wide] = next
		}
		literals = literals[count:]
	}
}

// gather collects what can follow the nodes of a state.
func (s *subsets) gather(state uint32) {
	s.literals, s.wide, s.held = s.literals[:0], s.wide[:0], s.held[:0]
	for _, n := range s.set(state) {
		if int(n) >= len(s.nfa.accept) {
			s.held = append(s.held, n)
			continue
		}
		s.work += 1 + len(s.nfa.follow[n])
		for _, f := range s.nfa.follow[n] {
			if s.seen[f] == state+1 {
				continue
			}
			s.seen[f] = state + 1
			if class := s.bytes.single[s.nfa.accept[f]]; class >= 0 {
				s.literals = append(s.literals, literal{class, f})
			} else {
				s.wide = append(s.wide, f)
			}
		}
	}
	slices.SortFunc(s.literals, func(a, b literal) int { return cmp.Compare(a.class, b.class) })
}

// intern returns the state of the set next, which it normalises.
func (s *subsets) intern() uint32 {
	s.work += 1 + len(s.next)
	s.next = s.future.prune(s.next)
	slices.Sort(s.next)
	s.next = slices.Compact(s.next)
	hash := hash(s.next)
	first, found := s.index[hash]
	if found {
		for state := first; ; state = s.same[state] {
			if slices.Equal(s.set(state), s.next) {
				return state
			}
			if s.same[state] == None {
				break
			}
		}
	}
	state := uint32(len(s.dfa.values))
	s.arena = append(s.arena, s.next...)
	s.start = append(s.start, len(s.arena))
	s.dfa.values = append(s.dfa.values, s.value())
	if !found {
		first = None
	}
	s.same = append(s.same, first)
	s.index[hash] = state
	return state
}

// value returns what the set next matches.
func (s *subsets) value() uint32 {
	if s.sets != nil {
		var union []uint32
		for _, n := range s.next {
			if v, token := s.future.tokenValue(n); token {
				union = insert(union, v)
				continue
			}
			for _, v := range s.nfa.values[n] {
				union = insert(union, v)
			}
		}
		return s.sets.intern(union)
	}
	value := uint32(None)
	for _, n := range s.next {
		if v, token := s.future.tokenValue(n); token {
			value = min(value, v)
		} else if values := s.nfa.values[n]; len(values) > 0 {
			value = min(value, values[0])
		}
	}
	return value
}

// hash mixes as FNV-1a does, by words (Fowler, Noll and Vo).
func hash(words []uint32) uint64 {
	h := uint64(14695981039346656037)
	for _, w := range words {
		h = (h ^ uint64(w)) * 1099511628211
		h ^= h >> 29
	}
	return h
}
