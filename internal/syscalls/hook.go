package syscalls

// Hook returns the hook of Linux security modules that judges every use of a system call, or "" if none does: where the
// kernel asks it, the call can be refused, and where it does not, only be answered with a signal.
func Hook(name string) string {
	switch name {
	case "bpf":
		return "bpf"
	case "chroot":
		return "path_chroot"
	case "init_module", "finit_module", "kexec_load", "kexec_file_load":
		return "kernel_load_data or kernel_read_file"
	case "mount":
		return "sb_mount"
	case "move_mount":
		return "move_mount"
	case "perf_event_open":
		return "perf_event_open"
	case "pivot_root":
		return "sb_pivotroot"
	case "process_vm_readv", "process_vm_writev", "ptrace":
		return "ptrace_access_check and ptrace_traceme"
	case "settimeofday": // clock_settime can set clocks that the hook does not guard
		return "settime"
	case "prctl":
		return "task_prctl"
	case "socket", "socketpair":
		return "socket_create"
	case "umount2":
		return "sb_umount"
	}
	return ""
}
