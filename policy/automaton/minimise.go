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
	return d.quotient(p.of)
}

// partition of the states into blocks.
type partition struct {
	*dfa
	of     []uint32 // by state: its block
	blocks []block
	// states holds each block's states in a row, and place holds by state where it is in there.
	states, place []uint32
	// before holds by state its predecessors: from[first[s]:first[s+1]].
	first []int
	from  []uint32
	// queue holds the blocks with states to look at.
	queue []uint32
}

// block is states[begin:end]. The rows of the first marked ones may differ from those of the rest, which are alike.
type block struct{ begin, end, marked uint32 }

func newPartition(d *dfa) *partition {
	n := len(d.values)
	p := &partition{dfa: d, of: make([]uint32, n), states: make([]uint32, n), place: make([]uint32, n)}
	p.invert()
	for s := range p.states {
		p.states[s] = uint32(s)
	}
	slices.SortStableFunc(p.states, func(a, b uint32) int {
		if d.values[a] < d.values[b] {
			return -1
		}
		return int(min(1, d.values[a]-d.values[b]))
	})
	for i, s := range p.states {
		p.place[s] = uint32(i)
		if i == 0 || d.values[s] != d.values[p.states[i-1]] {
			p.queue = append(p.queue, uint32(len(p.blocks)))
			p.blocks = append(p.blocks, block{begin: uint32(i)})
		}
		b := uint32(len(p.blocks) - 1)
		p.of[s] = b
		p.blocks[b].end++
		p.blocks[b].marked++
	}
	for i := range p.blocks {
		p.blocks[i].end = p.blocks[i].begin + p.blocks[i].marked
	}
	return p
}

// invert computes the predecessors.
func (p *partition) invert() {
	n := len(p.values)
	each := func(visit func(from, to uint32)) {
		last := make([]uint32, n) // by target: one more than the last state that went there
		for s := range uint32(n) {
			for _, to := range p.row(s) {
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
	marked := slices.Clone(p.states[b.begin : b.begin+b.marked])
	groups := p.group(marked, b)
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
	var moved []uint32
	for i, part := range parts {
		if i == largest || part.begin == part.end {
			continue
		}
		for _, s := range p.states[part.begin:part.end] {
			p.of[s] = uint32(len(p.blocks))
			moved = append(moved, s)
		}
		p.blocks = append(p.blocks, part)
	}
	for _, s := range moved {
		p.markBefore(s)
	}
}

// group parts states by the blocks that they go to; the first group is of those like the block's clean states.
func (p *partition) group(states []uint32, b *block) [][]uint32 {
	groups := [][]uint32{nil}
	examples := []uint32{None}
	byHash := map[uint64][]int{}
	row := make([]uint32, p.classes)
	targets := func(s uint32) {
		for class, to := range p.row(s) {
			row[class] = p.of[to]
		}
	}
	if clean := b.begin + b.marked; clean < b.end {
		examples[0] = p.states[clean]
		targets(examples[0])
		byHash[hash(row)] = []int{0}
	}
	for _, s := range states {
		targets(s)
		h := hash(row)
		g := slices.IndexFunc(byHash[h], func(g int) bool { return p.alike(row, examples[g]) })
		if g >= 0 {
			g = byHash[h][g]
		} else {
			g = len(groups)
			groups = append(groups, nil)
			examples = append(examples, s)
			byHash[h] = append(byHash[h], g)
		}
		groups[g] = append(groups[g], s)
	}
	return groups
}

func (p *partition) alike(row []uint32, s uint32) bool {
	for class, to := range p.row(s) {
		if row[class] != p.of[to] {
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
func (d *dfa) quotient(block []uint32) *dfa {
	out := &dfa{classOf: d.classOf, classes: d.classes}
	number := map[uint32]uint32{} // by block
	var examples []uint32
	enter := func(s uint32) { // depth first, without recursion
		type frame struct {
			state uint32
			class int
		}
		number[block[s]] = 0
		examples = append(examples, s)
		stack := []frame{{s, 0}}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.class == d.classes {
				stack = stack[:len(stack)-1]
				continue
			}
			to := d.row(top.state)[top.class]
			top.class++
			if _, known := number[block[to]]; !known {
				number[block[to]] = uint32(len(examples))
				examples = append(examples, to)
				stack = append(stack, frame{to, 0})
			}
		}
	}
	enter(0)
	for _, s := range examples {
		out.values = append(out.values, d.values[s])
		for _, to := range d.row(s) {
			out.rows = append(out.rows, number[block[to]])
		}
	}
	return out
}
