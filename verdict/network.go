package verdict

import (
	"cmp"
	"net/netip"
	"slices"
	"sort"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/compile"
)

// peer judges reaching out: to a UNIX socket, to an address, or with a packet socket to everything below IP.
func (j *judge) peer() Decision {
	a := j.access
	if a.Path != "" {
		path, long := a.Path, len(a.Path) > compile.MaxPath
		if path[0] != '@' {
			path, long = clean(path, a.Truncated)
		}
		return j.path(&j.subject.Paths[compile.ClassUnix], path, long)
	}
	if !a.Peer.IsValid() {
		return j.says(j.subject.Packet)
	}
	if j.subject.Peers == compile.NoTable {
		return j.network(j.img.Host.Metadata)
	}
	return j.network(j.subject.Peers)
}

// local judges the own address. A bind to port 0 says nothing yet: the port that it gets is nobody's to know.
func (j *judge) local() Decision {
	a := j.access
	switch {
	case a.Path != "":
		return Decision{}
	case !a.Peer.IsValid():
		return j.says(j.subject.Packet)
	case a.Op == OpBind && a.Peer.Port() == 0:
		return Decision{}
	}
	return j.network(j.subject.Listen)
}

// ingress judges a packet that would start a connection, by the first zone that its interface is in.
func (j *judge) ingress() Decision {
	a := j.access
	for i := range j.img.Firewall.Zones {
		zone := &j.img.Firewall.Zones[i]
		if match(j.img, &zone.Interfaces, a.Interface) != 1 {
			continue
		}
		if isICMP(a.Protocol) {
			if id := option(zone.ICMP, a.Number); id != compile.NoDecision {
				return j.says(id)
			}
			return j.says(zone.Miss)
		}
		return j.network(zone.Peers)
	}
	return j.says(j.img.Firewall.ZoneMiss)
}

// network judges the peer by what is said of its address and of each name that is known to stand for it.
func (j *judge) network(index uint32) Decision {
	if index == compile.NoTable {
		return Decision{}
	}
	a, n := j.access, &j.img.Networks[index]
	port, protocol := a.Peer.Port(), protocolOf(a.Protocol)
	id := uint32(compile.NoDecision)
	if p := longest(n.Prefixes, policy.NormalAddr(a.Peer.Addr())); p != nil {
		id = j.port(p.Ports, protocol, port)
	}
	for _, name := range a.Names {
		id = first(id, j.name(n, name, protocol, port))
	}
	if id != compile.NoDecision {
		return j.says(id)
	}
	miss := j.says(n.Miss)
	if miss.Denied && len(a.Names) == 0 {
		if by := j.port(n.Unnamed, protocol, port); by != compile.NoDecision {
			return Decision{Undecided: true, ID: by}
		}
	}
	return miss
}

// first is the decision that has precedence within one table.
func first(a, b uint32) uint32 {
	if a == compile.NoDecision || b != compile.NoDecision && b < a {
		return b
	}
	return a
}

// name is what a network says of a port of a host.
func (j *judge) name(n *compile.Network, name string, protocol compile.Protocol, port uint16) uint32 {
	id := uint32(compile.NoDecision)
	for i := range n.Hosts.Automata.Count {
		if set := j.img.Automata[n.Hosts.Automata.First+i].MatchName(name); set != automaton.None {
			id = first(id, j.port(j.img.NameSets[n.Names.First+set], protocol, port))
		}
	}
	return id
}

// port is what the ranges say of a port, or NoDecision.
func (j *judge) port(r compile.Range, protocol compile.Protocol, port uint16) uint32 {
	ports := j.img.Ports[r.First:][:r.Count]
	i, found := slices.BinarySearchFunc(ports, port, func(p compile.Port, port uint16) int {
		switch {
		case p.Protocol != protocol:
			return cmp.Compare(p.Protocol, protocol)
		case p.Last < port:
			return -1
		case p.First > port:
			return 1
		}
		return 0
	})
	if !found {
		return compile.NoDecision
	}
	return ports[i].Decision
}

func isICMP(protocol string) bool { return protocol == "icmp" || protocol == "icmpv6" }

func protocolOf(name string) compile.Protocol {
	switch name {
	case "tcp", "mptcp":
		return compile.ProtocolTCP
	case "udp":
		return compile.ProtocolUDP
	}
	return compile.ProtocolOther
}

// longest returns the longest prefix that holds an address, nil if none does. It takes two searches for each length
// that the prefixes have: one finds the place of the address in the order of the prefixes, where it stands if it is
// there, and else the next length that they have.
func longest(prefixes []compile.Prefix, addr netip.Addr) *compile.Prefix {
	bits := addr.BitLen()
	for {
		key := netip.PrefixFrom(addr, bits).Masked()
		prefixes = prefixes[sort.Search(len(prefixes), func(i int) bool { return !before(prefixes[i].Prefix, key) }):]
		if len(prefixes) == 0 || prefixes[0].Prefix.Addr().BitLen() != addr.BitLen() {
			return nil
		}
		if prefixes[0].Prefix == key {
			return &prefixes[0]
		}
		if next := prefixes[0].Prefix.Bits(); next < bits {
			bits = next
		} else if bits--; bits < 0 {
			return nil
		}
	}
}

// before is the order of compile.Network's prefixes.
func before(a, b netip.Prefix) bool {
	if a.Addr().BitLen() != b.Addr().BitLen() {
		return a.Addr().BitLen() < b.Addr().BitLen()
	}
	if a.Bits() != b.Bits() {
		return a.Bits() > b.Bits()
	}
	return a.Addr().Less(b.Addr())
}

// matchName is match over the symbols of a host name.
func matchName(img *compile.Image, t *compile.Table, name string) uint32 {
	best := automaton.None
	for i := range t.Automata.Count {
		best = min(best, img.Automata[t.Automata.First+i].MatchName(name))
	}
	if best == automaton.None {
		return t.Miss
	}
	return t.Base + best
}
