package compile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/glob"
)

// host compiles what holds for every task.
func (c *compiler) host() error {
	h := &c.policy.Host
	out := &c.image.Host
	for _, step := range []func(*policy.Host, *Host) error{c.guarded, c.named, c.switches, c.metadata} {
		if err := step(h, out); err != nil {
			return fmt.Errorf("host: %w", err)
		}
	}
	return nil
}

// guarded compiles what only some executables may use. Of several entries the most specific one speaks, for those that it
// exempts too: their subject decides.
func (c *compiler) guarded(h *policy.Host, out *Host) error {
	var exec, read, write, device []candidate[pattern]
	for _, r := range h.Exec.Rules {
		exec = c.guard(exec, offence{TypeExec, event.SeverityHigh}, r.Path, r.Parents)
	}
	for _, r := range h.Files.Rules {
		read = c.guard(read, offence{TypeFile, event.SeverityHigh}, r.Path, r.Readers)
		write = c.guard(write, offence{TypeFile, event.SeverityHigh}, r.Path, r.Writers)
	}
	for _, r := range h.Devices.Rules {
		device = c.guard(device, offence{TypeKernel, event.SeverityHigh}, r.Path, r.AllowExe)
	}
	for _, t := range []struct {
		what string
		list []candidate[pattern]
		to   *Table
	}{{"exec", exec, &out.Exec}, {"readers", read, &out.Read}, {"writers", write, &out.Write}, {"devices", device, &out.Device}} {
		table, err := c.table(t.what, t.list, ends{})
		if err != nil {
			return err
		}
		*t.to = table
	}
	return nil
}

// guard adds a candidate that denies a path to all but the executables of a list, if that is present.
func (c *compiler) guard(list []candidate[pattern], o offence, path policy.PathRule, exempt policy.List[policy.PathRule]) []candidate[pattern] {
	if !exempt.Present {
		return list
	}
	d := o.deny()
	d.Grant = c.grant(exempt)
	return append(list, candidate[pattern]{
		rule: Rule{path.Text, path.Pos}, decision: d, specificity: byGlob(path.Glob), what: pattern{path.Glob, policy.AccessAll},
	})
}

// named compiles what is known by its name: mounts, modules, host names.
func (c *compiler) named(h *policy.Host, out *Host) error {
	mounts := offence{TypeKernel, event.SeverityHigh}
	var err error
	if out.Mount, err = c.table("mounts", patterns(h.BlockedMountSources, policy.AccessAll, mounts.deny()), ends{}); err != nil {
		return err
	}
	if out.Module, err = c.modules(h); err != nil {
		return err
	}
	out.Names, err = c.blockedNames()
	return err
}

func (c *compiler) modules(h *policy.Host) (Table, error) {
	denied := offence{TypeKernel, event.SeverityCritical}
	var list []candidate[pattern]
	add := func(rules []policy.NameRule, d Decision) error {
		for _, r := range rules {
			// The kernel writes all names of modules with _.
			g, err := glob.Parse(literal(strings.ReplaceAll(r.Text, "-", "_")))
			if err != nil {
				return fmt.Errorf("%s: kernel module %q: %w", r.Pos, r.Text, err)
			}
			list = append(list, candidate[pattern]{rule: Rule(r), decision: d, specificity: byGlob(g), what: pattern{g, policy.AccessAll}})
		}
		return nil
	}
	if err := add(h.ModulesBlocked.Rules, denied.deny()); err != nil {
		return Table{}, err
	}
	if err := add(h.ModulesAllowed.Rules, Decision{Type: TypeKernel}); err != nil {
		return Table{}, err
	}
	return c.table("kernel modules", list, c.ends(denied, keyOf("kernel_modules.allow", h.ModulesAllowed)))
}

func (c *compiler) blockedNames() (Table, error) {
	denied := offence{TypeDNS, event.SeverityHigh}
	list := peerRules(c.policy.DNS.BlockNames, denied.deny())
	var ends ends
	settle(c, list, &ends)
	var patterns []automaton.Pattern
	for i, r := range list {
		patterns = append(patterns, automaton.Pattern{Name: r.what.host, Value: uint32(i)})
	}
	automata, err := c.automata(patterns)
	if err != nil {
		return Table{}, fmt.Errorf("blocked names: %w", err)
	}
	return Table{Automata: automata, Base: ends.first}, nil
}

// switches compiles what is open to some executables only.
func (c *compiler) switches(h *policy.Host, out *Host) error {
	for _, s := range []struct {
		key      string
		list     policy.List[policy.PathRule]
		severity event.Severity
		to       *uint32
	}{
		{"bpf.allow_exe", h.BPF, event.SeverityCritical, &out.BPF},
		{"settime.allow_exe", h.Settime, event.SeverityHigh, &out.Settime},
		{"keyrings.allow_exe", h.Keyrings, event.SeverityHigh, &out.Keyring},
		{"io_uring.allow_exe", h.IOUring, event.SeverityHigh, &out.IOUring},
	} {
		if s.list.Present {
			d := c.unlisted(offence{TypeKernel, s.severity}, keyOf(s.key, s.list))
			d.Grant = c.grant(s.list)
			*s.to = c.run([]Decision{d})
		}
	}
	for _, r := range h.BlockedPrctl.Rules {
		n, ok := syscalls.PrctlOption(r.Text)
		if !ok {
			return fmt.Errorf("%s: prctl has no option %q", r.Pos, r.Text)
		}
		d := offence{TypeKernel, event.SeverityHigh}.deny()
		d.Rule, d.Grant = c.rule(Rule(r)), c.grant(h.PrctlExe)
		out.Prctl = append(out.Prctl, Option{Number: n, Decision: c.run([]Decision{d})})
	}
	out.Prctl = uniqueOptions(out.Prctl)
	return nil
}

// uniqueOptions sorts by number and keeps the first of each.
func uniqueOptions(list []Option) []Option {
	slices.SortStableFunc(list, func(a, b Option) int { return cmp.Compare(a.Number, b.Number) })
	return slices.CompactFunc(list, func(a, b Option) bool { return a.Number == b.Number })
}

// metadata compiles the network of tasks that no network keys speak of.
func (c *compiler) metadata(h *policy.Host, out *Host) error {
	out.Metadata = NoTable
	if !h.DenyMetadata.Set {
		return nil
	}
	rule := policy.NetworkRule{Text: "metadata", Pos: h.DenyMetadata.Pos, Prefixes: policy.Class("@metadata")}
	denied := offence{TypeNetwork, event.SeverityCritical}
	list := peerRules(policy.List[policy.NetworkRule]{Rules: []policy.NetworkRule{rule}}, denied.deny())
	n, err := c.network(list, ends{})
	out.Metadata = n
	return err
}
