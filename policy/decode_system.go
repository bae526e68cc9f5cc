package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/syscalls"
)

// vocabulary holds names that the kernel or systemd gave, each listed when it is first needed.
type vocabulary struct {
	calls, capabilities, options []string
	groups                       map[string][]string
}

func (v *vocabulary) syscalls() []string {
	if v.calls == nil {
		v.calls = syscalls.Names()
	}
	return v.calls
}

// group returns the names that a group holds, nil if there is no such group.
func (v *vocabulary) group(name string) []string {
	names, ok := v.groups[name]
	if !ok && (name == "@known" || slices.Contains(syscalls.Groups(), name)) {
		if v.groups == nil {
			v.groups = map[string][]string{}
		}
		names = syscalls.Group(name)
		v.groups[name] = names
	}
	return names
}

// capabilityNames lists all capabilities in the kernel's order.
func (v *vocabulary) capabilityNames() []string {
	if v.capabilities == nil {
		for n, all := 0, event.CapabilityMask([]string{"ALL"}); all>>n != 0; n++ {
			v.capabilities = append(v.capabilities, event.CapabilityName(n))
		}
	}
	return v.capabilities
}

func (v *vocabulary) prctlOptions() []string {
	if v.options == nil {
		v.options = syscalls.PrctlOptions()
	}
	return v.options
}

// syscallRule reads the name of a system call, or of a group of them.
func (r *reader) syscallRule(node ast.Node) (SyscallRule, bool) {
	s, ok := r.scalar(node, "the system call")
	if !ok {
		return SyscallRule{}, false
	}
	name := strings.ToLower(s.text)
	if strings.HasPrefix(name, "@") {
		names := r.words.group(name)
		if names == nil {
			groups := syscalls.Groups()
			r.problem(s.pos, cmp.Or(r.meant(name, groups), "the groups are "+strings.Join(groups, ", ")), "unknown group of system calls %s", quoted(s.text))
		}
		return SyscallRule{Text: name, Pos: s.pos, Names: names}, names != nil
	}
	if group, inverse := strings.CutPrefix(name, "~"); inverse {
		r.problem(s.pos, "write "+quoted(group)+" under blocked_syscalls", "a list of system calls has no inverse")
		return SyscallRule{}, false
	}
	rule, ok := r.knownName(s, name, "system call", r.words.syscalls(), "man 2 syscalls lists the names")
	return SyscallRule{Text: rule.Text, Pos: rule.Pos, Names: []string{rule.Text}}, ok
}

// capability reads a name such as CAP_SYS_ADMIN, or ALL.
func (r *reader) capability(node ast.Node) (NameRule, bool) {
	s, ok := r.scalar(node, "the capability")
	if !ok {
		return NameRule{}, false
	}
	name := strings.ToUpper(s.text)
	if name == "ALL" {
		return NameRule{Text: name, Pos: s.pos}, true
	}
	known := r.words.capabilityNames()
	if slices.Contains(known, "CAP_"+name) {
		r.problem(s.pos, "write CAP_"+name, "unknown capability %s", quoted(s.text))
		return NameRule{}, false
	}
	return r.knownName(s, name, "capability", known, "man 7 capabilities lists the names; ALL is all of them")
}

// prctlOption reads a name such as PR_SET_NAME.
func (r *reader) prctlOption(node ast.Node) (NameRule, bool) {
	s, ok := r.scalar(node, "the option of prctl")
	if !ok {
		return NameRule{}, false
	}
	return r.knownName(s, strings.ToUpper(s.text), "option of prctl", r.words.prctlOptions(), "man 2 prctl lists the options")
}
