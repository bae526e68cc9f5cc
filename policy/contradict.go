package policy

import (
	"iter"
	"slices"
	"strings"
)

// warnRules warns of rules of an entry that change nothing or that others take back.
func (b *book) warnRules(p *Process, effort *int) {
	for _, l := range []List[PathRule]{p.AllowedExec, p.BlockedExec, p.AllowedFiles, p.BlockedFiles, p.Match.Exe} {
		warnShadowed(b, pathCover(l.Rules, effort))
	}
	warnBlocked(b, p.AllowedFiles.Rules, pathCover(p.BlockedFiles.Rules, effort))
	// What is started is judged by the letter x of blocked_files too.
	warnBlocked(b, p.AllowedExec.Rules, pathCover(slices.Concat(p.BlockedExec.Rules, p.BlockedFiles.Rules), effort))
	for _, l := range []List[NetworkRule]{p.AllowedNetwork, p.BlockedNetwork, p.AllowedListen} {
		warnShadowed(b, networkCover(l.Rules, effort))
	}
	warnBlocked(b, p.AllowedNetwork.Rules, networkCover(p.BlockedNetwork.Rules, effort))
	warnShadowed(b, callCover(p.AllowedSyscalls.Rules, effort))
	warnShadowed(b, callCover(p.BlockedSyscalls.Rules, effort))
	warnBlocked(b, p.AllowedSyscalls.Rules, callCover(p.BlockedSyscalls.Rules, effort))
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

// callCover finds candidates among the groups, and by name.
func callCover(rules []SyscallRule, effort *int) *cover[SyscallRule] {
	first := map[string]int{}
	var groups []int
	for i, rule := range rules {
		if _, again := first[rule.Text]; again {
			continue
		}
		first[rule.Text] = i
		if strings.HasPrefix(rule.Text, "@") {
			groups = append(groups, i)
		}
	}
	return &cover[SyscallRule]{
		rules: rules, effort: effort,
		candidates: func(rule SyscallRule) iter.Seq[int] {
			return func(yield func(int) bool) {
				if i, ok := first[rule.Text]; !ok || yield(i) {
					each(groups, yield)
				}
			}
		},
		covers: func(wide, narrow SyscallRule) bool {
			return !slices.ContainsFunc(narrow.Names, func(n string) bool {
				_, has := slices.BinarySearch(wide.Names, n)
				return !has
			})
		},
		told: func(rule SyscallRule) (string, Position) { return rule.Text, rule.Pos },
	}
}
