//go:build linux

package system

import (
	"fmt"
	"strconv"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
)

// describe fills in what a call was asked for.
func describe(r *kernel.Record, call *event.Call, c *bpfCall) error {
	switch call.Syscall {
	case "prctl":
		name, _, err := r.Text()
		call.Operation, call.Argument = prctlOption(uint32(c.Args[0])), hex(c.Args[1])
		if call.Operation == "PR_SET_NAME" {
			call.Argument = name
		}
		return err
	case "add_key", "request_key":
		kind, _, err := r.Text()
		if err != nil {
			return err
		}
		call.Operation = kind
		call.Argument, _, err = r.Text()
		return err
	case "keyctl":
		call.Operation, call.Argument = keyctlOperation(uint32(c.Args[0])), strconv.Itoa(int(int32(c.Args[1])))
	case "io_uring_setup":
		call.Operation, call.Argument = "setup", strconv.FormatUint(uint64(uint32(c.Args[0])), 10)
	case "io_uring_register":
		call.Operation = strconv.FormatUint(uint64(uint32(c.Args[1])), 10)
	case "shmget", "semget", "msgget":
		call.Operation, call.Argument = "get", hex(uint64(uint32(c.Args[0])))
	case "shmctl", "msgctl":
		call.Operation, call.Argument = ipcCommand(uint32(c.Args[1])), strconv.Itoa(int(int32(c.Args[0])))
	case "semctl":
		call.Operation, call.Argument = ipcCommand(uint32(c.Args[2])), strconv.Itoa(int(int32(c.Args[0])))
	case "clock_settime", "clock_adjtime":
		call.Operation = clock(uint32(c.Args[0]))
	case "kexec_load":
		call.Argument = strconv.FormatUint(c.Args[1], 10) + " segments"
	case "kexec_file_load":
		call.Argument = "flags " + hex(c.Args[4])
	case "socket", "socketcall":
		call.Operation = "NETLINK_XFRM"
	}
	return nil
}

func hex(n uint64) string { return fmt.Sprintf("0x%x", n) }

// name picks a number's name from a table that may have holes; other numbers stay numbers.
func name(table map[uint32]string, n uint32) string {
	if s := table[n]; s != "" {
		return s
	}
	return strconv.FormatUint(uint64(n), 10)
}

// listed picks a name from a table in the kernel's order.
func listed(table []string, n uint32) string {
	if int(n) < len(table) && table[n] != "" {
		return table[n]
	}
	return strconv.FormatUint(uint64(n), 10)
}

func prctlOption(n uint32) string { return name(prctlOptions, n) }

// include/uapi/linux/prctl.h
var prctlOptions = map[uint32]string{
	1: "PR_SET_PDEATHSIG", 4: "PR_SET_DUMPABLE", 8: "PR_SET_KEEPCAPS", 14: "PR_SET_TIMING", 15: "PR_SET_NAME", 22: "PR_SET_SECCOMP",
	24: "PR_CAPBSET_DROP", 26: "PR_SET_TSC", 28: "PR_SET_SECUREBITS", 35: "PR_SET_MM", 36: "PR_SET_CHILD_SUBREAPER",
	38: "PR_SET_NO_NEW_PRIVS", 47: "PR_CAP_AMBIENT", 53: "PR_SET_SPECULATION_CTRL", 57: "PR_SET_IO_FLUSHER",
	59: "PR_SET_SYSCALL_USER_DISPATCH", 65: "PR_SET_MDWE", 0x59616d61: "PR_SET_PTRACER",
}

func ptraceRequest(n uint64) string {
	return name(map[uint32]string{
		0: "PTRACE_TRACEME", 4: "PTRACE_POKETEXT", 5: "PTRACE_POKEDATA", 13: "PTRACE_SETREGS", 16: "PTRACE_ATTACH",
		0x4205: "PTRACE_SETREGSET", 0x4206: "PTRACE_SEIZE",
	}, uint32(n))
}

func keyctlOperation(n uint32) string { return listed(keyctlOperations, n) }

// include/uapi/linux/keyctl.h
var keyctlOperations = []string{
	"get_keyring_id", "join_session_keyring", "update", "revoke", "chown", "setperm", "describe", "clear", "link", "unlink", "search",
	"read", "instantiate", "negate", "set_reqkey_keyring", "set_timeout", "assume_authority", "get_security", "session_to_parent",
	"reject", "instantiate_iov", "invalidate", "get_persistent", "dh_compute", "pkey_query", "pkey_encrypt", "pkey_decrypt",
	"pkey_sign", "pkey_verify", "restrict_keyring", "move", "capabilities", "watch_key",
}

func ipcCommand(n uint32) string {
	// IPC_64 is a flag of the old interface.
	return name(map[uint32]string{
		0: "IPC_RMID", 1: "IPC_SET", 2: "IPC_STAT", 3: "IPC_INFO", 11: "SHM_LOCK", 12: "SHM_UNLOCK", 13: "SHM_STAT", 14: "SHM_INFO",
		16: "SETVAL", 17: "SETALL",
	}, n&^0x100)
}

func clock(n uint32) string {
	return listed([]string{
		"CLOCK_REALTIME", "CLOCK_MONOTONIC", "CLOCK_PROCESS_CPUTIME_ID", "CLOCK_THREAD_CPUTIME_ID", "CLOCK_MONOTONIC_RAW",
		"CLOCK_REALTIME_COARSE", "CLOCK_MONOTONIC_COARSE", "CLOCK_BOOTTIME", "CLOCK_REALTIME_ALARM", "CLOCK_BOOTTIME_ALARM", "", "CLOCK_TAI",
	}, n)
}

// namespaceTypes names the types in clone flags (include/uapi/linux/sched.h).
func namespaceTypes(flags uint64) []string {
	var types []string
	for _, f := range []struct {
		bit  uint64
		name string
	}{
		{0x80, "time"},
		{0x20000, "mnt"},
		{0x2000000, "cgroup"},
		{0x4000000, "uts"},
		{0x8000000, "ipc"},
		{0x10000000, "user"},
		{0x20000000, "pid"},
		{0x40000000, "net"},
	} {
		if flags&f.bit != 0 {
			types = append(types, f.name)
		}
	}
	return types
}

// mountOperation says what mount(2) was asked for by its flags, in the order in which the kernel looks at them
// (fs/namespace.c, path_mount).
func mountOperation(flags uint64) (operation string, names []string) {
	for _, f := range []struct {
		bit  uint64
		name string
	}{
		{1, "MS_RDONLY"},
		{2, "MS_NOSUID"},
		{4, "MS_NODEV"},
		{8, "MS_NOEXEC"},
		{0x10, "MS_SYNCHRONOUS"},
		{0x20, "MS_REMOUNT"},
		{0x400, "MS_NOATIME"},
		{0x1000, "MS_BIND"},
		{0x2000, "MS_MOVE"},
		{0x4000, "MS_REC"},
		{0x20000, "MS_UNBINDABLE"},
		{0x40000, "MS_PRIVATE"},
		{0x80000, "MS_SLAVE"},
		{0x100000, "MS_SHARED"},
		{0x200000, "MS_RELATIME"},
	} {
		if flags&f.bit != 0 {
			names = append(names, f.name)
		}
	}
	switch {
	case flags&0x20 != 0:
		return "remount", names
	case flags&0x1000 != 0:
		return "bind", names
	case flags&0x1e0000 != 0:
		return "propagation", names
	case flags&0x2000 != 0:
		return "move", names
	default:
		return "mount", names
	}
}
