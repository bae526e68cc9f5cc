// Package enforce says of each rule of a policy what a kernel could do about an access that breaks it: prevent it, end
// the task that did it, or see it, and why nothing better.
//
// It judges from facts about a kernel, which may be another machine's. It refuses to find facts out, and to promise
// anything for a guard: what a guard does with a kernel's abilities is for the guard to say.
package enforce

import "github.com/stockade-security/stockade/policy"

// Ability is the best that can be done about an access.
type Ability string

// The abilities, the best first.
const (
	Prevent     Ability = "prevent"     // refuse it before it happens
	Kill        Ability = "kill"        // let it happen and end the task
	Observe     Ability = "observe"     // record it
	Unsupported Ability = "unsupported" // not even that
)

// Kernel holds the mechanisms of a kernel by the names that `stockade doctor` gives them, and cap_capable, the tracepoint of
// capability checks, which is there from 6.14 on. One that is not in it counts as unknown.
type Kernel map[string]Mechanism

// Mechanism is one ability of a kernel. Of an unknown one nothing could be found out.
type Mechanism struct {
	Available, Unknown bool
	// Reason is why it is not available, in one sentence.
	Reason string
}

// Rule is what a kernel can do about one rule of a policy.
type Rule struct {
	// Subject is a process entry, default, host, dns or firewall.
	Subject string `json:"subject"`
	Key     string `json:"key"`
	// Text is the rule as written; empty for a key whose list names nothing.
	Text string          `json:"text,omitempty"`
	Pos  policy.Position `json:"-"`
	Line int             `json:"line"`
	// Ability is what is certain; Unknown: more may be possible, but a mechanism could not be tried.
	Ability Ability `json:"ability"`
	Unknown bool    `json:"unknown,omitempty"`
	// How says with what.
	How string `json:"how,omitempty"`
	// Why says what stands in the way of more; empty if nothing does.
	Why string `json:"why,omitempty"`
}

// step is one rung of a ladder: it holds if all the mechanisms that it needs are available.
type step struct {
	ability Ability
	how     string
	needs   []string
	// barred is why the step is of no use for this rule, whatever the kernel; empty if it is.
	barred string
}

// foundation is what every program of a guard needs. The first is only in the facts of other systems.
var foundation = [...]string{"linux", "kernel_version", "btf", "bpf_syscall", "kernel_reads"}

// climb finds the best step that holds.
func (k Kernel) climb(ladder []step) (r Rule) {
	for i, name := range foundation {
		m, told := k[name]
		if m.Available || i == 0 && !told {
			continue
		}
		return Rule{Ability: Unsupported, Unknown: m.Unknown || !told, Why: obstacle(name, m, told)}
	}
	r.Ability = Unsupported
	for _, s := range ladder {
		why, unknown := k.hinders(s)
		if why == "" {
			r.Ability, r.How = s.ability, s.how
			return r
		}
		r.Unknown = r.Unknown || unknown
		if r.Why == "" {
			r.Why = why
		}
	}
	return r
}

// hinders returns why a step does not hold, or "" if it does.
func (k Kernel) hinders(s step) (why string, unknown bool) {
	if s.barred != "" {
		return s.barred, false
	}
	for _, name := range s.needs {
		if m, told := k[name]; !m.Available {
			return obstacle(name, m, told), m.Unknown || !told
		}
	}
	return "", false
}

func obstacle(name string, m Mechanism, told bool) string {
	switch {
	case !told:
		return name + " is unknown: the facts do not speak of it"
	case m.Unknown:
		return name + " is unknown: " + m.Reason
	}
	return "it lacks " + name + ": " + m.Reason
}
