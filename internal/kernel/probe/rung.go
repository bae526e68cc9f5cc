package probe

// step is one rung of a ladder: it holds if all the mechanisms that it needs are available.
type step struct {
	rung, detail string
	needs        []string
}

// foundation is what Ready insists on, but for what a mount or another user would mend: without it the guard does not start.
func foundation() []string {
	return []string{"kernel_version", "btf", "bpf_syscall", "kernel_reads"}
}

// climb returns the first step that holds; Unknown if it or a better one could not be tried.
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

// kernelClimb is climb for what the guard does in the kernel: every step needs the foundation too.
func (r Report) kernelClimb(family string, steps ...step) Rung {
	for _, name := range foundation() {
		if !r.Has(name) {
			return Rung{Family: family, Rung: "none", Unknown: r.unknown(name), Detail: "the guard does not start without " + name}
		}
	}
	return r.climb(family, steps...)
}

// observe derives the rung of each family of sensors.
func (r Report) observe() []Rung {
	weakNeeds := []string{"tp_btf", "raw_tracepoint", "ring_buffer"}
	strongNeeds := append([]string{"lsm", "fexit"}, weakNeeds...)
	rung := func(family, strong, weak string) Rung {
		return r.kernelClimb(family, step{"lsm", strong, strongNeeds}, step{"tracepoint", weak, weakNeeds})
	}
	return []Rung{
		rung("process", "typed tracepoints and LSM hooks", "typed tracepoints, which see as much"),
		rung("file", "LSM hooks, on the kernel's own objects", "exits of system calls: opens from the returned descriptor, other names as the task passed them, and a cost for every system call"),
		rung("network", "typed tracepoints, cgroup and LSM hooks, fexit for results", "typed tracepoints, cgroup hooks and exits of system calls"),
		rung("system", "typed tracepoints and fexit of the system calls that matter: arguments as the task passed them", "typed tracepoints and exits of system calls: arguments as the task passed them, and a cost for every system call"),
		rung("library", "fexit of mmap and mprotect, from the descriptor", "exits of mmap, from the descriptor"),
		r.kernelClimb("packet", step{"cgroup", "cgroup_skb at the root of the cgroup v2 tree", []string{"cgroup_skb", "cgroup_v2", "ring_buffer"}}),
	}
}

// enforce derives the rung of each family of controls.
func (r Report) enforce() []Rung {
	return []Rung{
		r.kernelClimb("exec_and_file",
			step{"prevent", "LSM programs", []string{"lsm", "task_storage_lsm", "bpf_loop"}},
			step{"prevent", "fanotify for open and exec of listed files; the rest can only be answered with a signal", []string{"fanotify_permission"}},
			step{"kill", "a signal after the fact", []string{"tp_btf"}}),
		r.kernelClimb("network",
			step{"prevent", "cgroup and LSM programs", []string{"lsm", "cgroup_connect4", "cgroup_sendmsg4", "cgroup_bind4", "cgroup_sock_create", "socket_storage"}},
			step{"prevent", "cgroup programs; passed and inherited sockets are judged by their maker only", []string{"cgroup_connect4", "cgroup_sendmsg4", "cgroup_bind4", "cgroup_sock_create", "socket_storage"}},
			step{"observe", "typed tracepoints", []string{"tp_btf"}}),
		r.kernelClimb("socket_packets",
			step{"prevent", "cgroup_skb with the label in socket storage", []string{"cgroup_skb", "socket_storage"}}),
		r.kernelClimb("host_firewall",
			step{"prevent", "XDP ingress, tcx egress", []string{"xdp", "tcx"}},
			step{"prevent", "XDP ingress, clsact egress", []string{"xdp", "tc"}}),
		r.kernelClimb("syscall",
			step{"prevent", "LSM hooks where there is one for the call; seccomp where Stockade starts the process", []string{"lsm", "seccomp"}},
			step{"kill", "a bitmap at sys_enter and a signal; seccomp where Stockade starts the process", []string{"raw_tracepoint"}}),
		r.kernelClimb("limits",
			step{"prevent", "cgroup v2 limits, where the subject owns its cgroup", []string{"cgroup_controllers"}},
			step{"kill", "a signal on sustained excess", []string{"tp_btf"}}),
		r.climb("unprivileged",
			step{"prevent", "Landlock and seccomp, for stockade exec", []string{"landlock", "seccomp"}},
			step{"prevent", "seccomp only, for stockade exec", []string{"seccomp"}}),
	}
}
