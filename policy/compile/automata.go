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
	c.tables[key] = c.addAutomata(built)
	return c.tables[key], nil
}

// sets makes automata whose values are sets of the patterns' values.
func (c *compiler) sets(patterns []automaton.Pattern) (Range, [][]uint32, error) {
	built, sets, err := automaton.BuildSets(patterns, tableLimits())
	if err != nil {
		return Range{}, nil, err
	}
	return c.addAutomata(built), sets, nil
}

// patternKey tells tables apart: by what their patterns match and by their values.
func patternKey(patterns []automaton.Pattern) string {
	var key []byte
	for _, p := range patterns {
		key = fmt.Appendf(key, "%d %t %q\n", p.Value, p.Glob != nil, p)
	}
	return string(key)
}

func (c *compiler) addAutomata(built []automaton.Automaton) Range {
	if len(built) == 0 {
		return Range{}
	}
	r := Range{First: uint32(len(c.image.Automata)), Count: uint32(len(built))}
	c.image.Automata = append(c.image.Automata, built...)
	return r
}
