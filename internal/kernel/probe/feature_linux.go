package probe

import "github.com/cilium/ebpf"

// features lists what programs can use.
func features() []check {
	newer := "boot a newer kernel"
	return []check{
		{name: "ring_buffer", purpose: "every event's way to user space", root: true, evidence: "make one and load a program that writes to it", remedy: newer, try: plain(ring)},
		{name: "bpf_loop", purpose: "path walks and matching", root: true, evidence: "load a program with a callback", remedy: newer, try: plain(loop)},
		{name: "bpf_timer", purpose: "rollback of an unconfirmed policy", root: true, evidence: "load a program that initialises one", remedy: newer, try: plain(timer)},
		{name: "task_iterator", purpose: "labelling processes that run already", root: true, evidence: "read one to its end", remedy: newer, try: plain(taskIterator)},
		{
			name: "task_storage_tracing", purpose: "labels in tracing programs", root: true, evidence: "load a tp_btf program that makes storage", remedy: newer,
			try: plain(func() error {
				return taskStorage(ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "sched_process_exit"}, 0)
			}),
		},
		{
			name: "task_storage_lsm", purpose: "labels and scratch space in LSM programs", root: true, evidence: "load an LSM program that makes storage",
			remedy: "see lsm: what stands in its way stands in the way of this too",
			try: plain(func() error {
				return taskStorage(ebpf.ProgramSpec{Type: ebpf.LSM, AttachType: ebpf.AttachLSMMac, AttachTo: "task_getpgid"}, 0)
			}),
		},
		{
			name: "task_storage_cgroup", purpose: "labelling sockets where LSM programs are refused", root: true, evidence: "load a sock_create program that makes storage",
			remedy: "boot kernel 6.18 or later, or use the LSM rung",
			try: plain(func() error {
				return taskStorage(ebpf.ProgramSpec{Type: ebpf.CGroupSock, AttachType: ebpf.AttachCGroupInetSockCreate}, 1)
			}),
		},
		{name: "socket_storage", purpose: "labels of sockets in cgroup programs", root: true, evidence: "load a connect4 program that makes storage", remedy: newer, try: plain(socketStorage)},
	}
}
