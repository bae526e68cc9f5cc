//go:build linux

package system

import "github.com/stockade-security/stockade/internal/kernel"

// The system calls of each program, by name, x86-64 number and i386 number (arch/x86/entry/syscalls). The i386 calls that
// take 16-bit ids or go through ipc(2) and socketcall(2) are not seen on the rung without trampolines.
var (
	ptraceCalls    = []kernel.Syscall{{Name: "ptrace", Native: 101, IA32: 26}}
	processVMCalls = []kernel.Syscall{{Name: "process_vm_readv", Native: 310, IA32: 347}, {Name: "process_vm_writev", Native: 311, IA32: 348}}
	bpfCalls       = []kernel.Syscall{{Name: "bpf", Native: 321, IA32: 357}}
	mountCalls     = []kernel.Syscall{{Name: "mount", Native: 165, IA32: 21}}
	treeCalls      = []kernel.Syscall{
		{Name: "open_tree", Native: 428, IA32: 428}, {Name: "move_mount", Native: 429, IA32: 429}, {Name: "mount_setattr", Native: 442, IA32: 442},
	}
	fsmountCalls    = []kernel.Syscall{{Name: "fsmount", Native: 432, IA32: 432}, {Name: "pivot_root", Native: 155, IA32: 217}}
	umountCalls     = []kernel.Syscall{{Name: "umount", Native: 166, IA32: 52}} // umount2 by its kernel name
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
	settimeCalls = []kernel.Syscall{{Name: "settimeofday", Native: 164, IA32: 79}, {Name: "clock_settime", Native: 227, IA32: 404}}
	adjtimeCalls = []kernel.Syscall{{Name: "adjtimex", Native: 159, IA32: 124}, {Name: "clock_adjtime", Native: 305, IA32: 405}}
	prctlCalls   = []kernel.Syscall{{Name: "prctl", Native: 157, IA32: 172}}
	keyctlCalls  = []kernel.Syscall{{Name: "keyctl", Native: 250, IA32: 288}}
	keyCalls     = []kernel.Syscall{{Name: "add_key", Native: 248, IA32: 286}, {Name: "request_key", Native: 249, IA32: 287}}
	socketCalls  = []kernel.Syscall{{Name: "socket", Native: 41, IA32: 359}}
)

// callName names a call that one of the programs reports.
func callName(number uint32, compat bool) string {
	for _, h := range hooks() {
		for _, c := range h.Syscalls {
			if compat && c.IA32 == int(number) || !compat && c.Native == int(number) {
				return c.Name
			}
		}
	}
	return ""
}
