package policy

import (
	"iter"
	"net/netip"
	"slices"
	"strings"
)

// networkCover finds candidates by the networks that hold the first of a rule's, and by the names above a rule's.
func networkCover(rules []NetworkRule, effort *int) *cover[NetworkRule] {
	byPrefix, byHost := map[netip.Prefix][]int{}, map[string][]int{}
	var sockets []int
	for i, rule := range rules {
		for _, p := range rule.Prefixes {
			byPrefix[p] = append(byPrefix[p], i)
		}
		switch {
		case rule.Host != "":
			byHost[rule.Host] = append(byHost[rule.Host], i)
		case rule.Path != nil:
			sockets = append(sockets, i)
		}
	}
	return &cover[NetworkRule]{
		rules: rules, effort: effort,
		candidates: func(rule NetworkRule) iter.Seq[int] {
			return func(yield func(int) bool) {
				switch {
				case rule.Path != nil:
					each(sockets, yield)
				case rule.Host != "":
					for _, host := range hostsOver(rule.Host) {
						if !each(byHost[host], yield) {
							return
						}
					}
				case len(rule.Prefixes) > 0:
					first := rule.Prefixes[0]
					for bits := range first.Bits() + 1 {
						if p, _ := first.Addr().Prefix(bits); !each(byPrefix[p], yield) {
							return
						}
					}
				}
			}
		},
		covers: NetworkRule.covers,
		told:   func(rule NetworkRule) (string, Position) { return rule.Text, rule.Pos },
	}
}

// hostsOver returns the patterns that match every name which host matches, host itself first.
func hostsOver(host string) []string {
	out := []string{host}
	name := strings.TrimPrefix(strings.TrimPrefix(host, "**."), "*.")
	if name != host {
		out = append(out, "**."+name)
	} else if _, parent, ok := strings.Cut(name, "."); ok {
		out = append(out, "*."+parent)
	}
	for _, parent, ok := strings.Cut(name, "."); ok; _, parent, ok = strings.Cut(parent, ".") {
		out = append(out, "**."+parent)
	}
	return out
}

// covers reports whether r names every peer that narrow does.
func (r NetworkRule) covers(narrow NetworkRule) bool {
	if r.Protocol != "" && r.Protocol != narrow.Protocol || !portsWithin(narrow.Ports, r.Ports) {
		return false
	}
	switch {
	case narrow.Path != nil:
		return r.Path != nil && r.Path.Covers(narrow.Path)
	case narrow.Host != "":
		return slices.Contains(hostsOver(narrow.Host), r.Host)
	}
	return !slices.ContainsFunc(narrow.Prefixes, func(p netip.Prefix) bool {
		return !slices.ContainsFunc(r.Prefixes, func(q netip.Prefix) bool { return q.Bits() <= p.Bits() && q.Contains(p.Addr()) })
	})
}

// portsWithin reports whether wide holds all of narrow; no ports are all ports.
func portsWithin(narrow, wide []PortRange) bool {
	if len(wide) == 0 || len(narrow) == 0 {
		return len(wide) == 0
	}
	return !slices.ContainsFunc(narrow, func(p PortRange) bool {
		return !slices.ContainsFunc(wide, func(q PortRange) bool { return q.First <= p.First && p.Last <= q.Last })
	})
}
