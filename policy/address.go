package policy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// looksNumeric reports whether the peer can only be meant as an address.
func looksNumeric(peer string) bool {
	return strings.Contains(peer, ":") || strings.Trim(peer, "0123456789./") == ""
}

func parsePrefix(text string) (netip.Prefix, *networkError) {
	var prefix netip.Prefix
	address, bits, hasBits := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return prefix, &networkError{0, "not an IP address", ""}
	}
	if zone := addr.Zone(); zone != "" {
		return prefix, &networkError{len(address) - len(zone) - 1, "an address is meant on every interface", "write it without %" + zone}
	}
	prefix = netip.PrefixFrom(addr, addr.BitLen())
	if hasBits {
		n, err := strconv.ParseUint(bits, 10, 8)
		if err != nil || int(n) > addr.BitLen() {
			return prefix, &networkError{len(address) + 1, fmt.Sprintf("the prefix length must be 0 to %d", addr.BitLen()), ""}
		}
		prefix = netip.PrefixFrom(addr, int(n))
	}
	if masked := prefix.Masked(); masked != prefix {
		return prefix, &networkError{0, "the address has bits behind the prefix length", fmt.Sprintf("write %s for the network, %s for the address", masked, addr)}
	}
	if n := prefix.Bits(); n >= 32 && n < embeddedAt && prefix.Contains(nat64()) {
		return prefix, &networkError{len(address) + 1, "a part of it is NAT64, whose addresses are the IPv4 addresses that they hold", "write 64:ff9b::/96 for all of these, and the rest by itself"}
	}
	return normalPrefix(prefix), nil
}

// Embeddings of IPv4 in IPv6 have their 32 bits at the end, behind 96: IPv4-mapped (RFC 4291, 2.5.5.2) and the
// well-known prefix of NAT64 (RFC 6052, 2.1).
const embeddedAt = 96

// nat64 is the first address of NAT64's well-known prefix.
func nat64() netip.Addr { return netip.AddrFrom16([16]byte{0x00, 0x64, 0xff, 0x9b}) }

// NormalAddr returns the address that a is a form of: the IPv4 address in an IPv4-mapped or NAT64 one, and a without
// its zone otherwise.
func NormalAddr(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if b := a.As16(); [12]byte(b[:12]) == [12]byte{0x00, 0x64, 0xff, 0x9b} {
			return netip.AddrFrom4([4]byte(b[12:]))
		}
	}
	return a
}

func normalPrefix(p netip.Prefix) netip.Prefix {
	if a := NormalAddr(p.Addr()); a.Is4() && p.Addr().Is6() && p.Bits() >= embeddedAt {
		return netip.PrefixFrom(a, p.Bits()-embeddedAt)
	}
	return p
}

// classResolvers stands for the addresses in dns.resolvers, which are known when all of the policy is read.
const classResolvers = "@resolvers"

// classes returns the names of the classes of addresses.
func classes() []string {
	return []string{"@loopback", "@private", "@link-local", "@metadata", classResolvers}
}

// Class returns the networks of a class such as @metadata; nil for @resolvers, which the policy itself names, and for what
// is no class.
func Class(name string) []netip.Prefix {
	var texts []string
	switch name {
	case "@loopback": // RFC 1122, 3.2.1.3; RFC 4291, 2.5.3
		texts = []string{"127.0.0.0/8", "::1/128"}
	case "@private": // RFC 1918; RFC 4193
		texts = []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"}
	case "@link-local": // RFC 3927; RFC 4291, 2.5.6
		texts = []string{"169.254.0.0/16", "fe80::/10"}
	case "@metadata":
		// Services that hand a machine its credentials, by their vendors' manuals: EC2, Azure, Google and many more
		// (169.254.169.254, fd00:ec2::254, fd20:ce::254), ECS tasks, EKS pods, Alibaba, Oracle. Azure's 168.63.129.16 is
		// not among them: it is also the resolver there.
		texts = []string{
			"169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "100.100.100.200/32", "192.0.0.192/32",
			"fd00:ec2::254/128", "fd00:ec2::23/128", "fd20:ce::254/128",
		}
	}
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// parseClass returns the networks of a class, none for @resolvers.
func parseClass(name string) ([]netip.Prefix, *networkError) {
	if out := Class(name); out != nil || name == classResolvers {
		return out, nil
	}
	hint := "the classes are " + strings.Join(classes(), ", ")
	if meant := closest(name, classes()); meant != "" {
		hint = "did you mean " + meant + "?"
	}
	return nil, &networkError{0, "no such class of addresses", hint}
}

// unresolved reports whether the rule is about @resolvers and waits for their addresses.
func (r *NetworkRule) unresolved() bool { return r.Prefixes == nil && r.Host == "" && r.Path == nil }

// fillResolvers gives the rules about @resolvers their addresses.
func (b *book) fillResolvers(p *Policy) {
	var resolvers []netip.Prefix
	for _, rule := range p.DNS.Resolvers.Rules {
		resolvers = append(resolvers, rule.Prefixes...)
	}
	if resolvers == nil {
		for _, pos := range b.resolverUses {
			b.problem(pos, `add "dns: {resolvers: [192.0.2.53]}" with the addresses of yours`, "%s stands for nothing: the policy names no resolvers", classResolvers)
		}
		return
	}
	lists := []List[NetworkRule]{p.Firewall.Egress.Allow, p.Firewall.Egress.Block}
	for _, zone := range p.Firewall.Ingress.Zones {
		lists = append(lists, zone.TCP, zone.UDP)
	}
	for i := range p.Processes {
		lists = append(lists, p.Processes[i].AllowedNetwork, p.Processes[i].BlockedNetwork)
	}
	if p.Default != nil {
		lists = append(lists, p.Default.AllowedNetwork, p.Default.BlockedNetwork)
	}
	for _, list := range lists {
		for i := range list.Rules {
			if list.Rules[i].unresolved() {
				list.Rules[i].Prefixes = resolvers
			}
		}
	}
}
