package confine

import (
	"slices"

	"github.com/stockade-security/stockade/policy"
)

// The protocols that network entries name. An entry without one is about each of them, and about any other.
const (
	tcp   = "tcp"
	udp   = "udp"
	other = "other"
)

const (
	portsOnly = "Landlock judges TCP ports, and no addresses or names"
	noUnix    = "Landlock does not judge connections to UNIX sockets"
)

// network plans allowed_network, blocked_network and allowed_listen: TCP ports by Landlock, kinds of sockets by seccomp.
func (p *planner) network() {
	q := p.process
	if p.Kernel.NoSeccomp == "" {
		p.sockets = socketsOf(q)
	}
	p.peers()
	p.listen()
	p.sockets.ports = p.plan.landlock.connect != nil || p.plan.landlock.bind != nil
	if p.Kernel.NoSeccomp != "" {
		if p.sockets.any() || q.AllowedNetwork.Present {
			pos, key := p.networkKey()
			p.open(pos, key, "%s, so packet sockets, MPTCP and TCP Fast Open are open", p.Kernel.NoSeccomp)
		}
		p.sockets = sockets{}
		return
	}
	if !p.sockets.any() {
		return
	}
	if !q.AllowedListen.Present && (p.sockets.datagram || p.sockets.other) {
		p.closed(q.AllowedNetwork.Pos, "allowed_network", "no socket of a protocol that the list lacks can be made, not even one that only listens")
	}
	p.calls.check("socket", p.sockets.code())
	p.calls.deny("socketcall") // an i386 call with its arguments in memory, where no filter sees them
	if p.sockets.ports {
		if pos, key := p.networkKey(); !p.sockets.stream {
			p.closed(pos, key, "MPTCP, SMC and TCP Fast Open are refused: Landlock does not judge their ports")
		}
		for name, flags := range map[string]uint32{"sendto": 3, "sendmsg": 2, "sendmmsg": 3} {
			p.calls.check(name, argument(flags, ifAny(msgFastOpen, deny(), allow())))
		}
	}
}

// networkKey is the first of the entry's keys about the network.
func (p *planner) networkKey() (policy.Position, string) {
	switch q := p.process; {
	case q.AllowedNetwork.Present:
		return q.AllowedNetwork.Pos, "allowed_network"
	case q.AllowedListen.Present:
		return q.AllowedListen.Pos, "allowed_listen"
	default:
		return q.BlockedNetwork.Pos, "blocked_network"
	}
}

// peers plans the ports that connections may have.
func (p *planner) peers() {
	q := p.process
	if !q.AllowedNetwork.Present && len(q.BlockedNetwork.Rules) == 0 {
		return
	}
	var open ports
	if q.AllowedNetwork.Present {
		open = union(q.AllowedNetwork.Rules, tcp)
		p.granted("allowed_network", q.AllowedNetwork, "may be reached at every address")
	} else {
		open.add(0, 65535)
	}
	everywhere := everyAddress(q.BlockedNetwork.Rules, tcp)
	for _, r := range q.BlockedNetwork.Rules {
		p.blocked(r, &open, &everywhere)
	}
	for i := range open {
		open[i] &^= everywhere[i]
	}
	if p.Kernel.Landlock >= landlockNet && !open.full() {
		p.plan.landlock.connect = &open
	}
}

// blocked notes what of a rule of blocked_network is not refused. open are the TCP ports that may be reached but for the block
// list, everywhere those that the list blocks at every address.
func (p *planner) blocked(r policy.NetworkRule, open, everywhere *ports) {
	if r.Path != nil {
		p.open(r.Pos, r.Text, noUnix)
		return
	}
	its := portsOf(r)
	if speaks(r, tcp) && its.meets(open) {
		if p.Kernel.Landlock < landlockNet {
			p.open(r.Pos, r.Text, "%s", p.noPorts())
			return
		}
		if r.Host != "" || !everywhere.hasAll(&its) {
			p.open(r.Pos, r.Text, portsOnly)
			return
		}
	}
	if speaks(r, udp) && !p.sockets.datagram || speaks(r, other) && !p.sockets.other {
		p.open(r.Pos, r.Text, "%s can be reached there: Landlock judges TCP alone", notTCP(r))
	}
}

func notTCP(r policy.NetworkRule) string {
	if r.Protocol == udp {
		return "UDP"
	}
	return "UDP and other protocols"
}

// listen plans the own ports that may be opened.
func (p *planner) listen() {
	list := p.process.AllowedListen
	if !list.Present {
		return
	}
	p.granted("allowed_listen", list, "may be opened at every own address")
	if p.Kernel.Landlock < landlockNet {
		return
	}
	open := union(list.Rules, tcp)
	open.add(0, 0) // any free port, which is not judged
	if !p.sockets.stream && !open.full() {
		p.open(list.Pos, "allowed_listen", "a socket that listens without a bind gets a free port: Landlock judges binds")
	}
	if !open.full() {
		p.plan.landlock.bind = &open
	}
}

// granted notes what an allow list opens beyond its entries; more says how far.
func (p *planner) granted(key string, list policy.List[policy.NetworkRule], more string) {
	everywhere := everyAddress(list.Rules, tcp)
	if p.Kernel.Landlock < landlockNet && !p.sockets.stream {
		p.open(list.Pos, key, "%s", p.noPorts())
	}
	for _, r := range list.Rules {
		its := portsOf(r)
		switch {
		case r.Path != nil:
			p.open(r.Pos, r.Text, noUnix)
		case p.Kernel.Landlock < landlockNet || !speaks(r, tcp) || r.Host == "" && everywhere.hasAll(&its):
		default:
			p.open(r.Pos, r.Text, "its ports %s: %s", more, portsOnly)
		}
	}
	for _, kind := range []struct {
		protocol, name string
		refused        bool
	}{{udp, "UDP", p.sockets.datagram}, {other, "of protocols besides TCP and UDP", p.sockets.other}} {
		if all := everyAddress(list.Rules, kind.protocol); !kind.refused && !all.full() {
			p.open(list.Pos, key, "what is %s is not judged: Landlock judges TCP alone", kind.name)
		}
	}
}

func (p *planner) noPorts() string {
	if p.Kernel.Landlock == 0 {
		return p.Kernel.NoLandlock
	}
	return "Landlock of this kernel judges no ports: that begins with Linux 6.7"
}

// speaks reports whether an entry is about a protocol of IP.
func speaks(r policy.NetworkRule, protocol string) bool {
	return r.Path == nil && (r.Protocol == "" || r.Protocol == protocol)
}

// speak reports whether any entry does.
func speak(l policy.List[policy.NetworkRule], protocol string) bool {
	return slices.ContainsFunc(l.Rules, func(r policy.NetworkRule) bool { return speaks(r, protocol) })
}

func portsOf(r policy.NetworkRule) (out ports) {
	if len(r.Ports) == 0 {
		out.add(0, 65535)
	}
	for _, one := range r.Ports {
		out.add(one.First, one.Last)
	}
	return out
}

// union are the ports of all entries about a protocol.
func union(rules []policy.NetworkRule, protocol string) (out ports) {
	for _, r := range rules {
		if speaks(r, protocol) {
			its := portsOf(r)
			out.join(&its)
		}
	}
	return out
}

// everyAddress are the ports that entries name for all of IPv4 and all of IPv6.
func everyAddress(rules []policy.NetworkRule, protocol string) ports {
	var v4, v6 ports
	for _, r := range rules {
		if !speaks(r, protocol) {
			continue
		}
		its := portsOf(r)
		for _, prefix := range r.Prefixes {
			switch {
			case prefix.Bits() != 0:
			case prefix.Addr().Is4():
				v4.join(&its)
			default:
				v6.join(&its)
			}
		}
	}
	for i := range v4 {
		v4[i] &= v6[i]
	}
	return v4
}
