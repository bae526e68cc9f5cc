package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// section is a map of the language whose keys are fixed. T is what it decodes into. Sections are made by functions,
// one for each, in the file that reads them: decode_policy.go names them all.
type section[T any] struct {
	// name is how problems call it.
	name string
	keys []key[T]
	// later are keys of the language that this version does not read yet: it refuses them, because a rule that silently
	// does nothing is worse than none.
	later []string
	// lacks says what must be added to a map that would do nothing as it is, "" if it is whole. It may be nil.
	lacks func(*T) string
}

// key is a key of a section and what reads its value, which is neither nil nor null.
type key[T any] struct {
	name string
	read func(r *reader, e entry, into *T)
}

// decode reads a map. A key without a value counts as absent, with a warning. ok is false after a problem.
func decode[T any](r *reader, node ast.Node, s section[T], into *T) (ok bool) {
	before := len(r.problems)
	entries, _ := r.entries(node, s.name)
	for _, e := range entries {
		i := slices.IndexFunc(s.keys, func(k key[T]) bool { return k.name == e.key })
		switch {
		case i < 0:
			r.unknownKey(e, outlined(s))
		case isNull(e.value):
			r.noValue(e)
		default:
			s.keys[i].read(r, e, into)
		}
	}
	if len(r.problems) > before {
		return false
	}
	if s.lacks != nil {
		if what := s.lacks(into); what != "" {
			r.problem(r.place(node), "write "+what, "%s would do nothing", s.name)
			return false
		}
	}
	return true
}

// nested reads a key whose value is another section, at the place in T that at names.
func nested[T, U any](s func() section[U], at func(*T) *U) func(*reader, entry, *T) {
	return func(r *reader, e entry, into *T) { decode(r, e.value, s(), at(into)) }
}

// listOf reads a key whose value is a list, into the place in T that at names.
func listOf[T, R any](item func(*reader, ast.Node) (R, bool), at func(*T) *List[R]) func(*reader, entry, *T) {
	return func(r *reader, e entry, into *T) { *at(into) = list(r, e, item) }
}

// list reads a list of rules.
func list[R any](r *reader, e entry, item func(*reader, ast.Node) (R, bool)) List[R] {
	sequence, ok := e.value.(*ast.SequenceNode)
	if !ok {
		r.problem(r.place(e.value), "write [...], or one line for each item that starts with -", "%s must be a list, not %s", e.key, kindOf(e.value))
		return List[R]{}
	}
	out := List[R]{Present: true, Pos: e.pos}
	for _, node := range sequence.Values {
		if !r.spend(e.pos) {
			break
		}
		if node = r.resolve(node); node == nil {
			continue
		}
		if rule, ok := item(r, node); ok {
			out.Rules = append(out.Rules, rule)
		}
	}
	return out
}

func (r *reader) noValue(e entry) {
	r.warn(WarningNoValue, e.pos, "remove the key, or write its value; [] means none", "%s has no value and counts as absent", quoted(e.key))
}

// outline is the words of a section.
type outline struct {
	name        string
	keys, later []string
}

func outlined[T any](s section[T]) outline {
	out := outline{name: s.name, later: s.later}
	for _, k := range s.keys {
		out.keys = append(out.keys, k.name)
	}
	return out
}

// unknownKey tells apart a key of later versions, one that stands in the wrong place, and one that is misspelt.
func (r *reader) unknownKey(e entry, s outline) {
	if slices.Contains(s.later, e.key) {
		r.problem(e.pos, "remove it: nothing would act on it", "the key %s is not in this version", quoted(e.key))
		return
	}
	hint := ""
	homes := outlines()
	short := slices.ContainsFunc(s.keys, func(k string) bool { return strings.HasPrefix(k, e.key+"_") })
	if i := slices.IndexFunc(homes, func(o outline) bool { return o.name != s.name && slices.Contains(o.keys, e.key) }); i >= 0 && !short {
		hint = quoted(e.key) + " belongs in " + homes[i].name
	} else {
		hint = r.meant(e.key, slices.Concat(s.keys, s.later))
	}
	r.problem(e.pos, cmp.Or(hint, "the keys are "+strings.Join(s.keys, ", ")), "unknown key %s in %s", quoted(e.key), s.name)
}
