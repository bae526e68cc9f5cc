package policy

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/stockade-security/stockade/policy/glob"
)

func matchSection() section[Match] {
	return section[Match]{name: "match", lacks: func(m *Match) string {
		return lacking(len(m.conditions()) > 0, "exe, name, unit, cgroup, container, user or sha256")
	}, keys: []key[Match]{
		{"exe", oneOrMore((*reader).exeRule, func(m *Match) *List[PathRule] { return &m.Exe })},
		{"name", oneOrMore((*reader).baseName, func(m *Match) *List[NameRule] { return &m.Name })},
		{"unit", oneOrMore((*reader).unit, func(m *Match) *List[GlobRule] { return &m.Unit })},
		{"cgroup", oneOrMore((*reader).cgroup, func(m *Match) *List[GlobRule] { return &m.Cgroup })},
		{"container", oneOrMore((*reader).container, func(m *Match) *List[GlobRule] { return &m.Container })},
		{"user", oneOrMore((*reader).user, func(m *Match) *List[NameRule] { return &m.User })},
		{"sha256", oneOrMore((*reader).sha256, func(m *Match) *List[NameRule] { return &m.SHA256 })},
	}}
}

// given reports whether the file says what the entry claims.
func (m *Match) given() bool { return m.Pos != Position{} }

// oneOrMore reads a key whose value is a rule or a list of them.
func oneOrMore[T, R any](item func(*reader, ast.Node) (R, bool), at func(*T) *List[R]) func(*reader, entry, *T) {
	return func(r *reader, e entry, into *T) {
		out := List[R]{Present: true, Pos: e.pos}
		switch e.value.(type) {
		case *ast.SequenceNode:
			out = list(r, e, item)
		default:
			if rule, ok := item(r, e.value); ok {
				out.Rules = []R{rule}
			}
		}
		*at(into) = out
	}
}

// exeRule reads a pattern for the path of an executable. Other than in exec rules a name alone is none: a rule that grants
// something to a name would grant it to every program of that name.
func (r *reader) exeRule(node ast.Node) (PathRule, bool) {
	s, ok := r.scalar(node, "the path of an executable")
	if !ok {
		return PathRule{}, false
	}
	if s.text != "" && !strings.ContainsAny(s.text, "/*") {
		r.problem(s.pos, "write its path, such as "+quoted("/usr/bin/"+s.text), "%s is no path of an executable", quoted(s.text))
		return PathRule{}, false
	}
	return r.pathRule(s, s.text, AccessExecute)
}

func (r *reader) baseName(node ast.Node) (NameRule, bool) {
	s, ok := r.scalar(node, "the name of an executable")
	switch {
	case !ok:
	case s.text == "" || len(s.text) > 255 || printable(s.text) != s.text:
		r.problem(s.pos, "write the base name of an executable", "%s names no executable", quoted(s.text))
	case strings.Contains(s.text, "/"):
		r.problem(s.pos, "write it under exe", "%s is a path, not a name", quoted(s.text))
	case strings.ContainsAny(s.text, "*?{"):
		r.problem(s.pos, "write exe: "+quoted("**/"+s.text), "a name is no pattern")
	default:
		return NameRule{Text: s.text, Pos: s.pos}, true
	}
	return NameRule{}, false
}

// unit reads a pattern for names of systemd's units, which end in their type.
func (r *reader) unit(node ast.Node) (GlobRule, bool) {
	rule, s, ok := r.globRule(node, "a unit")
	switch {
	case !ok:
	case strings.Contains(s.text, "/"):
		r.problem(s.pos, "write the unit's name, such as nginx.service", "the pattern %s can match no unit", quoted(s.text))
	case !strings.ContainsAny(s.text, ".*?[{"):
		r.problem(s.pos, "write "+quoted(s.text+".service"), "the pattern %s can match no unit", quoted(s.text))
	default:
		return rule, true
	}
	return GlobRule{}, false
}

func (r *reader) cgroup(node ast.Node) (GlobRule, bool) {
	rule, s, ok := r.globRule(node, "a cgroup")
	if ok && !rule.Glob.Rooted() {
		r.problem(s.pos, "write its path in the cgroup tree, such as /system.slice/**", "the pattern %s can match no cgroup", quoted(s.text))
		return GlobRule{}, false
	}
	return rule, ok
}

func (r *reader) container(node ast.Node) (GlobRule, bool) {
	rule, _, ok := r.globRule(node, "a container")
	return rule, ok
}

// globRule reads a pattern over something that is no path of a file.
func (r *reader) globRule(node ast.Node, what string) (GlobRule, scalar, bool) {
	s, ok := r.scalar(node, what)
	if !ok {
		return GlobRule{}, s, false
	}
	g, err := glob.Parse(s.text)
	if syntax, bad := errors.AsType[*glob.SyntaxError](err); bad {
		r.problem(s.point(syntax.Offset), syntaxFix(s.text, syntax.Offset, "write a name, with patterns as for files"), "bad pattern %s: %s", quoted(s.text), syntax.Message)
		return GlobRule{}, s, false
	}
	return GlobRule{Text: s.text, Pos: s.pos, Glob: g}, s, true
}

// user reads a name or a number; numbers lose their leading zeros.
func (r *reader) user(node ast.Node) (NameRule, bool) {
	s, ok := r.scalar(node, "a user")
	if !ok {
		return NameRule{}, false
	}
	if strings.Trim(s.text, "0123456789") == "" && s.text != "" {
		id, err := strconv.ParseUint(s.text, 10, 32)
		if err != nil || id == 1<<32-1 { // -1 is no user
			r.problem(s.pos, "user ids are 0 to 4294967294", "%s is no user id", quoted(s.text))
			return NameRule{}, false
		}
		return NameRule{Text: strconv.FormatUint(id, 10), Pos: s.pos}, true
	}
	if s.text == "" || len(s.text) > 255 || strings.ContainsAny(s.text, " :/*?\t\n") || printable(s.text) != s.text {
		r.problem(s.pos, "write the name or number of one user", "%s is no user", quoted(s.text))
		return NameRule{}, false
	}
	return NameRule{Text: s.text, Pos: s.pos}, true
}

func (r *reader) sha256(node ast.Node) (NameRule, bool) {
	s, ok := r.scalar(node, "a SHA-256")
	if !ok {
		return NameRule{}, false
	}
	if sum, err := hex.DecodeString(s.text); err != nil || len(sum) != 32 {
		r.problem(s.pos, "write the 64 hexadecimal digits that sha256sum prints, in quotes", "%s is no SHA-256", quoted(s.text))
		return NameRule{}, false
	}
	return NameRule{Text: strings.ToLower(s.text), Pos: s.pos}, true
}
