package policy

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/stockade-security/stockade/policy/glob"
)

// networkRule reads one of
//
//	ADDRESS[/BITS][:PORTS][/PROTOCOL]   an IPv6 address with ports stands in brackets
//	NAME[:PORTS][/PROTOCOL]
//	unix:/PATH or unix:@NAME            with patterns as for files
//
// where PORTS is a list such as 443,8000-8100 and PROTOCOL is tcp or udp.
func (r *reader) networkRule(node ast.Node) (NetworkRule, bool) {
	s, ok := r.scalar(node, "a network entry")
	if !ok {
		return NetworkRule{}, false
	}
	rule, err := parseNetwork(s.text)
	if err != nil {
		r.problem(s.point(err.offset), cmp.Or(err.hint, networkForms), "bad network entry %s: %s", quoted(s.text), err.message)
		return NetworkRule{}, false
	}
	rule.Text, rule.Pos = s.text, s.pos
	return rule, true
}

// networkForms is the hint where there is no better.
const networkForms = "write 10.0.0.0/8:443, [2001:db8::/32]:443/tcp, *.example.com:443 or unix:/path"

// networkError says what is wrong with a network entry, at which byte, and what to write.
type networkError struct {
	offset  int
	message string
	hint    string
}

func parseNetwork(text string) (NetworkRule, *networkError) {
	if name, ok := strings.CutPrefix(text, "unix:"); ok {
		return parseUnix(name)
	}
	if scheme := strings.Index(text, "://"); scheme >= 0 {
		return NetworkRule{}, &networkError{scheme, "a URL", "write the host name and the port alone: example.com:443"}
	}
	if strings.HasPrefix(text, "@") {
		return NetworkRule{}, &networkError{0, "classes of addresses are not in this version", "list the addresses"}
	}
	rest := text
	var rule NetworkRule
	if i := strings.LastIndexByte(text, '/'); i >= 0 && strings.Trim(text[i+1:], "0123456789:,-]") != "" {
		rest, rule.Protocol = text[:i], strings.ToLower(text[i+1:])
		if rule.Protocol != "tcp" && rule.Protocol != "udp" {
			return rule, &networkError{i + 1, "the protocol is neither tcp nor udp", ""}
		}
	}
	peer, ports, portsAt, err := splitPeer(rest)
	if err != nil {
		return rule, err
	}
	if portsAt >= 0 {
		if rule.Ports, err = parsePorts(ports, portsAt); err != nil {
			return rule, err
		}
	}
	if peer == "*" || peer == "**" {
		return rule, &networkError{0, "a pattern without a name", "write 0.0.0.0/0 and ::/0, or with ports [::/0]:443, for every address"}
	}
	if looksNumeric(peer) {
		var prefix netip.Prefix
		prefix, err = parsePrefix(peer)
		rule.Prefixes = []netip.Prefix{prefix}
	} else {
		rule.Host, err = parseHost(peer)
	}
	return rule, err
}

func parseUnix(name string) (NetworkRule, *networkError) {
	const at = len("unix:")
	g, err := glob.Parse(name)
	if syntax, bad := errors.AsType[*glob.SyntaxError](err); bad {
		return NetworkRule{}, &networkError{at + syntax.Offset, syntax.Message, ""}
	}
	if !g.Rooted() && !strings.HasPrefix(name, "@") {
		return NetworkRule{}, &networkError{at, "a UNIX socket's name starts with /, or with @ if it is abstract", ""}
	}
	return NetworkRule{Path: g}, nil
}

// splitPeer parts address or name from ports; portsAt is -1 without ports.
func splitPeer(rest string) (peer, ports string, portsAt int, err *networkError) {
	if strings.HasPrefix(rest, "[") {
		end := strings.IndexByte(rest, ']')
		if end < 0 {
			return "", "", 0, &networkError{0, "[ is never closed", ""}
		}
		peer = rest[1:end]
		switch tail := rest[end+1:]; {
		case tail == "":
			return peer, "", -1, nil
		case tail[0] == ':':
			return peer, tail[1:], end + 2, nil
		}
		return "", "", 0, &networkError{end + 1, "only :PORTS may follow ]", "write the length inside: [2001:db8::/32]:443"}
	}
	if strings.Count(rest, ":") > 1 {
		if slash := strings.IndexByte(rest, '/'); slash >= 0 && strings.Contains(rest[slash:], ":") {
			colon := slash + strings.IndexByte(rest[slash:], ':')
			return "", "", 0, &networkError{colon, "an IPv6 address with ports stands in brackets", "write [" + rest[:colon] + "]" + rest[colon:]}
		}
		return rest, "", -1, nil
	}
	peer, ports, ok := strings.Cut(rest, ":")
	if !ok {
		return peer, "", -1, nil
	}
	return peer, ports, len(peer) + 1, nil
}

// looksNumeric reports whether the peer can only be meant as an address.
func looksNumeric(peer string) bool {
	return strings.Contains(peer, ":") || strings.Trim(peer, "0123456789./") == ""
}

func parsePrefix(text string) (netip.Prefix, *networkError) {
	var prefix netip.Prefix
	address, bits, hasBits := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Zone() != "" {
		return prefix, &networkError{0, "not an IP address", ""}
	}
	prefix = netip.PrefixFrom(addr, addr.BitLen())
	if hasBits {
		n, err := strconv.ParseUint(bits, 10, 8)
		if err != nil || int(n) > addr.BitLen() {
			return prefix, &networkError{strings.IndexByte(text, '/') + 1, fmt.Sprintf("the prefix length must be 0 to %d", addr.BitLen()), ""}
		}
		prefix = netip.PrefixFrom(addr, int(n))
	}
	if masked := prefix.Masked(); masked != prefix {
		return prefix, &networkError{0, "the address has bits behind the prefix length", fmt.Sprintf("write %s for the network, %s for the address", masked, addr)}
	}
	return normalPrefix(prefix), nil
}

// Embeddings of IPv4 in IPv6 have their 32 bits at the end, behind 96: IPv4-mapped (RFC 4291, 2.5.5.2) and the
// well-known prefix of NAT64 (RFC 6052, 2.1).
const embeddedAt = 96

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

// parsePorts returns the ranges sorted and merged.
func parsePorts(text string, at int) ([]PortRange, *networkError) {
	var out []PortRange
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		first, err1 := strconv.ParseUint(low, 10, 16)
		last, err2 := strconv.ParseUint(high, 10, 16)
		switch {
		case err1 != nil || err2 != nil || first == 0:
			return nil, &networkError{at, fmt.Sprintf("%q is no port from 1 to 65535", part), "write ports as 443,8000-8100; leave them out for all"}
		case last < first:
			return nil, &networkError{at, fmt.Sprintf("the range %s is the wrong way round", part), ""}
		}
		out = append(out, PortRange{uint16(first), uint16(last)})
		at += len(part) + 1
	}
	slices.SortFunc(out, func(a, b PortRange) int { return cmp.Compare(a.First, b.First) })
	merged := out[:1]
	for _, next := range out[1:] {
		if last := &merged[len(merged)-1]; int(next.First) <= int(last.Last)+1 {
			last.Last = max(last.Last, next.Last)
		} else {
			merged = append(merged, next)
		}
	}
	return merged, nil
}

// parseHost checks a host name: letters, digits, - and _ in labels, and *. or **. before them.
func parseHost(text string) (string, *networkError) {
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	labels := strings.TrimPrefix(strings.TrimPrefix(name, "**."), "*.")
	at := len(name) - len(labels)
	if len(name) > 253 {
		return "", &networkError{0, "a host name has at most 253 characters", ""}
	}
	for label := range strings.SplitSeq(labels, ".") {
		bad := strings.IndexFunc(label, func(c rune) bool {
			return !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_')
		})
		if bad >= 0 || label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", &networkError{at + max(0, bad), "neither an address nor a host name", ""}
		}
		at += len(label) + 1
	}
	return name, nil
}
