package naive

import (
	"path"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/policy"
)

// paths collects the rules of a list that match. Letters restricts those that name their letters.
func (p *Policy) paths(l textList, name string, letter policy.Access, deny bool) []said {
	var out []said
	for _, r := range l.rules {
		glob, letters, _ := strings.Cut(r.text, " ")
		if letters != "" && !strings.Contains(letters, letter.String()) {
			continue
		}
		if !strings.Contains(glob, "/") && !strings.HasPrefix(glob, "@") {
			glob = "**/" + glob
		}
		if p.pattern(glob).MatchString(name) {
			out = append(out, said{deny: deny, specificity: specificityOf(glob), line: r.line})
		}
	}
	return out
}

// verdictOf picks from what was said, or says what an allow list says of what it lacks.
func verdictOf(all []said, allowed textList) (said, bool) {
	if s, ok := pick(all); ok {
		return s, true
	}
	if !allowed.present {
		return said{}, false
	}
	return said{deny: true, unlisted: true, line: allowed.line}, true
}

func cleaned(name string) string {
	name = strings.TrimSuffix(name, " (deleted)")
	if name == "" {
		return "."
	}
	return path.Clean(name)
}

// both is how the host's and the subject's answers meet.
func both(a, b said) said {
	switch {
	case a.denied() && b.denied():
		if a.unlisted && !b.unlisted {
			return b
		}
		return a
	case a.denied() || b.line == 0:
		return a
	}
	return b
}

func (p *Policy) program(e *textEntry, actor, name string) said {
	own, _ := verdictOf(slices.Concat(
		p.paths(e.list("blocked_exec"), name, policy.AccessExecute, true),
		p.paths(e.list("blocked_files"), name, policy.AccessExecute, true),
		p.paths(e.list("allowed_exec"), name, policy.AccessExecute, false),
	), e.list("allowed_exec"))
	return both(p.guarded(p.starts, "parents", actor, name), own)
}

// guarded is what the host says of an object that only some executables may use.
func (p *Policy) guarded(entries []*textEntry, key, actor, name string) said {
	var all []said
	for _, e := range entries {
		who := e.list(key)
		glob := e.values["path"].text
		if who.present && p.pattern(glob).MatchString(name) {
			all = append(all, said{deny: true, exempt: p.in(who, actor), specificity: specificityOf(glob), line: e.values["path"].line})
		}
	}
	s, _ := pick(all)
	return s
}

// in reports whether an executable stands in a list.
func (p *Policy) in(l textList, exe string) bool {
	return slices.ContainsFunc(l.rules, func(r textRule) bool { return p.pattern(r.text).MatchString(cleaned(exe)) })
}

func (p *Policy) file(e *textEntry, actor, name string, letters policy.Access) said {
	var host said
	var own []said
	for letter := policy.AccessRead; letter <= policy.AccessExecute; letter <<= 1 {
		if letters&letter == 0 {
			continue
		}
		switch letter {
		case policy.AccessRead:
			host = both(host, p.guarded(p.files, "readers", actor, name))
		case policy.AccessWrite:
			host = both(host, p.guarded(p.files, "writers", actor, name))
		}
		s, ok := verdictOf(append(
			p.paths(e.list("blocked_files"), name, letter, true),
			p.paths(e.list("allowed_files"), name, letter, false)...), e.list("allowed_files"))
		if ok {
			own = append(own, s)
		}
	}
	// A denial counts, whatever it is; of several the one with precedence.
	if denied := slices.DeleteFunc(slices.Clone(own), func(s said) bool { return !s.deny }); len(denied) > 0 {
		own = denied
	}
	s, _ := pick(own)
	return both(host, s)
}

func (p *Policy) socket(e *textEntry, name string) said {
	unix := func(l textList) (out textList) {
		out.line = l.line
		for _, r := range l.rules {
			if glob, ok := strings.CutPrefix(r.text, "unix:"); ok {
				out.present = true
				out.rules = append(out.rules, textRule{glob, r.line})
			}
		}
		return out
	}
	if !strings.HasPrefix(name, "@") {
		name = cleaned(name)
	}
	allowed := unix(e.list("allowed_network"))
	s, _ := verdictOf(append(p.paths(unix(e.list("blocked_network")), name, policy.AccessRead, true), p.paths(allowed, name, policy.AccessRead, false)...), allowed)
	return s
}
