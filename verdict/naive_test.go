package verdict_test

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/verdict"
)

// The naive matcher decides by the text of the rules: it looks at every one of them, makes a regular expression of each
// pattern, and sorts what matches by what docs/policy.md says about precedence. It shares no code with the policy's reader
// and compiler, so where both agree they are hardly wrong in the same way.

// textRule is an entry of a list, and where it stands.
type textRule struct {
	text string
	line int
}

type textList struct {
	present bool
	line    int
	rules   []textRule
}

// textEntry is a process entry, or with other keys any part of the policy.
type textEntry struct {
	name  string
	line  int
	lists map[string]*textList // nested keys are joined: match.exe
	// values holds numbers and switches.
	values map[string]textRule
}

func (e *textEntry) list(key string) textList {
	if e == nil || e.lists[key] == nil {
		return textList{}
	}
	return *e.lists[key]
}

type textPolicy struct {
	entries  []*textEntry
	fallback *textEntry // default; may be nil
	// host holds the lists of host, dns and egress by their whole names.
	host                 *textEntry
	starts, files, calls []*textEntry // host.exec, host.files, host.devices
	zones                []*textEntry
	ingress, egress      textRule // text is the default; line 0: absent

	patterns map[string]*regexp.Regexp
}

// said is what one rule, or the absence of one, says of an access.
type said struct {
	deny, unlisted, undecided bool
	exempt                    bool // the actor is
	specificity               [4]int
	line                      int
}

func (s said) denied() bool { return s.deny && !s.exempt }

// pick returns what has precedence: blocked over allowed, the most specific, the first in the file.
func pick(all []said) (said, bool) {
	if len(all) == 0 {
		return said{}, false
	}
	return slices.MinFunc(all, compareSaid), true
}

func compareSaid(a, b said) int {
	rank := func(s said) int {
		switch {
		case s.unlisted:
			return 2
		case s.deny:
			return 0
		}
		return 1
	}
	return cmp.Or(rank(a)-rank(b), slices.Compare(b.specificity[:], a.specificity[:]), a.line-b.line)
}

// paths collects the rules of a list that match. Letters restricts those that name their letters.
func (p *textPolicy) paths(l textList, name string, letter policy.Access, deny bool) []said {
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

func (p *textPolicy) program(e *textEntry, actor, name string) said {
	own, _ := verdictOf(slices.Concat(
		p.paths(e.list("blocked_exec"), name, policy.AccessExecute, true),
		p.paths(e.list("blocked_files"), name, policy.AccessExecute, true),
		p.paths(e.list("allowed_exec"), name, policy.AccessExecute, false),
	), e.list("allowed_exec"))
	return both(p.guarded(p.starts, "parents", actor, name), own)
}

// guarded is what the host says of an object that only some executables may use.
func (p *textPolicy) guarded(entries []*textEntry, key, actor, name string) said {
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
func (p *textPolicy) in(l textList, exe string) bool {
	return slices.ContainsFunc(l.rules, func(r textRule) bool { return p.pattern(r.text).MatchString(cleaned(exe)) })
}

func (p *textPolicy) file(e *textEntry, actor, name string, letters policy.Access) said {
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

func (p *textPolicy) socket(e *textEntry, name string) said {
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

// decide answers an access. target is who is reached for.
func (p *textPolicy) decide(task verdict.Facts, ancestors []event.Ref, a *verdict.Access, target verdict.Facts) said {
	e := p.claim(task, ancestors)
	actor := cleaned(task.Exe)
	name := cleaned(a.Path)
	switch a.Op {
	case verdict.OpExec:
		s := p.program(e, actor, name)
		if a.Interpreter != "" {
			if runs := p.program(e, actor, cleaned(a.Interpreter)); runs.denied() && !runs.unlisted {
				s = both(s, runs)
			}
		}
		if no := e.value("no_sudo"); a.GainsPrivilege && no.text == "true" {
			s = both(s, said{deny: true, line: no.line})
		}
		return s
	case verdict.OpFile:
		return p.file(e, actor, name, a.Letters)
	case verdict.OpConnect, verdict.OpSend, verdict.OpBind, verdict.OpListen:
		return p.network(e, a)
	case verdict.OpSignal:
		return p.protected(e, p.claim(target, nil), "protect.signals")
	case verdict.OpPtrace:
		return p.protected(e, p.claim(target, nil), "protect.ptrace")
	case verdict.OpMemory:
		return over(e.value("max_memory_mb"), a.Value, 1<<20)
	case verdict.OpCPU:
		return over(e.value("max_cpu_percent"), a.Value, 1)
	case verdict.OpProcesses:
		return over(e.value("max_processes"), a.Value, 1)
	case verdict.OpSyscall:
		return p.syscall(e, a)
	case verdict.OpCapability:
		return capability(e.list("blocked_capabilities"), event.CapabilityName(int(a.Number)))
	case verdict.OpIngress:
		return p.packet(a)
	case verdict.OpEgress:
		if p.egress.line == 0 {
			return said{}
		}
		return p.peers(p.host.list("egress.block"), p.host.list("egress.allow"), textList{present: p.egress.text == "deny", line: p.egress.line}, a)
	}
	return p.kernel(actor, a)
}

func (e *textEntry) value(key string) textRule {
	if e == nil {
		return textRule{}
	}
	return e.values[key]
}

func over(limit textRule, value, unit uint64) said {
	most, _ := strconv.ParseUint(limit.text, 10, 64)
	return said{deny: most > 0 && value > most*unit, line: limit.line * int(min(most, 1))}
}

func (p *textPolicy) protected(actor, target *textEntry, key string) said {
	l := target.list(key)
	if !l.present {
		return said{}
	}
	name := "default"
	if actor != nil {
		name = actor.name
	}
	allowed := actor == target || slices.ContainsFunc(l.rules, func(r textRule) bool { return r.text == name })
	return said{deny: !allowed, line: l.line}
}

func (p *textPolicy) syscall(e *textEntry, a *verdict.Access) said {
	name := syscalls.X32(int(a.Number))
	if a.I386 {
		name = syscalls.I386(int(a.Number))
	}
	var all []said
	for _, key := range []string{"blocked_syscalls", "allowed_syscalls"} {
		for _, r := range e.list(key).rules {
			names := []string{r.text}
			if strings.HasPrefix(r.text, "@") {
				names = syscalls.Group(r.text)
			}
			if slices.Contains(names, name) {
				all = append(all, said{deny: key == "blocked_syscalls", specificity: [4]int{-len(names)}, line: r.line})
			}
		}
	}
	s, _ := verdictOf(all, e.list("allowed_syscalls"))
	return s
}

func capability(l textList, name string) said {
	var all []said
	for _, r := range l.rules {
		if r.text == name {
			all = append(all, said{deny: true, specificity: [4]int{1}, line: r.line})
		} else if r.text == "ALL" {
			all = append(all, said{deny: true, line: r.line})
		}
	}
	s, _ := pick(all)
	return s
}

// kernel is what the host says of the kernel's own things.
func (p *textPolicy) kernel(actor string, a *verdict.Access) said {
	only := func(key string) said {
		l := p.host.list(key)
		return said{deny: l.present, exempt: p.in(l, actor), line: l.line}
	}
	switch a.Op {
	case verdict.OpModule:
		var all []said
		for _, key := range []string{"kernel_modules.block", "kernel_modules.allow"} {
			for _, r := range p.host.list(key).rules {
				if strings.ReplaceAll(r.text, "-", "_") == a.Name {
					all = append(all, said{deny: key == "kernel_modules.block", line: r.line})
				}
			}
		}
		s, _ := verdictOf(all, p.host.list("kernel_modules.allow"))
		return s
	case verdict.OpMount:
		s, _ := pick(p.paths(p.host.list("mounts.block_sources"), cleaned(a.Path), policy.AccessRead, true))
		return s
	case verdict.OpIoctl:
		return p.guarded(p.calls, "allow_exe", actor, cleaned(a.Path))
	case verdict.OpBPF:
		return only("bpf.allow_exe")
	case verdict.OpSettime:
		return only("settime.allow_exe")
	case verdict.OpKeyring:
		return only("keyrings.allow_exe")
	case verdict.OpIOUring:
		return only("io_uring.allow_exe")
	case verdict.OpPrctl:
		for _, r := range p.host.list("prctl.block").rules {
			if n, _ := syscalls.PrctlOption(r.text); n == a.Number {
				return said{deny: true, exempt: p.in(p.host.list("prctl.allow_exe"), actor), line: r.line}
			}
		}
	case verdict.OpResolve:
		var all []said
		for _, r := range p.host.list("dns.block_names").rules {
			if form := nameForm(r.text, a.Name); form > 0 {
				all = append(all, said{deny: true, specificity: [4]int{form, len(r.text)}, line: r.line})
			}
		}
		s, _ := pick(all)
		return s
	}
	return said{}
}
