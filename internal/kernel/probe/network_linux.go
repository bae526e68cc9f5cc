package probe

import (
	"context"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// networking lists what judges sockets and packets. Cgroup programs are attached to the root of the tree, where the guard's own go, and
// let everything pass; XDP and tcx programs to the loopback device of a network namespace made for it.
func networking() []check {
	list := []check{{
		name: "cgroup_v2", purpose: "network rules, limits, watching a subtree",
		evidence: "look for it in /proc/self/mountinfo",
		try: func(context.Context) (string, error) {
			if root := CgroupRoot(); root != "" {
				return "mounted on " + root, nil
			}
			return "", &refusal{reason: "the cgroup v2 tree is not mounted", remedy: "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified"}
		},
	}}
	for _, c := range []struct {
		name, purpose string
		kind          ebpf.ProgramType
		at            ebpf.AttachType
	}{
		{"cgroup_connect4", "seeing and preventing connects", ebpf.CGroupSockAddr, ebpf.AttachCGroupInet4Connect},
		{"cgroup_connect6", "the same for IPv6", ebpf.CGroupSockAddr, ebpf.AttachCGroupInet6Connect},
		{"cgroup_sendmsg4", "seeing and preventing unconnected sends", ebpf.CGroupSockAddr, ebpf.AttachCGroupUDP4Sendmsg},
		{"cgroup_bind4", "seeing and preventing binds", ebpf.CGroupSockAddr, ebpf.AttachCGroupInet4Bind},
		{"cgroup_sock_create", "labelling sockets; preventing raw ones", ebpf.CGroupSock, ebpf.AttachCGroupInetSockCreate},
		{"cgroup_skb", "judging each packet of a labelled socket; DNS answers", ebpf.CGroupSKB, ebpf.AttachCGroupInetEgress},
	} {
		list = append(list, check{
			name: c.name, purpose: c.purpose, root: true,
			evidence: "attach to the root of the cgroup v2 tree",
			remedy:   "boot a kernel built with CONFIG_CGROUP_BPF=y",
			try:      plain(func() error { return cgroupProgram(c.kind, c.at) }),
		})
	}
	return append(list, check{
		name: "xdp", purpose: "the host firewall's ingress, bans", root: true,
		evidence: "attach to the loopback device of a new network namespace",
		remedy:   "boot a kernel built with CONFIG_BPF_SYSCALL=y and CONFIG_NET=y",
		try:      func(ctx context.Context) (string, error) { return "", inOwnNetwork(ctx, xdp) },
	}, check{
		name: "tcx", purpose: "the host firewall's egress, beside other programs", root: true,
		evidence: "attach to the loopback device of a new network namespace",
		remedy:   "boot kernel 6.6 or later, built with CONFIG_NET_XGRESS=y; until then clsact is used",
		try:      func(ctx context.Context) (string, error) { return "", inOwnNetwork(ctx, tcx) },
	}, check{
		name: "tc", purpose: "the host firewall's egress where there is no tcx", root: true,
		evidence: "load a classifier; the clsact queueing discipline is not tried",
		remedy:   "boot a kernel built with CONFIG_NET_CLS_ACT=y and CONFIG_NET_SCH_INGRESS=y",
		try: plain(func() error {
			return load(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, Instructions: returning(0)})
		}),
	})
}

// cgroupProgram attaches a program that lets everything pass, returning 1.
func cgroupProgram(kind ebpf.ProgramType, at ebpf.AttachType) error {
	root := CgroupRoot()
	spec := &ebpf.ProgramSpec{Type: kind, AttachType: at, Instructions: returning(1)}
	if root == "" {
		if err := load(spec); err != nil {
			return err
		}
		return &refusal{reason: "the program loads, but there is no cgroup v2 tree to attach it to", remedy: "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified"}
	}
	return attach(spec, func(p *ebpf.Program) (link.Link, error) {
		return link.AttachCgroup(link.CgroupOptions{Path: root, Attach: at, Program: p})
	})
}

func xdp() error {
	return attach(&ebpf.ProgramSpec{Type: ebpf.XDP, Instructions: returning(2)}, func(p *ebpf.Program) (link.Link, error) { // XDP_PASS
		return link.AttachXDP(link.XDPOptions{Program: p, Interface: 1, Flags: link.XDPGenericMode})
	})
}

func tcx() error {
	return attach(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, Instructions: returning(-1)}, func(p *ebpf.Program) (link.Link, error) { // TCX_NEXT
		return link.AttachTCX(link.TCXOptions{Program: p, Interface: 1, Attach: ebpf.AttachTCXEgress})
	})
}
