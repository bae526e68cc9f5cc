package automaton

import (
	"errors"
	"fmt"
)

// Side is one of two sets of patterns that Compare looks at.
type Side struct {
	Patterns []Pattern
	// Changed are the values that the other side does not have in the same sense.
	Changed map[uint32]bool
}

// Region is all texts that have the same smallest value on each side, None where nothing matches.
type Region struct {
	A, B uint32
	// Example is one of the shortest of these texts.
	Example string
}

// ErrTooLarge says that Compare gave up.
var ErrTooLarge = errors.New("the patterns multiply each other too much to be compared")

// maxPairs bounds how many pairs of states Compare looks at.
const maxPairs = 1 << 20

// Compare walks both sides at once, byte by byte (the product of two automata, made as far as it is needed), and returns the
// regions of all texts of the language that a changed value matches. With unmatched, the region of the texts that nothing
// matches is among them, if there are any. Other regions may be: what they say has not changed. The error wraps ErrTooLarge.
func Compare(a, b Side, texts Language, unmatched bool) ([]Region, error) {
	return compareUpTo(maxPairs, a, b, texts, unmatched)
}

func compareUpTo(most int, a, b Side, texts Language, unmatched bool) ([]Region, error) {
	w := newWalker(a, b, texts)
	if err := w.walk(most); err != nil || !unmatched || w.found[nothing()] {
		return w.regions, err
	}
	// Texts without a changed value need not all be walked: the first that nothing matches will do.
	free := newWalker(a, b, texts)
	free.free = true
	err := free.walk(most)
	if free.found[nothing()] {
		w.regions = append(w.regions, free.regions[len(free.regions)-1])
	}
	return w.regions, err
}

// nothing is the values of texts that nothing matches.
func nothing() [2]uint32 { return [2]uint32{None, None} }

// Language are the texts that Compare is to think of: a deterministic automaton of few states, of which 0 is the first. Next
// returns the state behind a byte, or -1 if no text goes on so; Whole says whether a text may end in a state.
type Language struct {
	Next  func(state int, c byte) int
	Whole func(state int) bool
}

// lazy is a subset construction that goes as far as it is asked to.
type lazy struct {
	*subsets
	changed map[uint32]bool
	// leads holds by node whether a changed value can still come of it.
	leads []bool
	// place holds by state where its row is.
	place map[uint32]int
}

func newLazy(side Side) *lazy {
	n := merge(side.Patterns, false)
	s := &subsets{nfa: n, index: map[uint64]uint32{}, start: []int{0}, seen: make([]uint32, len(n.accept))}
	s.dfa.classOf, s.dfa.classes = byteClasses(n.sets)
	s.bytes = classify(n.sets, &s.dfa)
	s.future = foresee(n, false)
	s.defaults = make([]uint32, s.bytes.wideCount)
	s.next = append(s.next, 0)
	s.intern()
	l := &lazy{subsets: s, changed: side.Changed, leads: make([]bool, len(n.accept)), place: map[uint32]int{}}
	for i := len(l.leads) - 1; i >= 0; i-- {
		for _, v := range n.values[i] {
			l.leads[i] = l.leads[i] || side.Changed[v]
		}
		for _, next := range n.follow[i] {
			l.leads[i] = l.leads[i] || l.leads[next]
		}
	}
	return l
}

// step returns the state behind a byte.
func (l *lazy) step(state uint32, c byte) uint32 {
	at, ok := l.place[state]
	if !ok {
		at = len(l.dfa.rows)
		l.place[state] = at
		l.expand(state)
	}
	return l.dfa.rows[at+int(l.dfa.classOf[c])]
}

// matters reports whether a changed value is matched in a state, or may be later.
func (l *lazy) matters(state uint32) bool {
	for _, m := range l.set(state) {
		if v, token := l.future.tokenValue(m); token && l.changed[v] || !token && l.leads[m] {
			return true
		}
	}
	return false
}

// pair is a state of each side and of the texts.
type pair struct {
	a, b uint32
	text int
}

// walker visits pairs, breadth first.
type walker struct {
	a, b  *lazy
	texts Language
	// free: look for a text that nothing matches, whatever it leads to.
	free    bool
	bytes   []byte // one of each kind that either side or the texts tell apart
	index   map[pair]bool
	queue   []visit
	found   map[[2]uint32]bool
	regions []Region
}

// visit is a pair and how it was reached.
type visit struct {
	pair
	from int
	by   byte
}

func newWalker(a, b Side, texts Language) *walker {
	w := &walker{a: newLazy(a), b: newLazy(b), texts: texts, index: map[pair]bool{}, found: map[[2]uint32]bool{}}
	w.alphabet()
	return w
}

// alphabet picks a byte of each kind, those that read well first.
func (w *walker) alphabet() {
	type kind struct {
		a, b uint8
		text string
	}
	seen := map[kind]bool{}
	for _, c := range legible() {
		k := kind{a: w.a.dfa.classOf[c], b: w.b.dfa.classOf[c], text: w.texts.kind(c)}
		if !seen[k] {
			seen[k] = true
			w.bytes = append(w.bytes, c)
		}
	}
}

// textStates bounds the states of Language.
const textStates = 8

// kind tells bytes apart by what they do in each state.
func (t Language) kind(c byte) string {
	var out [textStates]byte
	for s := range out {
		out[s] = byte(t.Next(s, c) + 1)
	}
	return string(out[:])
}

// legible lists all bytes: letters, digits, other ASCII that can be seen, and the rest.
func legible() []byte {
	var out, rest []byte
	for c := range 256 {
		switch {
		case c >= 'a' && c <= 'z':
			out = append(out, byte(c))
		case c > ' ' && c < 0x7f:
			rest = append(rest, byte(c))
		}
	}
	out = append(out, rest...)
	for c := range 256 {
		if c <= ' ' || c >= 0x7f {
			out = append(out, byte(c))
		}
	}
	return out
}

func (w *walker) walk(most int) error {
	if max(w.a.nfa.moves, w.b.nfa.moves) > maxMoves {
		return ErrTooLarge
	}
	w.reach(visit{from: -1})
	for i := 0; i < len(w.queue); i++ {
		at := w.queue[i]
		w.note(i)
		if w.free && w.found[nothing()] {
			return nil
		}
		for _, c := range w.bytes {
			text := w.texts.Next(at.text, c)
			if text < 0 {
				continue
			}
			w.reach(visit{pair: pair{w.a.step(at.a, c), w.b.step(at.b, c), text}, from: i, by: c})
		}
		if len(w.queue) > most {
			return fmt.Errorf("%w: over %d states", ErrTooLarge, most)
		}
	}
	return nil
}

func (w *walker) reach(v visit) {
	if w.index[v.pair] || !w.free && !w.a.matters(v.a) && !w.b.matters(v.b) {
		return
	}
	w.index[v.pair] = true
	w.queue = append(w.queue, v)
}

// note keeps the region of a visit, if it is new.
func (w *walker) note(i int) {
	at := w.queue[i]
	values := [2]uint32{w.a.dfa.values[at.a], w.b.dfa.values[at.b]}
	if w.found[values] || !w.texts.Whole(at.text) {
		return
	}
	w.found[values] = true
	var text []byte
	for ; at.from >= 0; at = w.queue[at.from] {
		text = append(text, at.by)
	}
	for l, r := 0, len(text)-1; l < r; l, r = l+1, r-1 {
		text[l], text[r] = text[r], text[l]
	}
	w.regions = append(w.regions, Region{A: values[0], B: values[1], Example: string(text)})
}

// CleanPaths are absolute paths without //, /./ and /../, and but for the root without / at the end.
func CleanPaths() Language {
	const (
		start = iota
		root  // behind the first /
		slash // behind another /
		dot   // behind /.
		dots  // behind /..
		name
	)
	return Language{
		Next: func(state int, c byte) int {
			opened := state == root || state == slash
			switch {
			case state > name || c == 0:
				return -1
			case state == start:
				if c == '/' {
					return root
				}
				return -1
			case c == '/':
				if state == name {
					return slash
				}
				return -1
			case c == '.' && opened:
				return dot
			case c == '.' && state == dot:
				return dots
			}
			return name
		},
		Whole: func(state int) bool { return state == root || state == name },
	}
}

// SocketNames are the names of UNIX sockets: CleanPaths, and abstract names behind an @.
func SocketNames() Language {
	const (
		at       = textStates - 2 // behind the @
		abstract = textStates - 1
	)
	paths := CleanPaths()
	return Language{
		Next: func(state int, c byte) int {
			switch {
			case state == 0 && c == '@':
				return at
			case state >= at && c != 0:
				return abstract
			}
			return paths.Next(state, c)
		},
		Whole: func(state int) bool { return state == abstract || paths.Whole(state) },
	}
}
