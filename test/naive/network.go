package naive

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/stockade-security/stockade/verdict"
)

// textPeer is a network rule, taken apart.
type textPeer struct {
	networks [][2]any // net.IP and the number of bits
	host     string
	ports    [][2]int
	protocol string
}

// peerOf reads a rule as docs/policy.md has it. Ports alone are for every address.
func peerOf(text string, resolvers textList) textPeer {
	var p textPeer
	rest := text
	for _, protocol := range []string{"tcp", "udp"} {
		if before, ok := strings.CutSuffix(rest, "/"+protocol); ok {
			rest, p.protocol = before, protocol
		}
	}
	address, ports := rest, ""
	switch {
	case strings.HasPrefix(rest, "["):
		end := strings.IndexByte(rest, ']')
		address, ports = rest[1:end], strings.TrimPrefix(rest[end+1:], ":")
	case strings.Count(rest, ":") < 2:
		address, ports, _ = strings.Cut(rest, ":")
	}
	if strings.Trim(address, "0123456789,-") == "" {
		address, ports = "", address
	}
	for part := range strings.SplitSeq(ports, ",") {
		if first, last, isRange := strings.Cut(part, "-"); part != "" {
			if !isRange {
				last = first
			}
			low, _ := strconv.Atoi(first)
			high, _ := strconv.Atoi(last)
			p.ports = append(p.ports, [2]int{low, high})
		}
	}
	classes := map[string][]string{
		"":            {"0.0.0.0/0", "::/0"},
		"@loopback":   {"127.0.0.0/8", "::1/128"},
		"@private":    {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"},
		"@link-local": {"169.254.0.0/16", "fe80::/10"},
		"@metadata": {
			"169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "100.100.100.200/32", "192.0.0.192/32",
			"fd00:ec2::254/128", "fd00:ec2::23/128", "fd20:ce::254/128",
		},
		"@resolvers": nil,
	}
	texts, ok := classes[address]
	switch {
	case address == "@resolvers":
		for _, r := range resolvers.rules {
			texts = append(texts, r.text)
		}
	case !ok && (strings.Contains(address, ":") || strings.Trim(address, "0123456789./") == ""):
		texts = []string{address}
	case !ok:
		p.host = address
	}
	for _, text := range texts {
		base, bitsText, hasBits := strings.Cut(text, "/")
		ip := net.ParseIP(base)
		bits, _ := strconv.Atoi(bitsText)
		if strings.Contains(base, ":") {
			if !hasBits {
				bits = 128
			}
			if short := shortest(ip); len(short) == 4 && bits >= 96 {
				ip, bits = short, bits-96
			}
		} else {
			ip = ip.To4()
			if !hasBits {
				bits = 32
			}
		}
		p.networks = append(p.networks, [2]any{ip, bits})
	}
	return p
}

// shortest is the IPv4 address within an IPv4-mapped or NAT64 one.
func shortest(ip net.IP) net.IP {
	if v4 := ip.To4(); v4 != nil {
		return v4
	}
	if strings.HasPrefix(string(ip), "\x00\x64\xff\x9b\x00\x00\x00\x00\x00\x00\x00\x00") {
		return ip[12:]
	}
	return ip
}

// bitsOf is the length of the longest of the rule's networks that holds an address, -1 if none does.
func (p *textPeer) bitsOf(addr netip.Addr) int {
	ip, longest := shortest(net.IP(addr.AsSlice())), -1
	for _, n := range p.networks {
		base, bits := n[0].(net.IP), n[1].(int)
		if len(base) != len(ip) {
			continue
		}
		inside := net.IPNet{IP: base, Mask: net.CIDRMask(bits, 8*len(base))}
		if inside.Contains(ip) && bits > longest {
			longest = bits
		}
	}
	return longest
}

// covers tests port and protocol.
func (p *textPeer) covers(port uint16, protocol string) bool {
	if protocol == "mptcp" {
		protocol = "tcp"
	}
	if p.protocol != "" && p.protocol != protocol {
		return false
	}
	return len(p.ports) == 0 || slices.ContainsFunc(p.ports, func(r [2]int) bool { return r[0] <= int(port) && int(port) <= r[1] })
}

// width is how many ports the rule covers.
func (p *textPeer) width() int {
	covered := map[int]bool{}
	for _, r := range p.ports {
		for port := r[0]; port <= r[1]; port++ {
			covered[port] = true
		}
	}
	if len(p.ports) == 0 {
		return 65536
	}
	return len(covered)
}

// nameForm is 3 if a rule names a host exactly, 2 by *., 1 by **. and 0 if not at all.
func nameForm(rule, name string) int {
	labels := func(text string) []string { return strings.Split(strings.ToLower(strings.TrimSuffix(text, ".")), ".") }
	have := labels(name)
	deep, isDeep := strings.CutPrefix(rule, "**.")
	one, isOne := strings.CutPrefix(rule, "*.")
	switch {
	case isDeep:
		if want := labels(deep); len(have) > len(want) && slices.Equal(have[len(have)-len(want):], want) {
			return 1
		}
	case isOne:
		if slices.Equal(have[1:], labels(one)) {
			return 2
		}
	case slices.Equal(have, labels(rule)):
		return 3
	}
	return 0
}

// network answers the operations on sockets.
func (p *Policy) network(e *textEntry, a *verdict.Access) said {
	allowed, blocked := e.list("allowed_network"), e.list("blocked_network")
	own := a.Op == verdict.OpBind || a.Op == verdict.OpListen
	switch {
	case a.Path != "":
		return p.socket(e, a.Path)
	case !a.Peer.IsValid():
		return said{deny: allowed.present, unlisted: true, line: allowed.line}
	case own && a.Op == verdict.OpBind && a.Peer.Port() == 0:
		return said{}
	case own:
		return p.peers(textList{}, e.list("allowed_listen"), e.list("allowed_listen"), a)
	case !allowed.present && !blocked.present:
		metadata := p.host.value("metadata")
		if metadata.text != "deny" {
			return said{}
		}
		return p.peers(textList{rules: []textRule{{"@metadata", metadata.line}}}, textList{}, textList{}, a)
	}
	return p.peers(blocked, allowed, allowed, a)
}

// peers answers by two lists; rest is what speaks for what neither names.
func (p *Policy) peers(blocked, allowed, rest textList, a *verdict.Access) said {
	var all, unnamed []said
	for i, l := range []textList{blocked, allowed} {
		for _, r := range l.rules {
			if strings.HasPrefix(r.text, "unix:") {
				continue
			}
			peer := peerOf(r.text, p.host.list("dns.resolvers"))
			if !peer.covers(a.Peer.Port(), a.Protocol) {
				continue
			}
			one := said{deny: i == 0, line: r.line, specificity: [4]int{peer.bitsOf(a.Peer.Addr()), 0, -peer.width()}}
			if peer.protocol != "" {
				one.specificity[3] = 1
			}
			for _, name := range a.Names {
				if form := nameForm(peer.host, name); peer.host != "" && form > 0 {
					one.specificity[0], one.specificity[1] = 1000*form, len(peer.host)
				}
			}
			switch {
			case one.specificity[0] >= 0:
				all = append(all, one)
			case peer.host != "" && i == 1:
				form := 3 - strings.Count(peer.host[:min(3, len(peer.host))], "*")
				one.specificity[0], one.specificity[1], one.undecided = 1000*form, len(peer.host), true
				unnamed = append(unnamed, one)
			}
		}
	}
	if s, ok := pick(all); ok {
		return s
	}
	if s, ok := pick(unnamed); ok && len(a.Names) == 0 && rest.present {
		return s
	}
	s, _ := verdictOf(nil, rest)
	return s
}

// packet answers what comes in: the first zone of the interface speaks.
func (p *Policy) packet(a *verdict.Access) said {
	for _, zone := range p.zones {
		if !slices.ContainsFunc(zone.list("interfaces").rules, func(r textRule) bool { return p.pattern(r.text).MatchString(a.Interface) }) {
			continue
		}
		closed := textList{present: true, line: zone.line}
		if a.Protocol == "icmp" || a.Protocol == "icmpv6" {
			types := map[string][]uint32{"echo-request": {8, 256 + 128}, "echo-reply": {0, 256 + 129}, "time-exceeded": {11, 256 + 3}, "packet-too-big": {256 + 2}}
			var all []said
			for _, r := range zone.list("icmp").rules {
				if slices.Contains(types[r.text], a.Number) {
					all = append(all, said{line: r.line})
				}
			}
			s, _ := verdictOf(all, closed)
			return s
		}
		var open textList
		for _, protocol := range []string{"tcp", "udp"} {
			for _, r := range zone.list(protocol).rules {
				open.rules = append(open.rules, textRule{r.text + "/" + protocol, r.line})
			}
		}
		return p.peers(textList{}, open, closed, a)
	}
	return said{deny: p.ingress.text == "deny", unlisted: true, line: p.ingress.line * strings.Count(p.ingress.text, "deny")}
}
