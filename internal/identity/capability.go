package identity

import "strconv"

// maxCapSets bounds the cache of capability sets; a host uses a few dozen.
const maxCapSets = 512

// capabilityNames are the kernel's, in the order of include/uapi/linux/capability.h.
var capabilityNames = [...]string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
	"CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN",
	"CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
	"CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
	"CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

// CapabilityNames writes a set as CAP_ names in kernel order; a bit without a name becomes CAP_ and its number.
func CapabilityNames(set uint64) []string {
	var names []string
	for bit := range 64 {
		switch {
		case set&(1<<bit) == 0:
		case bit < len(capabilityNames):
			names = append(names, capabilityNames[bit])
		default:
			names = append(names, "CAP_"+strconv.Itoa(bit))
		}
	}
	return names
}

// capabilities shares the slice between the processes of a set.
func (t *Table) capabilities(set uint64) []string {
	names, ok := t.caps[set]
	if !ok {
		names = CapabilityNames(set)
		if len(t.caps) < maxCapSets {
			t.caps[set] = names
		}
	}
	return names
}
