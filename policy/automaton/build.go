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

// CostError says that patterns multiply each other beyond the limits.
type CostError struct {
	// Patterns are those that cost most, at most five, the worst first.
	Patterns []string
	// States is how many one of the automata had when it was given up, and MaxStates how many it might have; or Bytes is
	// what all automata came to.
	States, MaxStates int
	Bytes             int
	Limits            Limits
}

func (e *CostError) Error() string {
	cost := fmt.Sprintf("%d bytes, at most %d", e.Bytes, e.Limits.Bytes)
	if e.Bytes == 0 {
		cost = fmt.Sprintf("over %d states in one of %d automata", e.MaxStates, e.Limits.Automata)
	}
	return fmt.Sprintf("the patterns multiply each other: %s; most of it comes from %s", cost, strings.Join(e.Patterns, ", "))
}

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
	return automata, b.sets.sets, err
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
	automata := make([]Automaton, len(parts))
	size := 0
	for i, d := range parts {
		automata[i] = d.pack()
		size += len(automata[i].Cells) * cellSize
	}
	if size > b.limits.Bytes {
		return nil, &CostError{Patterns: largest(patterns), Bytes: size, Limits: b.limits}
	}
	return automata, nil
}

const cellSize = 8

// largest returns the patterns with the most loops, then the longest, at most five.
func largest(patterns []Pattern) []string {
	n := merge(patterns, false)
	order := make([]int, len(patterns))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(len(n.loops[b]), len(n.loops[a])), cmp.Compare(len(patterns[b].String()), len(patterns[a].String())))
	})
	var out []string
	for _, i := range order[:min(5, len(order))] {
		out = append(out, patterns[i].String())
	}
	return out
}
