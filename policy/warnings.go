package policy

import (
	"slices"
	"strings"

	"github.com/stockade-security/stockade/internal/syscalls"
)

// warnPolicy says what the operator should know of a policy that loads.
func (b *book) warnPolicy(p *Policy) {
	effort := maxComparisons
	for q := range p.subjects() {
		b.warnHostNames(q)
		b.warnRules(q, &effort)
		if q != p.Default && q.older() {
			b.warnChanged(q)
		}
	}
	egress := p.Firewall.Egress
	warnShadowed(b, networkCover(egress.Allow.Rules, &effort))
	warnShadowed(b, networkCover(egress.Block.Rules, &effort))
	warnBlocked(b, egress.Allow.Rules, networkCover(egress.Block.Rules, &effort))
	b.warnUncovered(p)
	b.warnMatches(p)
	b.warnHost(&p.Host)
}

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

// older reports whether the entry has no key but those of the per-process guards before.
func (p *Process) older() bool {
	rest := *p
	rest.Name, rest.Pos, rest.Description, rest.MaxMemoryMB, rest.MaxCPUPercent = "", Position{}, "", Limit{}, Limit{}
	rest.AllowedExec, rest.AllowedFiles, rest.BlockedFiles = List[PathRule]{}, List[PathRule]{}, List[PathRule]{}
	rest.AllowedNetwork, rest.BlockedNetwork, rest.BlockedSyscalls = List[NetworkRule]{}, List[NetworkRule]{}, List[SyscallRule]{}
	if !p.Match.given() {
		rest.Match = Match{}
	}
	return !speaks(rest)
}

// warnChanged says what means something else than to the per-process guards whose files this package reads: there an absent or empty allowed_network denied all of the network, an empty
// allowed_files allowed every file, and a * at the end of a pattern matched everything that starts like it.
func (b *book) warnChanged(p *Process) {
	for _, rule := range p.AllowedNetwork.Rules {
		if len(rule.Prefixes) == 1 && rule.Prefixes[0].IsSingleIP() && rule.Prefixes[0].Addr().IsUnspecified() {
			b.warn(WarningChanged, rule.Pos, "write the port in allowed_listen if it is one to listen on", "%s is about connections to this host itself", quoted(rule.Text))
		}
	}
	if !p.AllowedNetwork.Present {
		b.warn(WarningChanged, p.Pos, "allowed_network: [] allows none", "no allowed_network: the network is left alone, where it used to be denied")
	}
	if p.AllowedFiles.Present && len(p.AllowedFiles.Rules) == 0 {
		b.warn(WarningChanged, p.AllowedFiles.Pos, "remove the key to leave files alone", "allowed_files is empty: no file is allowed, where every file used to be")
	}
	for _, rules := range [][]PathRule{p.AllowedFiles.Rules, p.BlockedFiles.Rules} {
		for _, rule := range rules {
			pattern := rule.Glob.String()
			if strings.HasSuffix(pattern, "*") && !strings.HasSuffix(pattern, "**") && !strings.HasSuffix(pattern, `\*`) {
				b.warn(WarningChanged, rule.Pos, "write "+quoted(pattern+"*")+" for every level below", "%s matches one level, where it used to match every level", quoted(pattern))
			}
		}
	}
}

func (b *book) warnHostNames(p *Process) {
	for _, rules := range [][]NetworkRule{p.AllowedNetwork.Rules, p.BlockedNetwork.Rules} {
		for _, rule := range rules {
			if rule.Host != "" {
				b.warn(WarningNotActedOn, rule.Pos, "name addresses to have them judged", "the host name %s is recorded only: this version does not resolve names", quoted(rule.Text))
			}
		}
	}
}

// warnUncovered says once that what is restricted by its path runs free under another.
func (b *book) warnUncovered(p *Policy) {
	if p.Default != nil {
		return
	}
	for i := range p.Processes {
		if q := &p.Processes[i]; (q.Match.Exe.Present || q.Match.Name.Present) && q.restricts() {
			b.warn(WarningUncovered, q.Pos, `say under "default:" what all other tasks may do; "default: {}" leaves them alone`,
				"a copy of %s under another name runs free: the policy has no default", quoted(q.Name))
			return
		}
	}
}

// restricts reports whether the entry says anything of what its tasks may do.
func (p *Process) restricts() bool {
	rest := *p
	rest.Name, rest.Pos, rest.Description, rest.Mode, rest.Match, rest.Inherit = "", Position{}, "", "", Match{}, false
	return speaks(rest)
}

// warnHost says which rules of host nothing acts on, which stand twice, and which others take back.
func (b *book) warnHost(h *Host) {
	if len(h.Devices.Rules) > 0 {
		b.warn(WarningNotActedOn, h.Devices.Pos, "", "devices is recorded only: this version sees no ioctl")
	}
	for _, rule := range h.BlockedPrctl.Rules {
		if !slices.Contains(syscalls.PrctlWatched(), rule.Text) {
			b.warn(WarningNotActedOn, rule.Pos, "", "%s is recorded only: this version sees no call with it", rule.Text)
		}
	}
	b.warnShadowedNames(h.ModulesAllowed)
	b.warnShadowedNames(h.ModulesBlocked)
	b.warnShadowedNames(h.BlockedPrctl)
	blocked := map[string]NameRule{}
	for _, rule := range h.ModulesBlocked.Rules {
		blocked[rule.Text] = rule
	}
	for _, rule := range h.ModulesAllowed.Rules {
		if by, is := blocked[rule.Text]; is {
			b.warnTaken(rule.Text, rule.Pos, by.Text, by.Pos)
		}
	}
	b.warnRepeated(len(h.Exec.Rules), func(i int) PathRule { return h.Exec.Rules[i].Path })
	b.warnRepeated(len(h.Files.Rules), func(i int) PathRule { return h.Files.Rules[i].Path })
	b.warnRepeated(len(h.Devices.Rules), func(i int) PathRule { return h.Devices.Rules[i].Path })
}

// warnRepeated warns of entries about a path whose every access entries before speak of: the first one wins.
func (b *book) warnRepeated(n int, path func(int) PathRule) {
	type use struct {
		pattern string
		access  Access
	}
	first := map[use]PathRule{}
	for i := range n {
		rule := path(i)
		var other PathRule
		fresh := false
		for access := AccessRead; access <= AccessExecute; access <<= 1 {
			key := use{rule.Glob.String(), rule.Access & access}
			if by, again := first[key]; again {
				other = by
			} else if key.access != 0 {
				first[key], fresh = rule, true
			}
		}
		if !fresh {
			b.warnCovered(rule.Text, rule.Pos, other.Text, other.Pos)
		}
	}
}
