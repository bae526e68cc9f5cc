package diff

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

// syscalls compares each call of both tables, and of the numbers beyond them all.
func (d *comparison) syscalls(subject string, a, b uint32) {
	ta, tb := d.a.calls(a), d.b.calls(b)
	for _, table := range []struct {
		suffix string
		a, b   []uint32
		name   func(int) string
	}{{"", ta.AMD64[:], tb.AMD64[:], syscalls.AMD64}, {"/i386", ta.I386[:], tb.I386[:], syscalls.I386}} {
		for n := range table.a {
			if name := table.name(n); name != "" {
				d.decision(subject, "syscall", name+table.suffix, table.a[n], table.b[n])
			}
		}
	}
	d.decision(subject, "syscall", "numbers that no kernel has yet", ta.Miss, tb.Miss)
}

func (h *half) calls(index uint32) *compile.Syscalls {
	if index == compile.NoTable {
		return &compile.Syscalls{}
	}
	return &h.img.Syscalls[index]
}

func (d *comparison) capabilities(subject string, a, b uint32) {
	ca, cb := d.a.capabilitySet(a), d.b.capabilitySet(b)
	for n := range ca {
		d.decision(subject, "capability", event.CapabilityName(n), ca[n], cb[n])
	}
}

func (h *half) capabilitySet(index uint32) *[64]uint32 {
	if index == compile.NoTable {
		return &[64]uint32{}
	}
	return &h.img.Capabilities[index]
}

// guard compares which subjects may reach into one.
func (d *comparison) guard(subject, kind string, a, b *compile.Guard) {
	for _, from := range d.names() {
		if from != subject {
			da, db := d.a.guardOf(a, from), d.b.guardOf(b, from)
			d.decision(subject, kind, "from "+from, da, db)
		}
	}
}

// guardOf is the decision about a task of a subject that reaches in.
func (h *half) guardOf(g *compile.Guard, from string) uint32 {
	number := uint32(compile.DefaultSubject)
	for i := range h.img.Subjects {
		if i > 0 && h.img.Subjects[i].Name == from {
			number = uint32(i)
		}
	}
	if slices.Contains(h.img.Members[g.Members.First:][:g.Members.Count], number) {
		return compile.NoDecision
	}
	return g.Decision
}

// limit compares two limits; what lies between them changes.
func (d *comparison) limit(subject, key string, a, b compile.Limit) {
	from, to := d.a.side(a.Decision), d.b.side(b.Decision)
	switch {
	case a.Decision == compile.NoDecision && b.Decision == compile.NoDecision || from.Answer == to.Answer && a.Value == b.Value:
	case a.Decision == compile.NoDecision || b.Decision != compile.NoDecision && b.Value < a.Value:
		from.Answer = Allowed
		d.change(Change{Subject: subject, Kind: key, From: from, To: to, Object: between(b, a)})
	default:
		to.Answer = Allowed
		d.change(Change{Subject: subject, Kind: key, From: from, To: to, Object: between(a, b)})
	}
}

// between writes what lies above the lower limit and within the upper one, if there is one.
func between(lower, upper compile.Limit) string {
	if upper.Decision == compile.NoDecision {
		return fmt.Sprintf("above %d", lower.Value)
	}
	return fmt.Sprintf("above %d, up to %d", lower.Value, upper.Value)
}

// matchText writes a match for a notice: the rules of each condition in order.
func matchText(p *policy.Process) string {
	var out []string
	add := func(name string, texts []string) {
		if len(texts) > 0 {
			slices.Sort(texts)
			out = append(out, name+": "+strings.Join(texts, ", "))
		}
	}
	m := &p.Match
	add("exe", texts(m.Exe, func(r policy.PathRule) string { return r.Text }))
	add("name", texts(m.Name, func(r policy.NameRule) string { return r.Text }))
	add("unit", texts(m.Unit, func(r policy.GlobRule) string { return r.Text }))
	add("cgroup", texts(m.Cgroup, func(r policy.GlobRule) string { return r.Text }))
	add("container", texts(m.Container, func(r policy.GlobRule) string { return r.Text }))
	add("user", texts(m.User, func(r policy.NameRule) string { return r.Text }))
	add("sha256", texts(m.SHA256, func(r policy.NameRule) string { return r.Text }))
	if len(out) == 0 && p.Name != "" {
		return "name: " + p.Name
	}
	return strings.Join(out, "; ")
}

func texts[R any](l policy.List[R], text func(R) string) []string {
	var out []string
	for _, r := range l.Rules {
		out = append(out, text(r))
	}
	return out
}
