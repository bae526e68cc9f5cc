package automaton

import (
	"encoding/binary"
	"slices"

	"github.com/stockade-security/stockade/policy/glob"
)

// many stands for more than one value.
const many = None - 1

// nfa holds the positions of many patterns at once. Positions with the same bytes and the same predecessors are reached by
// the same texts, so they are one node: what patterns have in common at their beginnings is there once. Node 0 is the
// beginning. Predecessors have smaller numbers, so one pass in either direction settles a property.
type nfa struct {
	sets   []byteSet // what nodes consume
	accept []uint32  // by node: index in sets
	loop   []bool    // by node: may follow itself
	after  [][]uint32
	// values holds by node the values of the patterns that end there.
	values [][]uint32
	// owners counts by node the patterns that have it. loops holds by pattern its loops, one at its end apart: those are
	// what multiplies patterns.
	owners  []uint32
	loops   [][]uint32
	reverse bool
	// moves counts the pairs of a node and a predecessor. With more than maxMoves the rest of the patterns is missing.
	moves  int
	follow [][]uint32 // by node, itself included where it loops
}

// maxMoves bounds time and memory for patterns of nested braces, where every position may follow every other.
const maxMoves = 1 << 21

type nodeKey struct {
	after, accept uint32
	loop          bool
}

// merger makes an nfa.
type merger struct {
	nfa
	setIndex   map[byteSet]uint32
	afterIndex map[string]uint32 // sets of two predecessors or more
	nodeIndex  map[nodeKey]uint32
	text       []byte // scratch
}

// merge makes an nfa of patterns, or of what they are when read backwards.
func merge(patterns []Pattern, reverse bool) *nfa {
	m := merger{setIndex: map[byteSet]uint32{}, afterIndex: map[string]uint32{}, nodeIndex: map[nodeKey]uint32{}}
	m.sets = []byteSet{{}}
	m.reverse = reverse
	m.add(nodeKey{}, nil)
	m.loops = make([][]uint32, len(patterns))
	for i := 0; i < len(patterns) && m.moves <= maxMoves; i++ {
		positions := patterns[i].positions()
		if reverse {
			positions = reversed(positions)
		}
		m.loops[i] = m.pattern(positions, patterns[i].Value)
	}
	m.connect()
	return &m.nfa
}

func (m *merger) add(key nodeKey, after []uint32) uint32 {
	n := uint32(len(m.accept))
	m.accept = append(m.accept, key.accept)
	m.loop = append(m.loop, key.loop)
	m.after = append(m.after, after)
	m.moves += len(after)
	m.values = append(m.values, nil)
	m.owners = append(m.owners, 0)
	m.nodeIndex[key] = n
	return n
}

// pattern adds a pattern and returns its loops.
func (m *merger) pattern(positions []glob.Position, value uint32) (loops []uint32) {
	nodes := make([]uint32, len(positions))
	for i := range positions {
		if i > 0 {
			nodes[i] = m.node(&positions[i], nodes)
		}
		n := nodes[i]
		m.owners[n]++
		if m.loop[n] && i < len(positions)-1 {
			loops = append(loops, n)
		}
		if positions[i].Last {
			m.values[n] = insert(m.values[n], value)
		}
	}
	return loops
}

// node returns the node of a position whose predecessors have theirs.
func (m *merger) node(p *glob.Position, nodes []uint32) uint32 {
	set, ok := m.setIndex[p.Accept]
	if !ok {
		set = uint32(len(m.sets))
		m.sets = append(m.sets, p.Accept)
		m.setIndex[p.Accept] = set
	}
	var after [1]uint32
	before := after[:0]
	for _, i := range p.After {
		before = insert(before, nodes[i])
	}
	key := nodeKey{after: before[0], accept: set, loop: p.Loop}
	if len(before) > 1 {
		// Numbers from the top down stand for sets of predecessors.
		m.text = m.text[:0]
		for _, n := range before {
			m.text = binary.LittleEndian.AppendUint32(m.text, n)
		}
		index, ok := m.afterIndex[string(m.text)]
		if !ok {
			index = None - uint32(len(m.afterIndex))
			m.afterIndex[string(m.text)] = index
		}
		key.after = index
	}
	if n, ok := m.nodeIndex[key]; ok {
		return n
	}
	return m.add(key, slices.Clone(before))
}

func (m *merger) connect() {
	m.follow = make([][]uint32, len(m.accept))
	for n := range m.after {
		for _, before := range m.after[n] {
			m.follow[before] = append(m.follow[before], uint32(n))
		}
		if m.loop[n] {
			m.follow[n] = append(m.follow[n], uint32(n))
		}
	}
}

// reversed returns the positions of the same pattern read backwards.
func reversed(positions []glob.Position) []glob.Position {
	end := len(positions)
	out := make([]glob.Position, end)
	out[0].Last = positions[0].Last
	// Going down, each position's predecessors come in ascending order.
	for i := end - 1; i > 0; i-- {
		p, back := &positions[i], &out[end-i]
		back.Accept, back.Loop = p.Accept, p.Loop
		if p.Last {
			back.After = slices.Insert(back.After, 0, 0)
		}
		for _, before := range p.After {
			if before == 0 {
				back.Last = true
			} else {
				out[end-before].After = append(out[end-before].After, end-i)
			}
		}
	}
	return out
}

// insert adds v to a sorted set.
func insert(set []uint32, v uint32) []uint32 {
	i, found := slices.BinarySearch(set, v)
	if found {
		return set
	}
	return slices.Insert(set, i, v)
}

// all reports whether the node loops over every byte.
func (n *nfa) all(node uint32) bool { return n.loop[node] && n.sets[n.accept[node]].all() }
