//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What processes ask of the kernel beyond files and network. Most of it is seen at the end of a system call, where one
 * program serves both rungs (bpf/syscall.h): what a call asked for is in its registers, whether it was done in its
 * result. Names are as the task passed them. A call that failed is reported with its errno where the attempt matters,
 * and left out where only success changes anything; each program says which. None of them can refuse anything. */
#include "kernel.h"
#include "emit.h"
#include "argument.h"
#include "scope.h"
#include "abi.h"
#include "system.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Begins a record of a call. */
static __always_inline struct slot *call_begin_by(struct pt_regs *regs, long ret, enum kind kind, enum evidence evidence)
{
	struct slot *s = emit_begin(kind, evidence, sizeof(struct call));
	if (!s)
		return 0;
	struct call *c = emit_body(s);
	for (int i = 0; i < 6; i++)
		c->args[i] = arg(regs, i);
	c->result = ret;
	c->number = syscall_number(regs);
	c->compat = is_compat();
	if (ret < 0)
		emit_record(s)->error = -ret;
	return s;
}

/* What strings that follow are worth: they are the task's own memory. */
static __always_inline enum evidence argument_evidence(void)
{
	return rung_evidence == EV_TRAMPOLINE ? EV_TRAMPOLINE : EV_ARGUMENT;
}

/* Begins a record of a call that strings follow. */
static __always_inline struct slot *call_begin(struct pt_regs *regs, long ret, enum kind kind)
{
	return call_begin_by(regs, ret, kind, argument_evidence());
}

/* A call whose registers say it all. */
static __always_inline int call(struct pt_regs *regs, long ret, enum kind kind)
{
	struct slot *s = call_begin_by(regs, ret, kind, EV_RUNG);
	if (s)
		emit_end(s);
	return 0;
}

/* Whether the current task is in a call that sends a signal. A si_code says less: with rt_sigqueueinfo the sender chooses it. */
static __always_inline int in_kill(void)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	unsigned long number = 0;
	bpf_core_read(&number, sizeof(number), &regs->orig_ax);
	if (is_compat())
		return number == KILL_IA32 || number == TKILL_IA32 || number == TGKILL_IA32 || number == RT_SIGQUEUEINFO_IA32 ||
		       number == RT_TGSIGQUEUEINFO_IA32 || number == PIDFD_SEND_SIGNAL_NR;
	number &= ~0x40000000ul;
	return number == KILL_NR || number == TKILL_NR || number == TGKILL_NR || number == RT_SIGQUEUEINFO_NR ||
	       number == RT_TGSIGQUEUEINFO_NR || number == PIDFD_SEND_SIGNAL_NR || number == RT_SIGQUEUEINFO_X32 || number == RT_TGSIGQUEUEINFO_X32;
}

/* Signals that a process sends to another by a system call; none that the kernel itself makes. The target is locked by
 * the sender, so its fields hold still. What a signal handler would never see (blocked, ignored) counts too. */
SEC("tp_btf/signal_generate") int BPF_PROG(system_signal, int number, struct kernel_siginfo *info, struct task_struct *target)
{
	if ((unsigned long)info <= SEND_SIG_PRIV)
		return 0;
	if (target->tgid == bpf_get_current_pid_tgid() >> 32 || !in_kill() || !in_scope())
		return 0;
	struct slot *s = emit_begin(KIND_SIGNAL, EV_TRACEPOINT, sizeof(struct signal));
	if (!s)
		return 0;
	struct signal *g = emit_body(s);
	g->number = number;
	g->target_pid = target->tgid;
	g->target_start_ns = target->group_leader->start_boottime;
	bpf_probe_read_kernel(g->target_comm, sizeof(g->target_comm), target->comm);
	emit_end(s);
	return 0;
}

/* ptrace requests that take hold of a process or change it, and reading or writing its memory. Attempts count. A tracer's
 * every step (PTRACE_SYSCALL, PEEK and the like) does not: it follows from the attach. */
SYSCALL_PROG(system_ptrace)
{
	__u64 request = arg(regs, 0);
	if (syscall_number(regs) == PTRACE_NR || is_compat()) {
		switch (request) {
		case PTRACE_TRACEME:
		case PTRACE_POKETEXT:
		case PTRACE_POKEDATA:
		case PTRACE_SETREGS:
		case PTRACE_ATTACH:
		case PTRACE_SETREGSET:
		case PTRACE_SEIZE:
			break;
		default:
			return 0;
		}
	}
	return in_scope() ? call(regs, ret, KIND_PTRACE) : 0;
}

SYSCALL_PROG(system_procvm)
{
	return in_scope() ? call(regs, ret, KIND_PTRACE) : 0;
}

/* bpf(): what makes, attaches, pins or takes hold of a thing. Work on the elements of maps, which running programs live
 * on, and pure questions are left out. Attempts count. */
SYSCALL_PROG(system_bpf)
{
	__u32 command = arg(regs, 0);
	void *attr = (void *)arg(regs, 1);
	if ((command < 64 && BPF_UNREMARKABLE >> command & 1) || !in_scope())
		return 0;
	struct slot *s = emit_begin(KIND_BPF, argument_evidence(), sizeof(struct bpf_call));
	if (!s)
		return 0;
	struct bpf_call *b = emit_body(s);
	b->command = command;
	if (command == BPF_PROG_LOAD) {
		bpf_probe_read_user(&b->type, sizeof(b->type), attr);
		bpf_probe_read_user(b->name, sizeof(b->name), attr + ATTR_PROG_NAME);
	} else if (command == BPF_MAP_CREATE) {
		bpf_probe_read_user(&b->type, sizeof(b->type), attr);
		bpf_probe_read_user(b->name, sizeof(b->name), attr + ATTR_MAP_NAME);
	}
	if (ret < 0)
		emit_record(s)->error = -ret;
	emit_end(s);
	return 0;
}

/* A module that the kernel has accepted, in the context of the task that asked. Its name is the kernel's own; the file
 * is found through the descriptor that the task's registers still hold. */
SEC("tp_btf/module_load") int BPF_PROG(system_modload, struct module *module)
{
	if (!in_scope())
		return 0;
	struct slot *s = emit_begin(KIND_MODULE_LOAD, EV_TRACEPOINT, sizeof(struct module_load));
	if (!s)
		return 0;
	struct module_load *m = emit_body(s);
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	unsigned long number = 0, fd = 0;
	bpf_core_read(&number, sizeof(number), &regs->orig_ax);
	bpf_core_read(&fd, sizeof(fd), &regs->di);
	struct file *file = number == FINIT_MODULE_NR && !is_compat() ? file_of(fd) : 0;
	emit_kernel_string(s, module->name);
	m->from_file = file != 0;
	if (file)
		emit_path(s, &file->f_path);
	else
		emit_no_string(s);
	emit_end(s);
	return 0;
}

/* init_module and finit_module that failed, be it for want of a privilege, for the module's form or signature, or because
 * the module itself gave up after the kernel had accepted it. Its name is not known, its file is. */
SYSCALL_PROG(system_modfail)
{
	if (ret >= 0 || !in_scope())
		return 0;
	struct slot *s = emit_begin(KIND_MODULE_LOAD, EV_RUNG, sizeof(struct module_load));
	if (!s)
		return 0;
	emit_record(s)->error = -ret;
	struct module_load *m = emit_body(s);
	struct file *file = syscall_number(regs) == (is_compat() ? FINIT_MODULE_IA32 : FINIT_MODULE_NR) ? file_of(arg(regs, 0)) : 0;
	m->from_file = file != 0;
	emit_no_string(s);
	if (file)
		emit_path(s, &file->f_path);
	else
		emit_no_string(s);
	emit_end(s);
	return 0;
}

SEC("tp_btf/module_free") int BPF_PROG(system_modfree, struct module *module)
{
	if (!in_scope())
		return 0;
	struct slot *s = emit_begin(KIND_MODULE_UNLOAD, EV_TRACEPOINT, sizeof(struct module_load));
	if (!s)
		return 0;
	emit_kernel_string(s, module->name);
	emit_no_string(s);
	emit_end(s);
	return 0;
}

/* mount(source, target, type): the target with its directory, then source and type. Attempts count. */
SYSCALL_PROG(system_mount)
{
	if (!in_scope())
		return 0;
	struct slot *s = call_begin(regs, ret, KIND_MOUNT);
	if (!s)
		return 0;
	emit_argument(s, AT_FDCWD, (void *)arg(regs, 1));
	emit_user_string(s, (void *)arg(regs, 0));
	emit_user_string(s, (void *)arg(regs, 2));
	emit_end(s);
	return 0;
}

/* move_mount, open_tree, mount_setattr: two names at most, each after the directory that it is relative to. */
SYSCALL_PROG(system_mnttree)
{
	if (!in_scope())
		return 0;
	struct slot *s = call_begin(regs, ret, KIND_MOUNT);
	if (!s)
		return 0;
	emit_argument(s, arg(regs, 0), (void *)arg(regs, 1));
	if (syscall_number(regs) == MOVE_MOUNT_NR) { /* i386 has the same number */
		emit_argument(s, arg(regs, 2), (void *)arg(regs, 3));
	} else {
		emit_no_string(s);
		emit_no_string(s);
	}
	emit_end(s);
	return 0;
}

/* umount(target), with its directory. Attempts count. */
SYSCALL_PROG(system_umount)
{
	if (!in_scope())
		return 0;
	struct slot *s = call_begin(regs, ret, KIND_UMOUNT);
	if (!s)
		return 0;
	emit_argument(s, AT_FDCWD, (void *)arg(regs, 0));
	emit_end(s);
	return 0;
}

/* fsmount and the like: nothing but registers. */
SYSCALL_PROG(system_fsmount)
{
	return in_scope() ? call(regs, ret, KIND_MOUNT) : 0;
}

/* Ids and capabilities as they are after the call. A call that failed changed nothing and is left out. */
SYSCALL_PROG(system_cred)
{
	if (ret < 0 || !in_scope())
		return 0;
	struct slot *s = emit_begin(KIND_CREDENTIAL, EV_RUNG, sizeof(struct credential));
	if (!s)
		return 0;
	struct credential *c = emit_body(s);
	const struct cred *cred = bpf_get_current_task_btf()->cred;
	c->euid = cred->euid.val;
	c->egid = cred->egid.val;
	bpf_probe_read_kernel(&c->capabilities, sizeof(c->capabilities), (void *)cred + bpf_core_field_offset(struct cred, cap_effective));
	c->number = syscall_number(regs);
	c->compat = is_compat();
	emit_end(s);
	return 0;
}

/* Namespaces as they are after the call, which succeeded. */
SYSCALL_PROG(system_ns)
{
	if (ret < 0 || !in_scope())
		return 0;
	struct slot *s = emit_begin(KIND_NAMESPACE, EV_RUNG, sizeof(struct namespaces));
	if (!s)
		return 0;
	struct namespaces *n = emit_body(s);
	struct task_struct *t = bpf_get_current_task_btf();
	struct nsproxy *ns = t->nsproxy;
	n->number = syscall_number(regs);
	n->compat = is_compat();
	n->flags = n->number == SETNS_NR ? arg(regs, 1) : arg(regs, 0);
	if (ns) {
		n->mnt = ns->mnt_ns->ns.inum;
		n->net = ns->net_ns->ns.inum;
		n->uts = ns->uts_ns->ns.inum;
		n->ipc = ns->ipc_ns->ns.inum;
		n->cgroup = ns->cgroup_ns->ns.inum;
		n->pid = ns->pid_ns_for_children->ns.inum;
	}
	n->user = t->cred->user_ns->ns.inum;
	emit_end(s);
	return 0;
}

/* kexec_load, kexec_file_load, io_uring_setup, the System V and POSIX message, semaphore and memory calls that make or
 * control: attempts count. */
SYSCALL_PROG(system_kexec) { return in_scope() ? call(regs, ret, KIND_KEXEC) : 0; }
SYSCALL_PROG(system_io_uring) { return in_scope() ? call(regs, ret, KIND_IO_URING) : 0; }
SYSCALL_PROG(system_ipc) { return in_scope() ? call(regs, ret, KIND_IPC) : 0; }
/* i386's one door to them. What works on elements that exist, and shmat, is left out. */
SYSCALL_PROG(system_ipc32)
{
	switch (arg(regs, 0) & 0xffff) {
	case SEMGET: case SEMCTL: case MSGGET: case MSGCTL: case SHMGET: case SHMCTL:
		return in_scope() ? call(regs, ret, KIND_IPC) : 0;
	}
	return 0;
}

SYSCALL_PROG(system_settime) { return in_scope() ? call(regs, ret, KIND_SETTIME) : 0; }

/* adjtimex, clock_adjtime: with modes 0 they only read. */
SYSCALL_PROG(system_adjtime)
{
	__u32 modes = 0;
	void *timex = (void *)(syscall_number(regs) == (is_compat() ? ADJTIMEX_IA32 : ADJTIMEX_NR) ? arg(regs, 0) : arg(regs, 1));
	bpf_probe_read_user(&modes, sizeof(modes), timex);
	return modes && in_scope() ? call(regs, ret, KIND_SETTIME) : 0;
}

/* prctl: options that set something, but for names of threads and memory, which say little and are set all the time.
 * The name of the whole process counts: it is how one program passes for another. */
SYSCALL_PROG(system_prctl)
{
	struct task_struct *t = bpf_get_current_task_btf();
	switch (arg(regs, 0)) {
	case PR_SET_PDEATHSIG: case PR_SET_DUMPABLE: case PR_SET_KEEPCAPS: case PR_SET_TIMING: case PR_SET_SECCOMP: case PR_CAPBSET_DROP:
	case PR_SET_TSC: case PR_SET_SECUREBITS: case PR_SET_MM: case PR_SET_PTRACER: case PR_SET_CHILD_SUBREAPER: case PR_SET_NO_NEW_PRIVS:
	case PR_CAP_AMBIENT: case PR_SET_SPECULATION_CTRL: case PR_SET_IO_FLUSHER: case PR_SET_SYSCALL_USER_DISPATCH: case PR_SET_MDWE:
		break;
	case PR_SET_NAME:
		if (t->pid == t->tgid)
			break;
		return 0;
	default:
		return 0;
	}
	if (!in_scope())
		return 0;
	struct slot *s = call_begin(regs, ret, KIND_PRCTL);
	if (!s)
		return 0;
	if (arg(regs, 0) == PR_SET_NAME)
		emit_kernel_string(s, t->comm);
	else
		emit_no_string(s);
	emit_end(s);
	return 0;
}

/* keyctl(operation, …); add_key and request_key(type, description): two names. */
SYSCALL_PROG(system_keyctl) { return in_scope() ? call(regs, ret, KIND_KEYRING) : 0; }
SYSCALL_PROG(system_key)
{
	if (!in_scope())
		return 0;
	struct slot *s = call_begin(regs, ret, KIND_KEYRING);
	if (!s)
		return 0;
	emit_user_string(s, (void *)arg(regs, 0));
	emit_user_string(s, (void *)arg(regs, 1));
	emit_end(s);
	return 0;
}

/* A netlink socket for IPsec policy: without one nobody changes it. Any other socket is not looked at. */
SYSCALL_PROG(system_xfrm)
{
	if (arg(regs, 0) != AF_NETLINK || arg(regs, 2) != NETLINK_XFRM || !in_scope())
		return 0;
	return call(regs, ret, KIND_XFRM);
}

/* The same through i386's one door to sockets. */
SYSCALL_PROG(system_xfrm32)
{
	__u32 a[3] = {};
	if (arg(regs, 0) != SYS_SOCKET || bpf_probe_read_user(a, sizeof(a), (void *)arg(regs, 1)))
		return 0;
	return a[0] == AF_NETLINK && a[2] == NETLINK_XFRM && in_scope() ? call(regs, ret, KIND_XFRM) : 0;
}

#include "check.h"

/* Name types for the generator. */
const struct call *unused_call __attribute__((unused));
const struct signal *unused_signal __attribute__((unused));
const struct credential *unused_credential __attribute__((unused));
const struct namespaces *unused_namespaces __attribute__((unused));
const struct bpf_call *unused_bpf_call __attribute__((unused));
const struct module_load *unused_module_load __attribute__((unused));
const struct capability *unused_capability __attribute__((unused));
const struct oom *unused_oom __attribute__((unused));
