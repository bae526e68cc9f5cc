package naive

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/verdict"
)

// claim finds the entry of a task; nil is the default one.
func (p *Policy) claim(task verdict.Facts, ancestors []event.Ref) *textEntry {
	if e := p.claimed(task); e != nil {
		return e
	}
	for _, ancestor := range ancestors {
		task.Exe, task.SHA256 = ancestor.Exe, ""
		if e := p.claimed(task); e != nil {
			if e.value("inherit").text == "true" {
				return e
			}
			break
		}
	}
	return p.fallback
}

func (p *Policy) claimed(task verdict.Facts) *textEntry {
	var best *textEntry
	var by [4]int
	exe := cleaned(task.Exe)
	for _, e := range p.entries {
		specificity, ok := p.claims(e, task, exe)
		if ok && (best == nil || slices.Compare(specificity[:], by[:]) > 0) {
			best, by = e, specificity
		}
	}
	return best
}

// claims tests every condition of an entry: the executable's most specific pattern counts, then how many conditions there are.
func (p *Policy) claims(e *textEntry, task verdict.Facts, exe string) (specificity [4]int, ok bool) {
	conditions := 0
	hold := func(key string, holds func(text string) bool) bool {
		l := e.list("match." + key)
		if !l.present {
			return true
		}
		conditions++
		return slices.ContainsFunc(l.rules, func(r textRule) bool { return holds(r.text) })
	}
	matches := func(text string) func(string) bool {
		return func(glob string) bool { return p.pattern(glob).MatchString(text) }
	}
	best := func(globs ...string) {
		for _, glob := range globs {
			if s := specificityOf(glob); p.pattern(glob).MatchString(exe) && slices.Compare(s[:], specificity[:]) > 0 {
				specificity = s
			}
		}
	}
	ok = hold("exe", matches(exe)) &&
		hold("name", func(name string) bool { return strings.HasSuffix(exe, "/"+name) }) &&
		hold("unit", matches(task.Unit)) && hold("cgroup", matches(task.Cgroup)) &&
		hold("user", func(user string) bool { return user == task.User || user == fmt.Sprint(task.UID) }) &&
		hold("sha256", func(sum string) bool { return sum == task.SHA256 }) &&
		hold("container", func(glob string) bool {
			c := task.Container
			return c != nil && (matches(c.ID)(glob) && c.ID != "" || matches(c.Name)(glob) && c.Name != "" || matches(c.Image)(glob) && c.Image != "")
		})
	if !ok {
		return specificity, false
	}
	exes, names := e.list("match.exe"), e.list("match.name")
	switch {
	case conditions == 0:
		if !strings.HasSuffix(exe, "/"+e.name) {
			return specificity, false
		}
		best("**/" + e.name)
		conditions = 1
	case exes.present:
		for _, r := range exes.rules {
			best(r.text)
		}
	default:
		for _, r := range names.rules {
			best("**/" + r.text)
		}
	}
	specificity[2] = conditions
	return specificity, true
}
