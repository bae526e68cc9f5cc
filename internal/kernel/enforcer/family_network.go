//go:build linux

package enforcer

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/stockade-security/stockade/policy/layout"
)

// Rules that a socket's peer is judged by, and all that speak of sockets.
const (
	askReached = layout.AskPeers | layout.AskMetadata
	askSockets = askReached | layout.AskListen | layout.AskPacket | layout.AskUnix
)

func networkFamily() family {
	return family{name: "network", spec: loadNetwork, hooks: []hook{
		{program: "net_label", asks: askSockets, rung: withLSM, without: "sockets that a task hands to another"},
		{program: "net_subflow", asks: askReached, rung: withLSM, when: hasSubflows},
		{program: "net_create", asks: layout.AskPacket, rung: withLSM, without: "packet sockets"},
		{program: "net_mptcp", asks: askReached, rung: withLSM, when: func(s *btf.Spec) bool { return !hasSubflows(s) }},
		{program: "net_connect", asks: askSockets, rung: withLSM, without: "connecting", covered: true},
		{program: "net_sendmsg", asks: askReached | layout.AskPacket, rung: withLSM, without: "sending without a connection", covered: true},
		{program: "net_unix_msg", asks: layout.AskUnix, rung: withLSM, without: "sending to UNIX sockets that somebody else connected"},
		{program: "net_bind", asks: layout.AskListen | layout.AskPacket, rung: withLSM, without: "binding addresses", covered: true},
		{program: "net_listen", asks: askSockets, rung: withLSM, without: "listening"},
		{program: "net_accept", asks: layout.AskListen | layout.AskPacket, rung: withLSM, without: "accepting on a listener that was handed over"},
		{program: "net_receive", asks: askSockets, rung: withLSM, without: "receiving sockets"},
		{program: "net_unix_recv", asks: layout.AskUnix, rung: withLSM, without: "receiving UNIX sockets"},
		{program: "net_unix_stream", asks: layout.AskUnix, rung: withLSM, without: "connecting to UNIX sockets"},
		{program: "net_unix_send", asks: layout.AskUnix, rung: withLSM, without: "sending to UNIX sockets"},
		{program: "net_sctp", asks: askReached | layout.AskListen, rung: withLSM, without: "SCTP's lists of addresses"},
	}}
}

// cgroupFamily does without LSM programs what cgroups can; a packet of a socket is looked at on both rungs.
func cgroupFamily() family {
	return family{name: "cgroup", spec: loadCgroup, hooks: []hook{
		{program: "flow_create", asks: askSockets, rung: withoutLSM, cgroup: ebpf.AttachCGroupInetSockCreate},
		{program: "flow_connect4", asks: askReached, rung: withoutLSM, cgroup: ebpf.AttachCGroupInet4Connect},
		{program: "flow_connect6", asks: askReached, rung: withoutLSM, cgroup: ebpf.AttachCGroupInet6Connect},
		{program: "flow_send4", asks: askReached, rung: withoutLSM, cgroup: ebpf.AttachCGroupUDP4Sendmsg},
		{program: "flow_send6", asks: askReached, rung: withoutLSM, cgroup: ebpf.AttachCGroupUDP6Sendmsg},
		{program: "flow_bind4", asks: layout.AskListen, rung: withoutLSM, cgroup: ebpf.AttachCGroupInet4Bind},
		{program: "flow_bind6", asks: layout.AskListen, rung: withoutLSM, cgroup: ebpf.AttachCGroupInet6Bind},
		{program: "flow_egress", asks: askReached, rung: bothRungs, cgroup: ebpf.AttachCGroupInetEgress},
	}}
}

// hasSubflows reports whether MPTCP tells LSMs of the connections that it adds: since 6.6.
func hasSubflows(s *btf.Spec) bool {
	var hook *btf.Func
	return s.TypeByName("bpf_lsm_mptcp_add_subflow", &hook) == nil
}
