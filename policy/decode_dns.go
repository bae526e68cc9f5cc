package policy

import (
	"net/netip"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Bounds on leases.
const (
	maxLease        = 24 * time.Hour
	maxLeasePerName = 65536
)

func dnsSection() section[DNS] {
	return section[DNS]{
		name: "dns",
		keys: []key[DNS]{
			{"resolvers", listOf((*reader).resolverRule, func(d *DNS) *List[NetworkRule] { return &d.Resolvers })},
			{"block_names", func(r *reader, e entry, d *DNS) {
				r.recordedOnly(e, "judges no look-ups of names")
				d.BlockNames = list(r, e, (*reader).nameEntry)
			}},
			{"lease", func(r *reader, e entry, d *DNS) {
				r.recordedOnly(e, "does not resolve names")
				d.Lease.Pos = e.pos
				decode(r, e.value, leaseSection(), &d.Lease)
			}},
		},
	}
}

func leaseSection() section[Lease] {
	return section[Lease]{
		name: "lease",
		keys: []key[Lease]{
			{"floor", func(r *reader, e entry, l *Lease) { l.Floor = r.duration(e, maxLease) }},
			{"grace", func(r *reader, e entry, l *Lease) { l.Grace = r.duration(e, maxLease) }},
			{"per_name", func(r *reader, e entry, l *Lease) { l.PerName = r.count(e, maxLeasePerName) }},
		},
	}
}

// resolverRule reads one address.
func (r *reader) resolverRule(node ast.Node) (NetworkRule, bool) {
	return r.networkEntry(node, func(text string) (NetworkRule, *networkError) {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return NetworkRule{}, &networkError{0, "a resolver is one address, without ports", ""}
		}
		addr = NormalAddr(addr)
		return NetworkRule{Prefixes: []netip.Prefix{netip.PrefixFrom(addr, addr.BitLen())}}, nil
	}, "write 192.0.2.53 or 2001:db8::53")
}

// nameEntry reads a host name or a pattern of host names.
func (r *reader) nameEntry(node ast.Node) (NetworkRule, bool) {
	return r.networkEntry(node, func(text string) (NetworkRule, *networkError) {
		if looksNumeric(text) {
			return NetworkRule{}, &networkError{0, "not a host name", ""}
		}
		host, err := parseHost(text)
		return NetworkRule{Host: host}, err
	}, "write example.com, *.example.com or **.example.com")
}
