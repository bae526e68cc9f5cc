package policy

import (
	"path"
	"slices"
	"strings"
)

// condition is one key of a match, with what it holds in canonical form.
type condition struct {
	key   string
	pos   Position
	texts []string
}

// conditions lists those that are present.
func (m *Match) conditions() []condition {
	return slices.Concat(
		conditionOf("exe", m.Exe, pathText), conditionOf("name", m.Name, nameText), conditionOf("unit", m.Unit, globText),
		conditionOf("cgroup", m.Cgroup, globText), conditionOf("container", m.Container, globText),
		conditionOf("user", m.User, nameText), conditionOf("sha256", m.SHA256, nameText),
	)
}

func conditionOf[R any](key string, l List[R], text func(R) string) []condition {
	if !l.Present {
		return nil
	}
	c := condition{key: key, pos: l.Pos}
	for _, rule := range l.Rules {
		c.texts = append(c.texts, text(rule))
	}
	slices.Sort(c.texts)
	return []condition{c}
}

func nameText(r NameRule) string { return r.Text }

func globText(r GlobRule) string { return r.Glob.String() }

// text is the same for matches that claim the same tasks by the same conditions.
func (m *Match) text() string {
	var out strings.Builder
	for _, c := range m.conditions() {
		out.WriteString(c.key + "\n" + strings.Join(c.texts, "\n") + "\n\n")
	}
	return out.String()
}

// only reports whether key is the one condition.
func (m *Match) only(key string) bool {
	all := m.conditions()
	return len(all) == 1 && all[0].key == key
}

// warnMatches warns of entries that can claim no task: because a condition names nothing, because their conditions exclude
// each other, or because entries before claim all of it.
func (b *book) warnMatches(p *Policy) {
	claimed := map[string]*Process{}
	names := map[string]*Process{}
	for i := range p.Processes {
		q := &p.Processes[i]
		if pos, what := q.Match.impossible(); what != "" {
			b.warn(WarningNoEffect, pos, "correct the match, or remove the entry", "%s claims no task: %s", quoted(q.Name), what)
			continue
		}
		key := q.Match.text()
		other := claimed[key]
		if other == nil && q.Match.only("name") {
			other = claimant(names, q)
		}
		if other != nil {
			b.warnOther(WarningNoEffect, q.Pos, other.Pos, "join the two entries", "%s claims no task: %s at %s claims them first",
				quoted(q.Name), quoted(other.Name), printable(other.Pos.String()))
			continue
		}
		claimed[key] = q
	}
}

// claimant returns the last of the entries that together claim all names of q, nil if they do not; it notes what q claims.
func claimant(names map[string]*Process, q *Process) *Process {
	var last *Process
	free := false
	for _, rule := range q.Match.Name.Rules {
		if by := names[rule.Text]; by == nil || by == q {
			free, names[rule.Text] = true, q
		} else {
			last = by
		}
	}
	if free {
		return nil
	}
	return last
}

// impossible says why no task can match, "" if one might.
func (m *Match) impossible() (Position, string) {
	for _, c := range m.conditions() {
		if len(c.texts) == 0 {
			return c.pos, "the list " + c.key + " is empty"
		}
	}
	if !m.Exe.Present || !m.Name.Present {
		return Position{}, ""
	}
	for _, exe := range m.Exe.Rules {
		for _, name := range m.Name.Rules {
			base := path.Base(exe.Glob.String())
			if base == name.Text || strings.ContainsAny(base, `*?[]{}\`) {
				return Position{}, ""
			}
		}
	}
	return m.Exe.Pos, "no executable has one of its paths and one of its names"
}
