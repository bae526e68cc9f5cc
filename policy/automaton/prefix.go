package automaton

import (
	"cmp"
	"net/netip"
	"slices"
)

// Prefix is a network and what its addresses are worth.
type Prefix struct {
	Prefix netip.Prefix // masked
	Value  uint32       // below 1<<31
}

// BuildPrefixes makes the automaton that yields the value of the longest prefix that holds an address, and None if none does.
// Its texts are HalfBytes of addresses. All prefixes are of one family, and each is there once.
func BuildPrefixes(list []Prefix) Automaton {
	// Shorter ones first: what a longer one takes from them is taken from what is there already.
	list = slices.SortedStableFunc(slices.Values(list), func(a, b Prefix) int { return cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()) })
	t := prefixTree{{value: None}}
	for _, p := range list {
		t.add(p)
	}
	return t.dfa().minimise().pack()
}

// HalfBytes returns an address as texts of BuildPrefixes's automata have it: each half of a byte as a byte.
func HalfBytes(addr netip.Addr) string {
	bytes := addr.AsSlice()
	out := make([]byte, 0, 2*len(bytes))
	for _, b := range bytes {
		out = append(out, b>>4, b&15)
	}
	return string(out)
}

// prefixTree holds the root first.
type prefixTree []prefixNode

// prefixNode is what half-bytes lead to, with the value of the longest prefix so far. No child has number 0.
type prefixNode struct {
	child [16]uint32
	value uint32
}

// add enters a prefix; a length that is no multiple of four is entered as the children that it holds.
func (t *prefixTree) add(p Prefix) {
	bits, text := p.Prefix.Bits(), HalfBytes(p.Prefix.Addr())
	node := uint32(0)
	for ; bits > 4; bits -= 4 {
		node = t.child(node, text[0])
		text = text[1:]
	}
	if bits == 0 {
		(*t)[node].value = p.Value
		return
	}
	for i := range byte(1) << (4 - bits) {
		(*t)[t.child(node, text[0]+i)].value = p.Value
	}
}

// child returns a node's child, which it makes with the node's value if there is none.
func (t *prefixTree) child(node uint32, half byte) uint32 {
	if n := (*t)[node].child[half]; n != 0 {
		return n
	}
	n := uint32(len(*t))
	(*t)[node].child[half] = n
	*t = append(*t, prefixNode{value: (*t)[node].value})
	return n
}

// dfa makes a state of each node that has children, and a final one of each value.
func (t prefixTree) dfa() *dfa {
	d := &dfa{classes: 16}
	for b := range d.classOf {
		d.classOf[b] = uint8(b & 15)
	}
	inner := func(n uint32) bool { return n == 0 || t[n].child != [16]uint32{} }
	state, final := make([]uint32, len(t)), map[uint32]uint32{}
	for n := range t {
		if inner(uint32(n)) {
			state[n] = uint32(len(d.values))
			d.values = append(d.values, t[n].value)
		}
	}
	for n := range t {
		if _, ok := final[t[n].value]; !ok {
			final[t[n].value] = uint32(len(d.values))
			d.values = append(d.values, t[n].value)
		}
	}
	d.rows = make([]uint32, 0, 16*len(d.values))
	for n := range t {
		if !inner(uint32(n)) {
			continue
		}
		for _, c := range t[n].child {
			switch {
			case c == 0:
				d.rows = append(d.rows, final[t[n].value])
			case inner(c):
				d.rows = append(d.rows, state[c])
			default:
				d.rows = append(d.rows, final[t[c].value])
			}
		}
	}
	for s := len(d.rows) / 16; s < len(d.values); s++ {
		for range 16 {
			d.rows = append(d.rows, uint32(s))
		}
	}
	return d
}
