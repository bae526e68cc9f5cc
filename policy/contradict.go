package policy

import (
	"slices"
	"strings"
)

// warnRules warns of rules of an entry that change nothing or that others take back.
func (b *book) warnRules(p *Process, effort *int) {
	for _, l := range []List[PathRule]{p.AllowedExec, p.BlockedExec, p.AllowedFiles, p.BlockedFiles, p.Match.Exe} {
		b.warnShadowedPaths(l, effort)
	}
	b.warnBlockedPaths(p.AllowedFiles, p.BlockedFiles.Rules, effort)
	// What is started is judged by the letter x of blocked_files too.
	b.warnBlockedPaths(p.AllowedExec, slices.Concat(p.BlockedExec.Rules, p.BlockedFiles.Rules), effort)
	b.warnShadowedCalls(p.AllowedSyscalls)
	b.warnShadowedCalls(p.BlockedSyscalls)
	b.warnBlockedCalls(p.AllowedSyscalls, p.BlockedSyscalls)
	for _, l := range []List[NameRule]{p.BlockedCapabilities, p.Protect.Signals, p.Protect.Ptrace, p.Match.Name, p.Match.User, p.Match.SHA256} {
		b.warnShadowedNames(l)
	}
	if p.OnLimit != "" && p.MaxMemoryMB.Value == 0 && p.MaxCPUPercent.Value == 0 && p.MaxProcesses.Value == 0 {
		b.warn(WarningNoEffect, p.Pos, "add max_memory_mb, max_cpu_percent or max_processes", "on_limit changes nothing: %s has no limit", quoted(p.Name))
	}
}

// warnShadowedNames warns of names that stand twice, and of capabilities beside ALL.
func (b *book) warnShadowedNames(l List[NameRule]) {
	first := map[string]Position{}
	for _, rule := range l.Rules {
		if rule.Text == "ALL" {
			first[rule.Text] = rule.Pos
			break
		}
	}
	for _, rule := range l.Rules {
		if all, ok := first["ALL"]; ok && rule.Text != "ALL" {
			b.warnCovered(rule.Text, rule.Pos, "ALL", all)
		} else if other, again := first[rule.Text]; again {
			b.warnCovered(rule.Text, rule.Pos, rule.Text, other)
		} else {
			first[rule.Text] = rule.Pos
		}
	}
}

// calls tells by which rule of a list each system call is named: a call by itself, and the groups.
type calls struct {
	single map[string]int
	groups []int
}

func callsOf(l List[SyscallRule]) calls {
	c := calls{single: map[string]int{}}
	seen := map[string]bool{}
	for i, rule := range l.Rules {
		_, again := c.single[rule.Text]
		switch {
		case seen[rule.Text]:
		case !strings.HasPrefix(rule.Text, "@") && !again:
			c.single[rule.Text] = i
		default:
			c.groups = append(c.groups, i)
		}
		seen[rule.Text] = true
	}
	return c
}

// over returns the index of a rule of l that names all that rule does, -1 without one.
func (c *calls) over(l List[SyscallRule], rule SyscallRule, wanted func(i int) bool) int {
	if i, ok := c.single[rule.Text]; ok && wanted(i) {
		return i
	}
	for _, i := range c.groups {
		if wanted(i) && !slices.ContainsFunc(rule.Names, func(n string) bool {
			_, has := slices.BinarySearch(l.Rules[i].Names, n)
			return !has
		}) {
			return i
		}
	}
	return -1
}

func (b *book) warnShadowedCalls(l List[SyscallRule]) {
	c := callsOf(l)
	for i, rule := range l.Rules {
		j := c.over(l, rule, func(j int) bool {
			return j < i || j > i && len(l.Rules[j].Names) > len(rule.Names)
		})
		if j >= 0 {
			b.warnCovered(rule.Text, rule.Pos, l.Rules[j].Text, l.Rules[j].Pos)
		}
	}
}

func (b *book) warnBlockedCalls(allowed, blocked List[SyscallRule]) {
	c := callsOf(blocked)
	for _, rule := range allowed.Rules {
		if i := c.over(blocked, rule, func(int) bool { return true }); i >= 0 {
			b.warnTaken(rule.Text, rule.Pos, blocked.Rules[i].Text, blocked.Rules[i].Pos)
		}
	}
}
