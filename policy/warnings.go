package policy

import "strings"

// warnProcess says what of an entry nothing acts on, and what means something else than to the per-process guards
// whose files this package reads: there an absent or empty allowed_network denied all of the network, an empty
// allowed_files allowed every file, and a * at the end of a pattern matched everything that starts like it.
func (r *reader) warnProcess(p Process) {
	if !p.AllowedNetwork.Present {
		r.warn(WarningChanged, p.Pos, "allowed_network: [] allows none", "no allowed_network: the network is left alone, where it used to be denied")
	}
	if p.AllowedFiles.Present && len(p.AllowedFiles.Rules) == 0 {
		r.warn(WarningChanged, p.AllowedFiles.Pos, "remove the key to leave files alone", "allowed_files is empty: no file is allowed, where every file used to be")
	}
	for _, rules := range [][]PathRule{p.AllowedFiles.Rules, p.BlockedFiles.Rules} {
		for _, rule := range rules {
			pattern := rule.Glob.String()
			if strings.HasSuffix(pattern, "*") && !strings.HasSuffix(pattern, "**") && !strings.HasSuffix(pattern, `\*`) {
				r.warn(WarningChanged, rule.Pos, "write "+quoted(pattern+"*")+" for every level below", "%s matches one level, where it used to match every level", quoted(pattern))
			}
		}
	}
	for _, rules := range [][]NetworkRule{p.AllowedNetwork.Rules, p.BlockedNetwork.Rules} {
		for _, rule := range rules {
			if rule.Host != "" {
				r.warn(WarningNotActedOn, rule.Pos, "name addresses to have them judged", "the host name %s is recorded only: this version does not resolve names", quoted(rule.Text))
			}
		}
	}
	if len(p.BlockedSyscalls.Rules) > 0 {
		r.warn(WarningNotActedOn, p.BlockedSyscalls.Pos, "", "blocked_syscalls is recorded only: this version judges no system calls")
	}
}
