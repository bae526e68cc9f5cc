package naive

import (
	"slices"
	"strconv"
	"strings"

	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/verdict"
)

func over(limit textRule, value, unit uint64) said {
	most, _ := strconv.ParseUint(limit.text, 10, 64)
	return said{deny: most > 0 && value > most*unit, line: limit.line * int(min(most, 1))}
}

func (p *Policy) protected(actor, target *textEntry, key string) said {
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

func (p *Policy) syscall(e *textEntry, a *verdict.Access) said {
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
func (p *Policy) kernel(actor string, a *verdict.Access) said {
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
