package policy

import (
	"cmp"
	"reflect"
	"slices"
)

// checkWhole refuses what is wrong only when all files are read.
func (b *book) checkWhole(p *Policy) {
	if len(p.Processes) == 0 && p.Default == nil && !speaks(p.Host) && !speaks(p.DNS) && !speaks(p.Firewall) && !speaks(p.Anomaly) {
		pos, ok := b.taken["processes"]
		if !ok {
			pos = Position{File: p.Name, Line: 1, Column: 1}
		}
		b.problem(pos, `write "processes:" and an entry below it, named after an executable`, "the policy has no process entries")
	}
	names := make([]string, len(p.Processes))
	for i := range p.Processes {
		names[i] = p.Processes[i].Name
	}
	known := slices.Sorted(slices.Values(names))
	for q := range p.subjects() {
		for _, l := range []List[NameRule]{q.Protect.Signals, q.Protect.Ptrace} {
			for _, rule := range l.Rules {
				if _, ok := slices.BinarySearch(known, rule.Text); !ok {
					b.problem(rule.Pos, cmp.Or(b.meant(rule.Text, names), "protect names entries of the policy: add one for it"), "the policy has no process entry %s", quoted(rule.Text))
				}
			}
		}
	}
}

// speaks reports whether a part of the policy holds anything.
func speaks(part any) bool { return !reflect.ValueOf(part).IsZero() }

// subjects yields the entries and, last, the default.
func (p *Policy) subjects() func(func(*Process) bool) {
	return func(yield func(*Process) bool) {
		for i := range p.Processes {
			if !yield(&p.Processes[i]) {
				return
			}
		}
		if p.Default != nil {
			yield(p.Default)
		}
	}
}
