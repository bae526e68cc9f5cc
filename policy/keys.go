package policy

import (
	"slices"
	"strings"
)

// section names the place where a key stands.
type section string

const (
	sectionTop     section = "the policy"
	sectionProcess section = "a process entry"
	sectionAlerts  section = "alerts"
)

// keys returns the keys that this version reads in a section.
func keys(s section) []string {
	switch s {
	case sectionTop:
		return []string{"version", "mode", "processes", "alerts"}
	case sectionProcess:
		return []string{
			"description", "allowed_exec", "blocked_syscalls", "allowed_files", "blocked_files",
			"allowed_network", "blocked_network", "max_memory_mb", "max_cpu_percent",
		}
	default:
		return []string{"on_violation", "on_critical"}
	}
}

// laterKeys returns the keys of the policy language that this version does not read yet: it refuses them,
// because a rule that silently does nothing is worse than none.
func laterKeys(s section) []string {
	switch s {
	case sectionTop:
		return []string{"default", "break_glass", "host", "dns", "firewall", "anomaly", "sinks", "include"}
	case sectionProcess:
		return []string{
			"mode", "match", "inherit", "blocked_exec", "allowed_listen", "allowed_syscalls", "blocked_capabilities",
			"protect", "max_processes", "on_limit", "no_sudo",
		}
	default:
		return nil
	}
}

// unknownKey tells apart a key of later versions, one that stands in the wrong place, and one that is misspelt.
func (r *reader) unknownKey(e entry, s section) {
	if slices.Contains(laterKeys(s), e.key) {
		r.problem(e.pos, "remove it: nothing would act on it", "the key %s is not in this version", quoted(e.key))
		return
	}
	hint := ""
	for _, other := range []section{sectionTop, sectionProcess, sectionAlerts} {
		if other != s && slices.Contains(keys(other), e.key) {
			hint = quoted(e.key) + " belongs in " + string(other)
		}
	}
	if hint == "" {
		hint = r.meant(e.key, append(keys(s), laterKeys(s)...))
	}
	if hint == "" {
		hint = "the keys are " + strings.Join(keys(s), ", ")
	}
	r.problem(e.pos, hint, "unknown key %s in %s", quoted(e.key), s)
}

// actions returns the names that alerts may hold.
func actions() []string {
	return []string{
		"log_to_syslog", "send_to_soc_dashboard", "increment_circuit_breaker",
		"kill_process", "isolate_network", "notify_architect",
	}
}
