package compile

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
)

// syscallSeverity is as with the guards before Stockade, which knew no vfork.
func syscallSeverity(name string) event.Severity {
	switch name {
	case "ptrace", "process_vm_readv", "process_vm_writev", "kexec_load", "init_module", "finit_module":
		return event.SeverityCritical
	case "execve", "fork", "clone", "clone3":
		return event.SeverityHigh
	}
	return event.SeverityMedium
}

// syscalls compiles an entry's system calls.
func (c *compiler) syscalls(p *policy.Process) uint32 {
	if !p.AllowedSyscalls.Present && len(p.BlockedSyscalls.Rules) == 0 {
		return NoTable
	}
	list := append(calls(p.BlockedSyscalls, true), calls(p.AllowedSyscalls, false)...)
	settle(c, list, &ends{})
	said := map[string]uint32{}
	for _, r := range list {
		for _, name := range r.what {
			if said[name] == NoDecision {
				said[name] = r.number
			}
		}
	}
	rest := func(string) uint32 { return NoDecision }
	if p.AllowedSyscalls.Present {
		key := keyOf("allowed_syscalls", p.AllowedSyscalls)
		rest = func(name string) uint32 {
			return c.run([]Decision{c.unlisted(offence{TypeSyscall, syscallSeverity(name)}, key)})
		}
	}
	decide := func(name string) uint32 { return cmp.Or(said[name], rest(name)) }
	out := Syscalls{Miss: rest("")}
	for n := range out.AMD64 {
		out.AMD64[n] = decide(syscalls.X32(n))
	}
	for n := range out.I386 {
		out.I386[n] = decide(syscalls.I386(n))
	}
	return add(&c.image.Syscalls, out)
}

// calls makes candidates of a list's rules, one for each severity of its calls. One that names a call wins over a group
// that holds it, and a small group over a large one.
func calls(l policy.List[policy.SyscallRule], deny bool) []candidate[[]string] {
	var out []candidate[[]string]
	for _, r := range l.Rules {
		for _, severity := range []event.Severity{event.SeverityCritical, event.SeverityHigh, event.SeverityMedium} {
			one := candidate[[]string]{rule: Rule{r.Text, r.Pos}, specificity: [4]int{-len(r.Names)}}
			for _, name := range r.Names {
				if syscallSeverity(name) == severity {
					one.what = append(one.what, name)
				}
			}
			one.decision = Decision{Type: TypeSyscall}
			if deny {
				one.decision = offence{TypeSyscall, severity}.deny()
			}
			if one.what != nil {
				out = append(out, one)
			}
		}
	}
	return out
}

// capabilities compiles those that an entry may not use. One by its name wins over ALL, which means those to come too.
func (c *compiler) capabilities(p *policy.Process) uint32 {
	var list []candidate[uint64]
	for _, r := range p.BlockedCapabilities.Rules {
		mask := event.CapabilityMask([]string{r.Text})
		if r.Text == "ALL" {
			mask = math.MaxUint64
		}
		list = append(list, candidate[uint64]{
			rule: Rule(r), decision: offence{TypeCapability, event.SeverityHigh}.deny(),
			specificity: [4]int{-bits.OnesCount64(mask)}, what: mask,
		})
	}
	if list == nil {
		return NoTable
	}
	settle(c, list, &ends{})
	var out [64]uint32
	for _, r := range list {
		for n := range out {
			if r.what>>n&1 != 0 && out[n] == NoDecision {
				out[n] = r.number
			}
		}
	}
	return add(&c.image.Capabilities, out)
}

// add returns the index of a value in a list, where it is put unless it is there already.
func add[T comparable](list *[]T, v T) uint32 {
	i := slices.Index(*list, v)
	if i < 0 {
		i = len(*list)
		*list = append(*list, v)
	}
	return uint32(i)
}
