package automaton

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// turned runs an automaton that reads backwards from the front. Its state is a function: the value that each state of the
// automaton would come to by reading backwards what has been read so far. Of text and then c that is the function of text
// after the automaton's step by c, so functions can be made one from another; only those that are met are made.
type turned struct {
	a *Automaton
	// before holds by class and state the states that go there, and arrive by class the functions' entries for those that go
	// to a final state; both without final states, which stay what they are, and without what goes to None for good.
	before []map[uint32][]uint32
	arrive [][]entry
	// functions hold entries by state, ascending; a state that is missing comes to None.
	functions [][]entry
	index     map[string]uint32
	steps     map[turn]uint32
}

type entry struct{ state, value uint32 }

type turn struct {
	function uint32
	class    uint8
}

func newTurned(a *Automaton) *turned {
	t := &turned{a: a, index: map[string]uint32{}, steps: map[turn]uint32{}}
	bytes := make([]int, slices.Max(a.Classes[:])+1) // by class: one of its bytes, or -1
	for class := range bytes {
		bytes[class] = slices.Index(a.Classes[:], uint8(class))
	}
	t.before, t.arrive = make([]map[uint32][]uint32, len(bytes)), make([][]entry, len(bytes))
	var empty []entry
	reached := map[uint32]bool{a.Start: true}
	for queue := []uint32{a.Start}; len(queue) > 0; {
		s := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if s < a.Final {
			continue
		}
		if v := a.Cells[s].Check; v != None {
			empty = append(empty, entry{s, v})
		}
		for class, c := range bytes {
			if c < 0 {
				continue
			}
			to := a.step(s, byte(c))
			t.connect(s, class, to)
			if !reached[to] {
				reached[to] = true
				queue = append(queue, to)
			}
		}
	}
	t.intern(empty)
	return t
}

func (t *turned) connect(s uint32, class int, to uint32) {
	if to >= t.a.Final {
		if t.before[class] == nil {
			t.before[class] = map[uint32][]uint32{}
		}
		t.before[class][to] = append(t.before[class][to], s)
	} else if v := t.a.Cells[to].Check; v != None {
		t.arrive[class] = append(t.arrive[class], entry{s, v})
	}
}

func (t *turned) intern(function []entry) uint32 {
	slices.SortFunc(function, func(a, b entry) int { return cmp.Compare(a.state, b.state) })
	var key []byte
	for _, e := range function {
		key = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(key, e.state), e.value)
	}
	f, known := t.index[string(key)]
	if !known {
		f = uint32(len(t.functions))
		t.index[string(key)] = f
		t.functions = append(t.functions, function)
	}
	return f
}

// The function of the empty text is made first.
func (t *turned) start() uint32 { return 0 }

func (t *turned) step(f uint32, c byte) uint32 {
	class := t.a.Classes[c]
	next, known := t.steps[turn{f, class}]
	if !known {
		function := slices.Clone(t.arrive[class])
		for _, e := range t.functions[f] {
			for _, s := range t.before[class][e.state] {
				function = append(function, entry{s, e.value})
			}
		}
		next = t.intern(function)
		t.steps[turn{f, class}] = next
	}
	return next
}

func (t *turned) value(f uint32) uint32 {
	if t.a.Start < t.a.Final {
		return t.a.Cells[t.a.Start].Check
	}
	i, found := slices.BinarySearchFunc(t.functions[f], t.a.Start, func(e entry, s uint32) int { return cmp.Compare(e.state, s) })
	if !found {
		return None
	}
	return t.functions[f][i].value
}

func (t *turned) class(c byte) uint8 { return t.a.Classes[c] }
