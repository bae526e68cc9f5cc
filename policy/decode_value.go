package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// nameRule reads one of the known names, whatever the case of its letters. hint is for names like none of them.
func (r *reader) nameRule(node ast.Node, what string, known []string, hint string) (NameRule, bool) {
	s, ok := r.scalar(node, "the "+what)
	if !ok {
		return NameRule{}, false
	}
	name := strings.ToLower(s.text)
	if !slices.Contains(known, name) {
		r.problem(s.pos, cmp.Or(r.meant(name, known), hint), "unknown %s %s", what, quoted(s.text))
		return NameRule{}, false
	}
	return NameRule{Text: name, Pos: s.pos}, true
}

// limit reads a number from 0, which means no limit.
func (r *reader) limit(e entry) Limit {
	tk := e.value.GetToken()
	if _, ok := e.value.(*ast.IntegerNode); !ok {
		r.problem(r.place(e.value), "write a whole number without quotes", "%s must be a whole number, not %s", e.key, kindOf(e.value))
		return Limit{}
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(tk.Value, "_", ""), 0, 32)
	switch {
	case err != nil:
		r.problem(r.at(tk), "write at most 2147483647", "%s is out of range: %s", e.key, quoted(tk.Value))
	case n < 0:
		r.problem(r.at(tk), "write 0 or leave the key out for no limit", "%s is negative", e.key)
	case n > 0:
		r.warn(WarningNotActedOn, e.pos, "", "%s is recorded only: this version measures no resources", e.key)
	}
	return Limit{Value: int(n), Pos: e.pos}
}

// flag reads true or false.
func (r *reader) flag(e entry) Flag {
	b, ok := e.value.(*ast.BoolNode)
	if !ok {
		r.problem(r.place(e.value), "write true or false, without quotes", "%s must be true or false, not %s", e.key, kindOf(e.value))
		return Flag{}
	}
	return Flag{Set: b.Value, Pos: e.pos}
}
