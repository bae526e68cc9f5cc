//go:build linux

package system

import (
	"strings"

	"github.com/stockade-security/stockade/internal/kernel"
)

// The system calls of each program, by name of the kernel's function, x86-64 number and i386 number (arch/x86/entry/syscalls).
var (
	ptraceCalls    = []kernel.Syscall{{Name: "ptrace", Native: 101, IA32: 26}}
	processVMCalls = []kernel.Syscall{{Name: "process_vm_readv", Native: 310, IA32: 347}, {Name: "process_vm_writev", Native: 311, IA32: 348}}
	bpfCalls       = []kernel.Syscall{{Name: "bpf", Native: 321, IA32: 357}}
	mountCalls     = []kernel.Syscall{{Name: "mount", Native: 165, IA32: 21}}
	treeCalls      = []kernel.Syscall{
		{Name: "open_tree", Native: 428, IA32: 428}, {Name: "move_mount", Native: 429, IA32: 429}, {Name: "mount_setattr", Native: 442, IA32: 442},
	}
	fsmountCalls    = []kernel.Syscall{{Name: "fsmount", Native: 432, IA32: 432}, {Name: "pivot_root", Native: 155, IA32: 217}}
	umountCalls     = []kernel.Syscall{{Name: "umount", Native: 166, IA32: 52}, {Name: "oldumount", Native: -1, IA32: 22}} // umount is umount2
	credentialCalls = []kernel.Syscall{
		{Name: "setuid", Native: 105, IA32: 213},
		{Name: "setgid", Native: 106, IA32: 214},
		{Name: "setreuid", Native: 113, IA32: 203},
		{Name: "setregid", Native: 114, IA32: 204},
		{Name: "setgroups", Native: 116, IA32: 206},
		{Name: "setresuid", Native: 117, IA32: 208},
		{Name: "setresgid", Native: 119, IA32: 210},
		{Name: "setfsuid", Native: 122, IA32: 215},
		{Name: "setfsgid", Native: 123, IA32: 216},
		{Name: "capset", Native: 126, IA32: 185},
		{Name: "setuid16", Native: -1, IA32: 23},
		{Name: "setgid16", Native: -1, IA32: 46},
		{Name: "setreuid16", Native: -1, IA32: 70},
		{Name: "setregid16", Native: -1, IA32: 71},
		{Name: "setgroups16", Native: -1, IA32: 81},
		{Name: "setfsuid16", Native: -1, IA32: 138},
		{Name: "setfsgid16", Native: -1, IA32: 139},
		{Name: "setresuid16", Native: -1, IA32: 164},
		{Name: "setresgid16", Native: -1, IA32: 170},
	}
	namespaceCalls = []kernel.Syscall{{Name: "unshare", Native: 272, IA32: 310}, {Name: "setns", Native: 308, IA32: 346}}
	kexecCalls     = []kernel.Syscall{{Name: "kexec_load", Native: 246, IA32: 283}, {Name: "kexec_file_load", Native: 320, IA32: -1}}
	uringCalls     = []kernel.Syscall{{Name: "io_uring_setup", Native: 425, IA32: 425}, {Name: "io_uring_register", Native: 427, IA32: 427}}
	ipcCalls       = []kernel.Syscall{
		{Name: "shmget", Native: 29, IA32: 395},
		{Name: "shmctl", Native: 31, IA32: 396},
		{Name: "semget", Native: 64, IA32: 393},
		{Name: "semctl", Native: 66, IA32: 394},
		{Name: "msgget", Native: 68, IA32: 399},
		{Name: "msgctl", Native: 71, IA32: 402},
		{Name: "mq_open", Native: 240, IA32: 277},
		{Name: "mq_unlink", Native: 241, IA32: 278},
	}
	ipcCall      = []kernel.Syscall{{Name: "ipc", Native: -1, IA32: 117}}
	settimeCalls = []kernel.Syscall{
		{Name: "settimeofday", Native: 164, IA32: 79},
		{Name: "clock_settime", Native: 227, IA32: 404},
		{Name: "clock_settime32", Native: -1, IA32: 264},
		{Name: "stime32", Native: -1, IA32: 25},
	}
	adjtimeCalls = []kernel.Syscall{
		{Name: "adjtimex", Native: 159, IA32: -1},
		{Name: "adjtimex_time32", Native: -1, IA32: 124},
		{Name: "clock_adjtime", Native: 305, IA32: 405},
		{Name: "clock_adjtime32", Native: -1, IA32: 343},
	}
	prctlCalls  = []kernel.Syscall{{Name: "prctl", Native: 157, IA32: 172}}
	keyctlCalls = []kernel.Syscall{{Name: "keyctl", Native: 250, IA32: 288}}
	keyCalls    = []kernel.Syscall{{Name: "add_key", Native: 248, IA32: 286}, {Name: "request_key", Native: 249, IA32: 287}}
	socketCalls = []kernel.Syscall{{Name: "socket", Native: 41, IA32: 359}}
	socketCall  = []kernel.Syscall{{Name: "socketcall", Native: -1, IA32: 102}}
	moduleCalls = []kernel.Syscall{{Name: "init_module", Native: 175, IA32: 128}, {Name: "finit_module", Native: 313, IA32: 350}}
)

// callName names a call that one of the programs reports.
func callName(number uint32, compat bool) string {
	for _, h := range hooks() {
		for _, c := range h.Syscalls {
			if compat && c.IA32 == int(number) || !compat && c.Native == int(number) {
				return plain(c.Name)
			}
		}
	}
	return ""
}

// plain is the call's name without what the kernel's function has for 16-bit ids and 32-bit times.
func plain(function string) string {
	if function == "oldumount" {
		return "umount"
	}
	name := strings.TrimSuffix(strings.TrimSuffix(function, "16"), "32")
	return strings.TrimSuffix(name, "_time")
}

// ipcCalled names what i386's ipc(2) is a door to, by its first argument, and gives it the arguments of that call
// (include/uapi/linux/ipc.h; the upper half is a version). Empty: an operation, which is no event.
func ipcCalled(c *bpfCall) string {
	name := map[uint32]string{2: "semget", 3: "semctl", 13: "msgget", 14: "msgctl", 23: "shmget", 24: "shmctl"}[uint32(c.Args[0])&0xffff]
	copy(c.Args[:], c.Args[1:4])
	return name
}
