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

// The protocols that an entry may name.
const (
	protocolTCP = "tcp"
	protocolUDP = "udp"
)

// networkRule reads an entry that names peers. It is one of
//
//	ADDRESS[/BITS][:PORTS][/PROTOCOL]   an IPv6 address with ports stands in brackets
//	@CLASS[:PORTS][/PROTOCOL]
//	NAME[:PORTS][/PROTOCOL]             a host name; *. before it stands for one label, **. for one or more
//	unix:/PATH or unix:@NAME            with patterns as for files
//
// where PORTS is a list such as 443,8000-8100 and PROTOCOL is tcp or udp.
func (r *reader) networkRule(node ast.Node) (NetworkRule, bool) {
	return r.networkEntry(node, parseNetwork, networkForms)
}

// grantedRule reads an entry that allows peers: one whose name shares its suffix with strangers needs the process entry's
// leave.
func (r *reader) grantedRule(node ast.Node) (NetworkRule, bool) {
	rule, ok := r.networkRule(node)
	if why := sharedSuffix(rule.Host); ok && why != "" {
		r.shared = append(r.shared, sharedName{rule.Pos, rule.Text, why})
	}
	return rule, ok
}

// listenRule reads an entry of allowed_listen: PORTS[/PROTOCOL] for every own address, or an own address as networkRule
// reads it.
func (r *reader) listenRule(node ast.Node) (NetworkRule, bool) {
	return r.networkEntry(node, parseListen, listenForms)
}

// What may be written, as a hint where there is no better.
const (
	networkForms = "write 10.0.0.0/8:443, [2001:db8::/32]:443/tcp, *.example.com:443, @private or unix:/path"
	listenForms  = "write 80/tcp, 8000-8100, 127.0.0.1:80/tcp or [::1]:80"
)

func (r *reader) networkEntry(node ast.Node, parse func(string) (NetworkRule, *networkError), forms string) (NetworkRule, bool) {
	s, ok := r.scalar(node, "a network entry")
	if !ok {
		return NetworkRule{}, false
	}
	rule, err := parse(s.text)
	if err != nil {
		r.problem(s.point(err.offset), cmp.Or(err.hint, forms), "bad network entry %s: %s", quoted(s.text), err.message)
		return NetworkRule{}, false
	}
	rule.Text, rule.Pos = s.text, s.pos
	if rule.unresolved() {
		r.resolverUses = append(r.resolverUses, s.point(0))
	}
	return rule, true
}

// networkError says what is wrong with a network entry, at which byte, and what to write.
type networkError struct {
	offset  int
	message string
	hint    string
}

// networkParts are an entry's parts and the bytes at which they start, -1 for a part that is absent.
type networkParts struct {
	peer, ports, protocol       string
	peerAt, portsAt, protocolAt int
}

func parseNetwork(text string) (NetworkRule, *networkError) {
	if name, ok := strings.CutPrefix(text, "unix:"); ok {
		return parseUnix(name)
	}
	if scheme := strings.Index(text, "://"); scheme >= 0 {
		return NetworkRule{}, &networkError{scheme, "a URL", "write the host name and the port alone: example.com:443"}
	}
	parts, err := splitEntry(text)
	if err != nil {
		return NetworkRule{}, err
	}
	var rule NetworkRule
	switch peer := parts.peer; {
	case strings.HasPrefix(peer, "@"):
		rule.Prefixes, err = parseClass(peer)
	case peer == "*" || peer == "**":
		err = &networkError{0, "a pattern without a name", "write 0.0.0.0/0 and ::/0, or with ports [::/0]:443, for every address"}
	case isPorts(peer):
		err = &networkError{0, "ports without an address", "write 0.0.0.0/0:" + peer + " and [::/0]:" + peer + " for every address"}
	case looksNumeric(peer):
		var prefix netip.Prefix
		prefix, err = parsePrefix(peer)
		rule.Prefixes = []netip.Prefix{prefix}
	default:
		rule.Host, err = parseHost(peer)
	}
	if err != nil {
		err.offset += parts.peerAt
		return NetworkRule{}, err
	}
	return parts.qualify(rule)
}

// qualify adds ports and protocol to a rule that names its peer.
func (p networkParts) qualify(rule NetworkRule) (NetworkRule, *networkError) {
	var err *networkError
	if p.protocolAt >= 0 {
		rule.Protocol = strings.ToLower(p.protocol)
		if rule.Protocol != protocolTCP && rule.Protocol != protocolUDP {
			return rule, &networkError{p.protocolAt, "the protocol is neither tcp nor udp", "leave the protocol out: then the entry covers every one"}
		}
	}
	if p.portsAt >= 0 {
		rule.Ports, err = parsePorts(p.ports, p.portsAt)
	}
	return rule, err
}

func parseListen(text string) (NetworkRule, *networkError) {
	rule, err := parsePortsFirst(text)
	switch {
	case err != nil:
	case rule.Path != nil:
		err = &networkError{0, "a UNIX socket has no port", "allow its path for writing in allowed_files: binding creates the file"}
	case rule.Host != "":
		err = &networkError{0, "a host name is no own address", ""}
	case rule.unresolved() || strings.HasPrefix(text, "@metadata"):
		err = &networkError{0, "a class of other machines' addresses", ""}
	}
	return rule, err
}

// parsePortsFirst reads PORTS[/PROTOCOL] as those of every address, and anything else as parseNetwork.
func parsePortsFirst(text string) (NetworkRule, *networkError) {
	ports, protocol, hasProtocol := strings.Cut(text, "/")
	if !isPorts(ports) {
		return parseNetwork(text)
	}
	parts := networkParts{ports: ports, protocol: protocol, protocolAt: -1}
	if hasProtocol {
		parts.protocolAt = len(ports) + 1
	}
	return parts.qualify(NetworkRule{Prefixes: anyAddress()})
}

func anyAddress() []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
}

func parseUnix(name string) (NetworkRule, *networkError) {
	const at = len("unix:")
	g, err := glob.Parse(name)
	if syntax, bad := errors.AsType[*glob.SyntaxError](err); bad {
		return NetworkRule{}, &networkError{at + syntax.Offset, syntax.Message, ""}
	}
	if strings.HasPrefix(name, "@") {
		return NetworkRule{Path: g}, nil
	}
	if !g.Rooted() {
		return NetworkRule{}, &networkError{at, "a UNIX socket's name starts with /, or with @ if it is abstract", ""}
	}
	if hint := neverMatches(name, g); hint != "" {
		return NetworkRule{}, &networkError{at, "the pattern can match no path", hint}
	}
	return NetworkRule{Path: g}, nil
}

// splitEntry parts an entry into peer, ports and protocol.
func splitEntry(text string) (networkParts, *networkError) {
	p := networkParts{portsAt: -1, protocolAt: -1}
	rest := text
	if i := strings.LastIndexByte(text, '/'); i >= 0 && strings.Trim(text[i+1:], "0123456789:,-]") != "" {
		rest, p.protocol, p.protocolAt = text[:i], text[i+1:], i+1
	}
	if strings.HasPrefix(rest, "[") {
		return p, p.splitBrackets(rest)
	}
	if strings.Count(rest, ":") > 1 {
		if slash := strings.IndexByte(rest, '/'); slash >= 0 && strings.Contains(rest[slash:], ":") {
			colon := slash + strings.IndexByte(rest[slash:], ':')
			return p, &networkError{colon, "an IPv6 address with ports stands in brackets", "write [" + rest[:colon] + "]" + text[colon:]}
		}
		p.peer = rest
		return p, nil
	}
	var hasPorts bool
	if p.peer, p.ports, hasPorts = strings.Cut(rest, ":"); hasPorts {
		p.portsAt = len(p.peer) + 1
	}
	return p, nil
}

func (p *networkParts) splitBrackets(rest string) *networkError {
	end := strings.IndexByte(rest, ']')
	if end < 0 {
		return &networkError{0, "[ is never closed", ""}
	}
	p.peer, p.peerAt = rest[1:end], 1
	switch tail := rest[end+1:]; {
	case !strings.Contains(p.peer, ":"):
		return &networkError{0, "brackets are for IPv6 addresses", "write it without brackets"}
	case tail == "":
	case tail[0] == ':':
		p.ports, p.portsAt = tail[1:], end+2
	default:
		return &networkError{end + 1, "only :PORTS may follow ]", "write the length inside: [2001:db8::/32]:443"}
	}
	return nil
}

// parsePorts returns the ranges sorted and merged; at is where text starts in its entry.
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
			return nil, &networkError{at, fmt.Sprintf("the range %s is the wrong way round", part), fmt.Sprintf("write %d-%d", last, first)}
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

// isPorts reports whether the text can only be meant as ports.
func isPorts(text string) bool {
	return strings.Trim(text, "0123456789,-") == "" && strings.ContainsAny(text, "0123456789")
}
