package syscalls

// x32First is the number of x32's first own call.
const x32First = 512

// x32 holds, from x32First on, what x32 calls by numbers of its own: arch/x86/entry/syscalls/syscall_64.tbl, Linux 7.2,
// which takes no more. All others it has from x86-64.
var x32 = [...]string{
	"rt_sigaction", "rt_sigreturn", "ioctl", "readv", "writev", "recvfrom", "sendmsg", "recvmsg", "execve", "ptrace",
	"rt_sigpending", "rt_sigtimedwait", "rt_sigqueueinfo", "sigaltstack", "timer_create", "mq_notify", "kexec_load", "waitid",
	"set_robust_list", "get_robust_list", "vmsplice", "move_pages", "preadv", "pwritev", "rt_tgsigqueueinfo", "recvmmsg",
	"sendmmsg", "process_vm_readv", "process_vm_writev", "setsockopt", "getsockopt", "io_setup", "io_submit", "execveat",
	"preadv2", "pwritev2",
}

// X32 is AMD64 for programs of x86-64 with 32-bit pointers. The number is without the bit that tells them apart.
func X32(number int) string {
	if number >= x32First {
		return name(x32[:], number-x32First)
	}
	return AMD64(number)
}
