package automaton

import (
	"cmp"
	"math/bits"
	"slices"
)

// pack lays a minimal automaton out as a comb: first fit, the states with most entries first, since they find room hardest.
func (d *dfa) pack() Automaton {
	d = d.mergeClasses()
	c := comb{dfa: d, fallback: d.fallbacks(), place: make([]uint32, len(d.values)), hints: map[int]int{}}
	c.number()
	var final, order []uint32
	for s := range uint32(len(d.values)) {
		if c.count[s] == 0 && c.fallback[s] == s {
			final = append(final, s)
		} else {
			order = append(order, s)
		}
	}
	// Final states differ in their values, or they would be one. So the i-th by value is at a cell no greater than its
	// value, where its header cannot be taken for an entry (see find).
	slices.SortFunc(final, func(a, b uint32) int { return cmp.Compare(d.values[a], d.values[b]) })
	for i, s := range final {
		c.put(s, uint32(i))
	}
	slices.SortStableFunc(order, func(a, b uint32) int { return cmp.Compare(c.count[b], c.count[a]) })
	for _, s := range order {
		c.put(s, c.find(s, uint32(len(final))))
	}
	return c.automaton(uint32(len(final)))
}

type comb struct {
	*dfa
	fallback []uint32 // by state: where most classes go
	count    []int    // by state: how many classes go elsewhere
	numbers  []uint32 // by class: its number in the comb, from 1 on, frequent ones first to keep rows short
	place    []uint32 // by state: its cell
	used     []uint64 // by cell, a bit
	// hints holds by kind of row the word of used where the last one found room.
	hints map[int]int
}

// mergeClasses makes one class of those that no state tells apart.
func (d *dfa) mergeClasses() *dfa {
	hashes := make([]uint64, d.classes)
	for s := range uint32(len(d.values)) {
		for class, to := range d.row(s) {
			hashes[class] = (hashes[class]^uint64(to))*1099511628211 ^ hashes[class]>>29
		}
	}
	merged := make([]uint8, d.classes)
	var kept []int
	for class := range d.classes {
		i := slices.IndexFunc(kept, func(k int) bool { return hashes[k] == hashes[class] && d.sameColumn(k, class) })
		if i < 0 {
			i = len(kept)
			kept = append(kept, class)
		}
		merged[class] = uint8(i)
	}
	out := &dfa{classes: len(kept), values: d.values, reverse: d.reverse, rows: make([]uint32, 0, len(kept)*len(d.values))}
	for c, class := range d.classOf {
		out.classOf[c] = merged[class]
	}
	for s := range uint32(len(d.values)) {
		row := d.row(s)
		for _, class := range kept {
			out.rows = append(out.rows, row[class])
		}
	}
	return out
}

func (d *dfa) sameColumn(a, b int) bool {
	for i := 0; i < len(d.rows); i += d.classes {
		if d.rows[i+a] != d.rows[i+b] {
			return false
		}
	}
	return true
}

// fallbacks returns for each state the target of most classes, the smallest of several.
func (d *dfa) fallbacks() []uint32 {
	out := make([]uint32, len(d.values))
	tally := make([]int, len(d.values))
	for s := range out {
		row := d.row(uint32(s))
		best := row[0]
		for _, to := range row {
			tally[to]++
			if tally[to] > tally[best] || tally[to] == tally[best] && to < best {
				best = to
			}
		}
		for _, to := range row {
			tally[to] = 0
		}
		out[s] = best
	}
	return out
}

func (c *comb) number() {
	c.count = make([]int, len(c.values))
	frequency := make([]int, c.classes)
	for s := range c.count {
		for class, to := range c.row(uint32(s)) {
			if to != c.fallback[s] {
				c.count[s]++
				frequency[class]++
			}
		}
	}
	order := make([]int, c.classes)
	for class := range order {
		order[class] = class
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(frequency[b], frequency[a]) })
	c.numbers = make([]uint32, c.classes)
	for i, class := range order {
		c.numbers[class] = uint32(i + 1)
	}
}

// entries calls visit for the classes of a state that its fallback does not serve.
func (c *comb) entries(s uint32, visit func(class, to uint32)) {
	for class, to := range c.row(s) {
		if to != c.fallback[s] {
			visit(c.numbers[class], to)
		}
	}
}

// find returns a cell from least on at which the state's row fits between what is placed.
func (c *comb) find(s, least uint32) uint32 {
	offsets := []uint32{0}
	c.entries(s, func(class, _ uint32) { offsets = append(offsets, class) })
	kind := -len(offsets)
	if len(offsets) == 2 {
		kind = int(offsets[1])
	}
	for word := max(c.hints[kind], int(least/64)); ; word++ {
		taken := uint64(0)
		for _, offset := range offsets {
			taken |= c.window(uint32(word)*64 + offset)
		}
		for free := ^taken; free != 0; free &= free - 1 {
			cell := uint32(word)*64 + uint32(bits.TrailingZeros64(free))
			// The header's Check is the state's value. It must not be taken for an entry of a state that is at the cell of
			// that number.
			if v := c.values[s]; cell < least || v < cell && cell-v <= uint32(c.classes) {
				continue
			}
			c.hints[kind] = word
			return cell
		}
	}
}

// window returns the bits of 64 cells.
func (c *comb) window(cell uint32) uint64 {
	word, shift := cell/64, cell%64
	out := uint64(0)
	if int(word) < len(c.used) {
		out = c.used[word] >> shift
	}
	if shift > 0 && int(word)+1 < len(c.used) {
		out |= c.used[word+1] << (64 - shift)
	}
	return out
}

func (c *comb) put(s, cell uint32) {
	c.place[s] = cell
	c.use(cell)
	c.entries(s, func(class, _ uint32) { c.use(cell + class) })
}

func (c *comb) use(cell uint32) {
	if need := int(cell/64) + 1; need > len(c.used) {
		c.used = slices.Grow(c.used, need-len(c.used))[:need]
	}
	c.used[cell/64] |= 1 << (cell % 64)
}

func (c *comb) automaton(final uint32) Automaton {
	a := Automaton{Start: c.place[0], Final: final, Reverse: c.reverse}
	for i, class := range c.classOf {
		a.Classes[i] = uint8(c.numbers[class])
	}
	// The largest class may be asked for at any state.
	a.Cells = make([]Cell, slices.Max(c.place)+uint32(c.classes)+1)
	for i := range a.Cells {
		a.Cells[i] = Cell{Check: None}
	}
	for s, cell := range c.place {
		a.Cells[cell] = Cell{Check: c.values[s], Next: c.place[c.fallback[s]]}
		c.entries(uint32(s), func(class, to uint32) { a.Cells[cell+class] = Cell{Check: cell, Next: c.place[to]} })
	}
	return a
}
