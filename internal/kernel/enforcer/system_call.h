/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* System calls by number. Those that a hook judges at every use are refused there; the others can only be answered with a
 * signal, at sys_enter, and run all the same. */
#pragma once
#include "deny.h"
#include "syscall.h"

/* Which hook judges a call: syscalls.Hook says so, and the loader fills the tables in from there. */
enum hook {
	HOOK_NONE, HOOK_BPF, HOOK_CHROOT, HOOK_LOAD, HOOK_MOUNT, HOOK_MOVE, HOOK_PERF, HOOK_PIVOT, HOOK_PTRACE, HOOK_SETTIME, HOOK_PRCTL,
	HOOK_SOCKET, HOOK_UMOUNT, HOOKS,
};
const volatile __u8 hook_amd64[548], hook_i386[512];

#define X32 0x40000000u

struct call { __u32 number, i386; };

static __always_inline enum hook hook_of(const struct call *c)
{
	__u32 n = c->i386 ? c->number : c->number & ~X32;
	asm volatile("" : "+r"(n)); /* or the compiler checks one copy and uses another */
	if (c->i386)
		return n < sizeof(hook_i386) ? hook_i386[n] : HOOK_NONE;
	return n < sizeof(hook_amd64) ? hook_amd64[n] : HOOK_NONE;
}

/* The system call that the current task is in. A worker of io_uring is in the one that its ring was made with, or none. */
static __always_inline struct call call_now(void)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	struct call c = { .number = KREAD(pt_regs, regs, orig_ax), .i386 = is_compat() != 0 };
	return c;
}

/* Whether the call is one of three, given as in x86-64's table and in that of 32-bit programs. */
static __always_inline int call_is(const struct call *c, const __u32 amd64[3], const __u32 i386[3])
{
	__u32 n = c->i386 ? c->number : c->number & ~X32;
	const __u32 *table = c->i386 ? i386 : amd64;
	return n == table[0] || n == table[1] || n == table[2];
}

/* Refuses what is denied: counts it, records it, and returns whether to answer so. For what has no text. */
__noinline int refuse(const struct judging *j, struct denying *d, verdict v)
{
	image img = j ? image_of(j->slot) : 0;
	if (!img || !d || !(v & DENIED))
		return 0;
	struct slot *s = deny_begin(j, img, v, d);
	if (s)
		deny_end(s);
	return d->refuse;
}

/* Refuses the system call that the task is in, if this hook judges it. If another call has led here, instead is the one of
 * x86-64 to judge in its place; or NONE. */
__noinline int refuse_call(const struct judging *j, enum hook hook, __u32 instead)
{
	image img = j ? image_of(j->slot) : 0;
	if (!img || !j)
		return 0;
	struct call c = call_now();
	if (hook_of(&c) != hook) {
		if (instead == NONE)
			return 0;
		c.number = instead;
		c.i386 = 0;
	}
	struct denying d = { .kind = KIND_SYSCALL, .body = { .op = OP_SYSCALL, .number = c.number, .i386 = c.i386 } };
	return refuse(j, &d, judge_syscall(img, &j->who, c.number, c.i386));
}

/* A hook that judges system calls alone. */
static __always_inline int judge_call(enum hook hook, __u32 instead)
{
	struct judging j;
	if (!judging(&j, ASK_SYSCALL))
		return 0;
	return refuse_call(&j, hook, instead) ? -EPERM : 0;
}

#define NR_SOCKET 41
#define NR_PTRACE 101

SEC("lsm/path_chroot") int BPF_PROG(enforce_chroot) { return judge_call(HOOK_CHROOT, NONE); }
SEC("lsm/sb_pivotroot") int BPF_PROG(enforce_pivot) { return judge_call(HOOK_PIVOT, NONE); }
SEC("lsm/sb_umount") int BPF_PROG(enforce_umount) { return judge_call(HOOK_UMOUNT, NONE); }
/* It has lost its first argument by 7.2, and none is needed. */
SEC("lsm/perf_event_open") int BPF_PROG(enforce_perf) { return judge_call(HOOK_PERF, NONE); }

/* Sockets are also made by socketcall, by io_uring, and by peeling an association off an SCTP socket: each counts as
 * socket(). The kernel's own do not. */
SEC("lsm/socket_create") int BPF_PROG(enforce_socket, int family, int type, int protocol, int kern)
{
	return kern ? 0 : judge_call(HOOK_SOCKET, NR_SOCKET);
}

/* The other way: a signal. Init is spared whatever the policy says, because the host would end with it. */
static __always_inline int kill_call(__u32 number, __u32 asks, int unhooked)
{
	struct judging j;
	image img = judging(&j, asks);
	if (!img)
		return 0;
	struct call c = { .number = number, .i386 = is_compat() != 0 };
	if (unhooked && hook_of(&c) != HOOK_NONE)
		return 0;
	verdict v = judge_syscall(img, &j.who, c.number, c.i386);
	if (!(v & DENIED))
		return 0;
	struct denying d = { .kind = KIND_SYSCALL, .body = { .op = OP_SYSCALL, .number = c.number, .i386 = c.i386 } };
	struct slot *s = deny_begin(&j, img, v, &d);
	int spare = !d.refuse || bpf_get_current_task_btf()->tgid == 1;
	if (s) {
		struct record *r = emit_record(s);
		r->action = spare ? ACTION_GLASS : ACTION_KILLED;
		r->evidence = EV_TRACEPOINT;
		r->error = 0;
		deny_end(s);
	}
	if (!spare)
		bpf_send_signal(SIGKILL);
	return 0;
}

/* Where the hooks are in force, calls that they judge are left to them. The tracepoint runs with preemption off on all
 * kernels, so no run is skipped because another one is under way. What io_uring does is no system call. */
SEC("tp_btf/sys_enter") int BPF_PROG(enforce_call, struct pt_regs *regs, long number) { return kill_call(number, ASK_SYSCALL_KILL, 1); }
SEC("tp_btf/sys_enter") int BPF_PROG(enforce_calls, struct pt_regs *regs, long number) { return kill_call(number, ASK_SYSCALL, 0); }
