package automaton

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/policy/glob"
)

// Pattern is a set of texts and what they are worth.
type Pattern struct {
	// Glob is over paths; nil if Name is meant.
	Glob *glob.Glob
	// Name is over the symbols of host names: example.com, *.example.com (one label in front) or **.example.com (one or
	// more), in lower case.
	Name string
	// Value is below 1<<31.
	Value uint32
}

// String returns the pattern as it was written.
func (p Pattern) String() string {
	if p.Glob != nil {
		return p.Glob.String()
	}
	return p.Name
}

func (p Pattern) positions() []glob.Position {
	if p.Glob != nil {
		return p.Glob.Positions()
	}
	return namePositions(p.Name)
}

// Limits bound what Build makes. A zero field means the default.
type Limits struct {
	Automata int // 8
	Bytes    int // of all cells; 8 MiB
}

func (l Limits) orDefault() Limits { return Limits{cmp.Or(l.Automata, 8), cmp.Or(l.Bytes, 8<<20)} }

// CostError says that patterns need more than the limits allow.
type CostError struct {
	// Patterns are those that cost most, at most five, the worst first.
	Patterns []string
	// What there is too much of: states, when patterns multiply each other; bytes, when they are many and long; moves between
	// positions, when their braces nest. States and moves are those of one automaton when it was given up.
	What      string
	Need, Max int
	// Automata is how many there might have been.
	Automata int
}

func (e *CostError) Error() string {
	need := fmt.Sprintf("over %d %s in one of %d automata", e.Max, e.What, e.Automata)
	if e.What == bytesNeeded {
		need = fmt.Sprintf("%d bytes, and may have %d", e.Need, e.Max)
	}
	return fmt.Sprintf("the patterns need %s; most of it comes from %s", need, strings.Join(e.Patterns, ", "))
}

const bytesNeeded = "bytes"

// Build makes automata whose smallest value for a text is that of the patterns that match it (see MatchAll). The same patterns
// make the same automata. The error is a *CostError.
func Build(patterns []Pattern, limits Limits) ([]Automaton, error) {
	b := builder{limits: limits.orDefault()}
	return b.build(patterns)
}

// BuildSets makes automata whose values are indices of sets: all values of the patterns that match, each set ascending. If it
// makes several, a text's set is the union of those that they yield; None yields no set. The error is a *CostError.
func BuildSets(patterns []Pattern, limits Limits) ([]Automaton, [][]uint32, error) {
	b := builder{limits: limits.orDefault(), sets: &setTable{index: map[string]uint32{}}}
	automata, err := b.build(patterns)
	if err != nil {
		return nil, nil, err
	}
	return automata, b.sets.sets, nil
}

// setTable numbers sets of values. The empty one is None.
type setTable struct {
	sets  [][]uint32
	index map[string]uint32
}

func (t *setTable) intern(set []uint32) uint32 {
	if len(set) == 0 {
		return None
	}
	var key []byte
	for _, v := range set {
		key = binary.LittleEndian.AppendUint32(key, v)
	}
	i, ok := t.index[string(key)]
	if !ok {
		i = uint32(len(t.sets))
		t.index[string(key)] = i
		t.sets = append(t.sets, slices.Clone(set))
	}
	return i
}

// keep returns the table of only those sets that automata yield, and renumbers them there: attempts that were given up have
// left others.
func (t *setTable) keep(parts []*dfa) *setTable {
	kept := &setTable{index: map[string]uint32{}}
	for _, d := range parts {
		for i, v := range d.values {
			if v != None {
				d.values[i] = kept.intern(t.sets[v])
			}
		}
	}
	return kept
}

type builder struct {
	limits Limits
	sets   *setTable
}

func (b *builder) build(patterns []Pattern) ([]Automaton, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	parts, err := b.split(patterns, b.limits.Automata)
	if err != nil {
		return nil, err
	}
	if b.sets != nil {
		b.sets = b.sets.keep(parts)
	}
	automata := make([]Automaton, len(parts))
	size := 0
	for i, d := range parts {
		automata[i] = d.pack()
		size += len(automata[i].Cells) * cellSize
	}
	if size > b.limits.Bytes {
		return nil, b.cost(bytesNeeded, size, b.limits.Bytes, merge(patterns, false).worst(patterns, nil))
	}
	return automata, nil
}

const cellSize = 8
