package probe

// observe derives the rung of each family of sensors.
func (r Report) observe() []Rung {
	trampolines := r.Has("lsm") && r.Has("fexit")
	tracepoints := r.Has("tp_btf") && r.Has("raw_tracepoint") && r.Has("ring_buffer") && r.Has("kernel_reads")
	rung := func(family, strong, weak string) Rung {
		g := Rung{Family: family, Unknown: r.unknown("lsm", "fexit", "tp_btf", "raw_tracepoint", "ring_buffer", "kernel_reads")}
		switch {
		case tracepoints && trampolines:
			g.Rung, g.Detail = "lsm", strong
		case tracepoints:
			g.Rung, g.Detail = "tracepoint", weak
		default:
			g.Rung, g.Detail = "none", "the kernel cannot be watched; the policy is judged over a list of processes"
		}
		return g
	}
	list := []Rung{
		rung("process", "typed tracepoints and LSM hooks", "typed tracepoints: nothing is lost"),
		rung("file", "LSM hooks, on the kernel's own objects", "exits of system calls: opens from the returned descriptor, other names as the task passed them, and a cost for every system call"),
		rung("network", "typed tracepoints, cgroup and LSM hooks, fexit for results", "typed tracepoints, cgroup hooks and exits of system calls"),
		rung("system", "LSM hooks and typed tracepoints", "typed tracepoints and exits of system calls: arguments as the task passed them, and a cost for every system call"),
		rung("library", "LSM hook of mmap", "exits of mmap, from the descriptor"),
	}
	packet := Rung{Family: "packet", Rung: "none", Unknown: r.unknown("cgroup_skb", "cgroup_v2"), Detail: "packets and DNS answers cannot be seen"}
	if r.Has("cgroup_skb") && r.Has("cgroup_v2") {
		packet.Rung, packet.Detail = "cgroup", "cgroup_skb at the root of the cgroup v2 tree"
	}
	return append(list, packet)
}

// step is one rung of a ladder: it holds if all the mechanisms that it needs are available.
type step struct {
	rung, detail string
	needs        []string
}

// enforce derives the rung of each family of controls.
func (r Report) enforce() []Rung {
	return []Rung{
		r.climb("exec_and_file",
			step{"prevent", "LSM programs", []string{"lsm", "task_storage_lsm", "bpf_loop"}},
			step{"prevent", "fanotify for open and exec of listed files; the rest can only be answered with a signal", []string{"fanotify_permission"}},
			step{"kill", "a signal after the fact", []string{"tp_btf"}}),
		r.climb("network",
			step{"prevent", "cgroup and LSM programs", []string{"lsm", "cgroup_connect4", "cgroup_sendmsg4", "cgroup_bind4", "cgroup_sock_create", "socket_storage"}},
			step{"prevent", "cgroup programs; passed and inherited sockets are judged by their maker only", []string{"cgroup_connect4", "cgroup_sendmsg4", "cgroup_bind4", "cgroup_sock_create", "socket_storage"}},
			step{"observe", "typed tracepoints", []string{"tp_btf"}}),
		r.climb("socket_packets",
			step{"prevent", "cgroup_skb with the label in socket storage", []string{"cgroup_skb", "socket_storage"}}),
		r.climb("host_firewall",
			step{"prevent", "XDP ingress, tcx egress", []string{"xdp", "tcx"}},
			step{"prevent", "XDP ingress, clsact egress", []string{"xdp", "tc"}}),
		r.climb("syscall",
			step{"prevent", "LSM hooks where there is one for the call; seccomp where Stockade starts the process", []string{"lsm", "seccomp"}},
			step{"kill", "a bitmap at sys_enter and a signal; seccomp where Stockade starts the process", []string{"raw_tracepoint"}}),
		r.climb("limits",
			step{"prevent", "cgroup v2 limits, where the subject owns its cgroup", []string{"cgroup_controllers"}},
			step{"kill", "a signal on sustained excess", []string{"tp_btf"}}),
		r.climb("unprivileged",
			step{"prevent", "Landlock and seccomp, for stockade exec", []string{"landlock", "seccomp"}},
			step{"prevent", "seccomp only, for stockade exec", []string{"seccomp"}}),
	}
}

// climb returns the first step that holds; Unknown if a better one could not be tried.
func (r Report) climb(family string, steps ...step) Rung {
	unknown := false
	for _, s := range steps {
		holds := true
		for _, name := range s.needs {
			holds = holds && r.Has(name)
		}
		if holds {
			return Rung{Family: family, Rung: s.rung, Unknown: unknown, Detail: s.detail}
		}
		unknown = unknown || r.unknown(s.needs...)
	}
	return Rung{Family: family, Rung: "none", Unknown: unknown, Detail: "nothing that it needs is available"}
}
