package posture

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/stockade-security/stockade/event"
)

// sysctlNames are the settings that decide what an attacker can do next, by their names below /proc/sys.
// Those below net are of the network namespace of the caller.
func sysctlNames() []string {
	return []string{
		"dev/tty/ldisc_autoload",
		"fs/protected_fifos",
		"fs/protected_hardlinks",
		"fs/protected_regular",
		"fs/protected_symlinks",
		"fs/suid_dumpable",
		"kernel/apparmor_restrict_unprivileged_userns",
		"kernel/bpf_stats_enabled",
		"kernel/core_pattern",
		"kernel/dmesg_restrict",
		"kernel/ftrace_enabled",
		"kernel/hotplug",
		"kernel/io_uring_disabled",
		"kernel/kexec_load_disabled",
		"kernel/kptr_restrict",
		"kernel/modprobe",
		"kernel/modules_disabled",
		"kernel/perf_event_paranoid",
		"kernel/poweroff_cmd",
		"kernel/randomize_va_space",
		"kernel/sysrq",
		"kernel/unprivileged_bpf_disabled",
		"kernel/unprivileged_userns_clone",
		"kernel/yama/ptrace_scope",
		"net/core/bpf_jit_enable",
		"net/core/bpf_jit_harden",
		"net/ipv4/conf/all/accept_redirects",
		"net/ipv4/conf/all/accept_source_route",
		"net/ipv4/conf/all/rp_filter",
		"net/ipv4/conf/all/send_redirects",
		"net/ipv4/conf/default/rp_filter",
		"net/ipv4/ip_forward",
		"net/ipv4/ip_unprivileged_port_start",
		"net/ipv4/tcp_syncookies",
		"net/ipv6/conf/all/accept_ra",
		"net/ipv6/conf/all/accept_redirects",
		"net/ipv6/conf/all/forwarding",
		"user/max_user_namespaces",
		"vm/mmap_min_addr",
		"vm/unprivileged_userfaultfd",
	}
}

// sysctls reads them; one that this kernel does not have is left out.
func (r *Reader) sysctls() []event.Posture {
	var facts []event.Posture
	for _, name := range sysctlNames() {
		path := "proc/sys/" + name
		if _, err := fs.Stat(r.root, path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		facts = append(facts, event.Posture{Subject: "sysctl", Name: strings.ReplaceAll(name, "/", "."), Value: r.value(path)})
	}
	return facts
}
