package automaton

import "slices"

// minimise returns the smallest automaton that does the same, its states numbered in the order of a depth-first walk.
//
// It refines a partition of the states, at first by value, until the states of a block go to the same blocks. As in
// Hopcroft's algorithm (1971) the largest part of a split block keeps its number, so a state is looked at again only when a
// successor has moved to a block at most half as large. Unlike there, states are compared by whole rows, because rows are
// short here and tables of predecessors by class are long.
func (d *dfa) minimise() *dfa {
	p := newPartition(d)
	for len(p.queue) > 0 {
		b := p.queue[len(p.queue)-1]
		p.queue = p.queue[:len(p.queue)-1]
		p.split(b)
	}
	return d.quotient(p.of, len(p.blocks))
}

// partition of the states into blocks.
type partition struct {
	dfa    *dfa
	of     []uint32 // by state: its block
	blocks []block
	// states holds each block's states in a row, and place holds by state where it is in there.
	states, place []uint32
	// before holds by state its predecessors: from[first[s]:first[s+1]].
	first []int
	from  []uint32
	// queue holds the blocks with states to look at.
	queue []uint32

	// Scratch: some states, a row by blocks, and groups by the hash of theirs.
	scratch []uint32
	row     []uint32
	byHash  map[uint64][]int
}

// block is states[begin:end]. The rows of the first marked ones may differ from those of the rest, which are alike.
type block struct{ begin, end, marked uint32 }

func newPartition(d *dfa) *partition {
	n := len(d.values)
	p := &partition{
		dfa: d, of: make([]uint32, n), states: make([]uint32, n), place: make([]uint32, n),
		row: make([]uint32, d.classes), byHash: map[uint64][]int{},
	}
	p.invert()
	byValue := make([]uint64, n)
	for s, value := range d.values {
		byValue[s] = uint64(value)<<32 | uint64(s)
	}
	slices.Sort(byValue)
	for i, key := range byValue {
		p.states[i] = uint32(key)
	}
	for i, s := range p.states {
		p.place[s] = uint32(i)
		if i == 0 || d.values[s] != d.values[p.states[i-1]] {
			p.queue = append(p.queue, uint32(len(p.blocks)))
			p.blocks = append(p.blocks, block{begin: uint32(i)})
		}
		b := uint32(len(p.blocks) - 1)
		p.of[s] = b
		p.blocks[b].marked++
		p.blocks[b].end = uint32(i + 1)
	}
	return p
}

// invert computes the predecessors.
func (p *partition) invert() {
	n := len(p.dfa.values)
	each := func(visit func(from, to uint32)) {
		last := make([]uint32, n) // by target: one more than the last state that went there
		for s := range uint32(n) {
			for _, to := range p.dfa.row(s) {
				if last[to] != s+1 {
					last[to] = s + 1
					visit(s, to)
				}
			}
		}
	}
	p.first = make([]int, n+1)
	each(func(_, to uint32) { p.first[to+1]++ })
	for i := range n {
		p.first[i+1] += p.first[i]
	}
	p.from = make([]uint32, p.first[n])
	at := slices.Clone(p.first[:n])
	each(func(from, to uint32) {
		p.from[at[to]] = from
		at[to]++
	})
}

// split parts the marked states of a block by their rows.
func (p *partition) split(number uint32) {
	b := &p.blocks[number]
	if b.end-b.begin == 1 {
		b.marked = 0
		return
	}
	p.scratch = append(p.scratch[:0], p.states[b.begin:b.begin+b.marked]...)
	groups := p.group(p.scratch, b)
	clean := block{begin: b.begin + b.marked, end: b.end}
	b.marked = 0
	if len(groups) == 1 {
		return
	}
	// The first group holds those that are like the clean states, and stands beside them at the end.
	at := clean.begin - uint32(len(groups[0]))
	parts := []block{{begin: at, end: clean.end}}
	p.put(groups[0], at)
	at = b.begin
	for _, g := range groups[1:] {
		parts = append(parts, block{begin: at, end: at + uint32(len(g))})
		p.put(g, at)
		at += uint32(len(g))
	}
	largest := 0
	for i, part := range parts {
		if part.end-part.begin > parts[largest].end-parts[largest].begin {
			largest = i
		}
	}
	*b = parts[largest]
	p.scratch = p.scratch[:0]
	for i, part := range parts {
		if i == largest || part.begin == part.end {
			continue
		}
		for _, s := range p.states[part.begin:part.end] {
			p.of[s] = uint32(len(p.blocks))
			p.scratch = append(p.scratch, s)
		}
		p.blocks = append(p.blocks, part)
	}
	for _, s := range p.scratch {
		p.markBefore(s)
	}
}

// group parts states by the blocks that they go to; the first group is of those like the block's clean states.
func (p *partition) group(states []uint32, b *block) [][]uint32 {
	groups, examples := [][]uint32{nil}, []uint32{None}
	clear(p.byHash)
	if clean := b.begin + b.marked; clean < b.end {
		examples[0] = p.states[clean]
		p.byHash[p.targets(examples[0])] = []int{0}
	}
	for _, s := range states {
		h := p.targets(s)
		same := p.byHash[h]
		g := len(groups)
		if i := slices.IndexFunc(same, func(g int) bool { return p.goesAs(examples[g]) }); i >= 0 {
			g = same[i]
		} else {
			groups, examples = append(groups, nil), append(examples, s)
			p.byHash[h] = append(same, g)
		}
		groups[g] = append(groups[g], s)
	}
	return groups
}

// targets puts the blocks that a state goes to into row, and returns their hash.
func (p *partition) targets(s uint32) uint64 {
	for class, to := range p.dfa.row(s) {
		p.row[class] = p.of[to]
	}
	return hash(p.row)
}

// goesAs reports whether a state goes to the blocks in row.
func (p *partition) goesAs(s uint32) bool {
	for class, to := range p.dfa.row(s) {
		if p.row[class] != p.of[to] {
			return false
		}
	}
	return true
}

func (p *partition) put(states []uint32, at uint32) {
	for i, s := range states {
		p.states[int(at)+i] = s
		p.place[s] = at + uint32(i)
	}
}

// markBefore marks the predecessors of a state.
func (p *partition) markBefore(state uint32) {
	for _, s := range p.from[p.first[state]:p.first[state+1]] {
		b := &p.blocks[p.of[s]]
		border := b.begin + b.marked
		if p.place[s] < border {
			continue
		}
		if b.marked == 0 {
			p.queue = append(p.queue, p.of[s])
		}
		other := p.states[border]
		p.states[p.place[s]], p.place[other] = other, p.place[s]
		p.states[border], p.place[s] = s, border
		b.marked++
	}
}

// quotient makes an automaton of the blocks.
func (d *dfa) quotient(block []uint32, blocks int) *dfa {
	number := make([]uint32, blocks) // by block: one more than its state
	examples := make([]uint32, 0, blocks)
	type visit struct {
		state uint32
		class int // the next to follow
	}
	var stack []visit
	enter := func(s uint32) {
		examples = append(examples, s)
		number[block[s]] = uint32(len(examples))
		stack = append(stack, visit{state: s})
	}
	enter(0)
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if top.class == d.classes {
			stack = stack[:len(stack)-1]
			continue
		}
		to := d.row(top.state)[top.class]
		top.class++
		if number[block[to]] == 0 {
			enter(to)
		}
	}
	out := &dfa{classOf: d.classOf, classes: d.classes, values: make([]uint32, 0, blocks), rows: make([]uint32, 0, blocks*d.classes)}
	for _, s := range examples {
		out.values = append(out.values, d.values[s])
		for _, to := range d.row(s) {
			out.rows = append(out.rows, number[block[to]]-1)
		}
	}
	return out
}
