package event

import (
	"slices"
	"strconv"
	"strings"
)

// capabilityNames are in kernel order (include/uapi/linux/capability.h, Linux 6.1 to 7.2).
var capabilityNames = [...]string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID",
	"CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK",
	"CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN",
	"CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE",
	"CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

// CapabilityName is the name of a capability by its number; CAP_n for one that this version does not know.
func CapabilityName(n int) string {
	if n >= 0 && n < len(capabilityNames) {
		return capabilityNames[n]
	}
	return "CAP_" + strconv.Itoa(n)
}

// CapabilityMask is the inverse of CapabilityNames. Names that it does not know are left out.
func CapabilityMask(names []string) uint64 {
	var mask uint64
	for _, name := range names {
		bare, minus := strings.CutPrefix(name, "-")
		switch n := slices.Index(capabilityNames[:], bare); {
		case name == "ALL":
			mask = 1<<len(capabilityNames) - 1
		case n < 0:
		case minus:
			mask &^= 1 << n
		default:
			mask |= 1 << n
		}
	}
	return mask
}

// CapabilityNames lists the set bits of a capability mask in kernel order. A mask with most bits set is written from the
// other side: ALL, then each missing one with a minus sign before it.
func CapabilityNames(mask uint64) []string {
	const known = len(capabilityNames)
	var names []string
	missing := []string{"ALL"}
	for n := range 64 {
		switch {
		case mask&(1<<n) != 0:
			names = append(names, CapabilityName(n))
		case n < known:
			missing = append(missing, "-"+CapabilityName(n))
		}
	}
	if len(missing) < len(names) {
		return missing
	}
	return names
}
