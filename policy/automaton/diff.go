package automaton

import (
	"encoding/binary"
	"slices"
)

// Texts says which texts Diff looks for differences in.
type Texts uint8

// The kinds of texts.
const (
	// AllTexts are all strings of bytes.
	AllTexts Texts = iota
	// Paths start with / and have no empty elements.
	Paths
	// Names are the symbols of host names: see NameSymbols.
	Names
)

// Difference is what two sides say otherwise of some texts.
type Difference struct {
	// Key is what the caller's function said of the values A and B of the two sides.
	Key  int
	A, B uint32
	// Example is one of the shortest texts with these values.
	Example string
	// Tree is one of the shortest beginnings behind which every text has these values, if Whole; there need not be one.
	Tree  string
	Whole bool
}

// Diff walks through what two sides, such as Build returns, say of texts, shortest texts first, and returns one Difference
// for each pair of values whose key is not 0. It is complete unless the two together have more than limit states; then it
// has found all differences among the shorter texts, and complete is false.
func Diff(a, b []Automaton, texts Texts, key func(a, b uint32) int, limit int) (found []Difference, complete bool) {
	d := differ{texts: texts, split: len(a), index: map[string]int{}}
	for _, side := range [][]Automaton{a, b} {
		for i := range side {
			d.runs = append(d.runs, newRun(&side[i]))
		}
	}
	d.chooseBytes()
	at := make([]uint32, len(d.runs))
	for i, r := range d.runs {
		at[i] = r.start()
	}
	d.enter(at, outside, 0, 0)
	type region struct {
		Difference
		met bool // there is an Example
	}
	regions := map[[2]uint32]*region{}
	var order []*region
	complete = true
	for n := 0; n < len(d.nodes) && complete; n++ {
		complete = len(d.nodes) <= limit
		stays := d.expand(n)
		va, vb := d.values(n)
		whole := d.texts.whole(d.nodes[n].place)
		k := key(va, vb)
		if k == 0 || !whole && !stays {
			continue
		}
		r := regions[[2]uint32{va, vb}]
		if r == nil {
			r = &region{Difference: Difference{Key: k, A: va, B: vb}}
			regions[[2]uint32{va, vb}] = r
		}
		if whole && !r.met {
			r.Example, r.met = d.text(n), true
			order = append(order, r)
		}
		if stays && !r.Whole {
			r.Tree, r.Whole = d.text(n), true
		}
	}
	for _, r := range order {
		found = append(found, r.Difference)
	}
	return found, complete
}

// place is where in a path or name a text has ended.
type place uint8

const (
	outside place = iota // nothing read
	behind               // behind the first separator
	within               // in an element
	between              // behind another separator
)

func (t Texts) separator() byte {
	if t == Paths {
		return '/'
	}
	return separator
}

// next returns where c leads, or false if no text of the kind goes on so.
func (t Texts) next(p place, c byte) (place, bool) {
	switch {
	case t == AllTexts:
		return within, true
	case c != t.separator():
		return within, p != outside
	case p == outside:
		return behind, true
	default:
		return between, p == within
	}
}

// whole reports whether a text may end there.
func (t Texts) whole(p place) bool {
	switch t {
	case Paths:
		return p == within || p == behind
	case Names:
		return p == between
	default:
		return true
	}
}

// differ explores the product of automata breadth first.
type differ struct {
	texts Texts
	runs  []run
	split int    // how many runs are of the first side
	bytes []byte // one for each class that any run or the texts tell apart
	nodes []node
	at    []uint32 // the runs' states by node
	index map[string]int
	key   []byte // scratch
}

// node is a state of the product, and how it was first reached.
type node struct {
	before int
	c      byte
	place  place
}

func (d *differ) enter(at []uint32, p place, before int, c byte) int {
	d.key = append(d.key[:0], byte(p))
	for _, s := range at {
		d.key = binary.LittleEndian.AppendUint32(d.key, s)
	}
	n, known := d.index[string(d.key)]
	if !known {
		n = len(d.nodes)
		d.index[string(d.key)] = n
		d.nodes = append(d.nodes, node{before, c, p})
		d.at = append(d.at, at...)
	}
	return n
}

func (d *differ) states(n int) []uint32 { return d.at[n*len(d.runs) : (n+1)*len(d.runs)] }

// expand enters what follows a node, and reports whether every run stays as it is whatever follows.
func (d *differ) expand(n int) (stays bool) {
	stays = true
	at := make([]uint32, len(d.runs))
	for _, c := range d.bytes {
		p, ok := d.texts.next(d.nodes[n].place, c)
		if !ok {
			continue
		}
		for i, s := range d.states(n) {
			at[i] = d.runs[i].step(s, c)
		}
		if !slices.Equal(at, d.states(n)) {
			stays = false
		}
		d.enter(at, p, n, c)
	}
	return stays && d.nodes[n].place != outside
}

func (d *differ) values(n int) (a, b uint32) {
	a, b = None, None
	for i, s := range d.states(n) {
		if v := d.runs[i].value(s); i < d.split {
			a = min(a, v)
		} else {
			b = min(b, v)
		}
	}
	return a, b
}

// text returns the text that first reached a node.
func (d *differ) text(n int) string {
	var out []byte
	for ; n > 0; n = d.nodes[n].before {
		out = append(out, d.nodes[n].c)
	}
	slices.Reverse(out)
	return string(out)
}

// chooseBytes takes one byte of each class, the most readable one.
func (d *differ) chooseBytes() {
	order := []byte("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ/._-")
	for c := range 256 {
		if b := byte((c + ' ') % 256); !slices.Contains(order, b) {
			order = append(order, b)
		}
	}
	seen := map[string]bool{}
	for _, c := range order {
		class := []byte{0}
		if c == d.texts.separator() {
			class[0] = 1
		}
		for _, r := range d.runs {
			class = append(class, r.class(c))
		}
		if !seen[string(class)] {
			seen[string(class)] = true
			d.bytes = append(d.bytes, c)
		}
	}
}

// run is an automaton that is fed a text from its first byte to its last.
type run interface {
	start() uint32
	step(s uint32, c byte) uint32
	value(s uint32) uint32
	class(c byte) uint8
}

func newRun(a *Automaton) run {
	if a.Reverse {
		return newTurned(a)
	}
	return forward{a}
}

type forward struct{ a *Automaton }

func (f forward) start() uint32                { return f.a.Start }
func (f forward) step(s uint32, c byte) uint32 { return f.a.step(s, c) }
func (f forward) value(s uint32) uint32        { return f.a.Cells[s].Check }
func (f forward) class(c byte) uint8           { return f.a.Classes[c] }
