package compile

import (
	"fmt"

	"github.com/stockade-security/stockade/policy/automaton"
)

// automata makes the automata of a table, or finds those that another table has made of the same.
func (c *compiler) automata(patterns []automaton.Pattern) (Range, error) {
	key := patternKey(patterns)
	r, ok := c.tables[key]
	if ok {
		return r, nil
	}
	built, err := automaton.Build(patterns, tableLimits())
	if err != nil {
		return Range{}, err
	}
	c.tables[key], err = c.addAutomata(built)
	return c.tables[key], err
}

// sets makes automata whose values are sets of the patterns' values.
func (c *compiler) sets(patterns []automaton.Pattern) (Range, [][]uint32, error) {
	built, sets, err := automaton.BuildSets(patterns, tableLimits())
	if err != nil {
		return Range{}, nil, err
	}
	r, err := c.addAutomata(built)
	return r, sets, err
}

// patternKey tells tables apart: by what their patterns match and by their values.
func patternKey(patterns []automaton.Pattern) string {
	var key []byte
	for _, p := range patterns {
		key = fmt.Appendf(key, "%d %t %q\n", p.Value, p.Glob != nil, p)
	}
	return string(key)
}

func (c *compiler) addAutomata(built []automaton.Automaton) (Range, error) {
	if len(built) == 0 {
		return Range{}, nil
	}
	for i := range built {
		c.cells += len(built[i].Cells)
	}
	if c.cells > slack*MaxCells {
		return Range{}, &BoundError{What: "cells of automata", Need: c.cells, Max: MaxCells}
	}
	r := Range{First: uint32(len(c.image.Automata)), Count: uint32(len(built))}
	c.image.Automata = append(c.image.Automata, built...)
	return r, nil
}
