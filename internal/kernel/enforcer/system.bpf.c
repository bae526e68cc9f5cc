//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What tasks ask of the kernel beyond files, programs and network: reaching into each other, privileges, and the kernel itself.
 *
 * Each hook judges by the rule that it is about and then, where it guards a system call, by the task's system calls; it answers
 * EPERM to what either denies, and nothing to the rest. There is nothing to fail on the way: where there is no room for
 * the record the answer is the same, and the count stands. */
#include "kernel.h"
#include "path.h"
#include "deny.h"
#include "system_call.h"
#include "system_text.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* ---- reaching into another process ---- */

/* Who is reached for. */
static __always_inline void set_target(const struct judging *j, struct task_struct *target, struct denying *d)
{
	struct label *l = label_of(target);
	d->body.target_pid = target->tgid;
	d->body.target_subject = l && j->slot < IMAGES ? l->task[j->slot].subject : 0;
}

static __always_inline int own(struct task_struct *p) { return p->tgid == bpf_get_current_task_btf()->tgid; }

/* Signals that a task sends. The kernel's own do not come here; but one that a USB device was told to send does, in a context
 * where the current task is anybody: it brings the credentials of who asked for it along, and passes. (The pointer is read as a
 * number: the verifier takes it for one that is never NULL.) Signal 0 only asks whether there is somebody. */
SEC("lsm/task_kill") int BPF_PROG(enforce_kill, struct task_struct *p, struct kernel_siginfo *info, int number, const struct cred *cred)
{
	struct judging j;
	__u64 deferred = 1;
	bpf_probe_read_kernel(&deferred, sizeof(deferred), &ctx[3]);
	if (deferred || !number || own(p))
		return 0;
	image img = judging(&j, ASK_SIGNAL);
	if (!img)
		return 0;
	struct denying d = { .kind = KIND_SIGNAL, .body = { .op = OP_SIGNAL, .number = number } };
	set_target(&j, p, &d);
	return refuse(&j, &d, judge_signal(img, &j.who, d.body.target_subject)) ? -EPERM : 0;
}

/* Slowing another task down or starving it counts as a signal to it: either can stop it. The record is of the call. */
static __always_inline int influence(struct task_struct *p)
{
	struct judging j;
	if (own(p))
		return 0;
	image img = judging(&j, ASK_SIGNAL);
	if (!img)
		return 0;
	struct call c = call_now();
	struct denying d = { .kind = KIND_SYSCALL, .body = { .op = OP_SIGNAL, .number = c.number, .i386 = c.i386 } };
	set_target(&j, p, &d);
	return refuse(&j, &d, judge_signal(img, &j.who, d.body.target_subject)) ? -EPERM : 0;
}

SEC("lsm/task_setnice") int BPF_PROG(enforce_nice, struct task_struct *p) { return influence(p); }
/* Policy, priority and affinity; and moving a task into a cgroup with processors of its own. */
SEC("lsm/task_setscheduler") int BPF_PROG(enforce_sched, struct task_struct *p) { return influence(p); }
SEC("lsm/task_setioprio") int BPF_PROG(enforce_ioprio, struct task_struct *p) { return influence(p); }
/* prlimit that sets something: task_prlimit does not tell whose limit it is. */
SEC("lsm/task_setrlimit") int BPF_PROG(enforce_rlimit, struct task_struct *p) { return influence(p); }
/* move_pages and migrate_pages. */
SEC("lsm/task_movememory") int BPF_PROG(enforce_movemem, struct task_struct *p) { return influence(p); }

#define PTRACE_MODE_ATTACH 2 /* include/linux/ptrace.h */

/* Taking hold of another process or of its memory: ptrace, process_vm_*, /proc/PID/mem, pidfd_getfd. Asking to read what /proc
 * tells passes, or nobody could list processes; and with it process_madvise, where from 6.15 on this answer does not decide. */
SEC("lsm/ptrace_access_check") int BPF_PROG(enforce_ptrace, struct task_struct *child, unsigned int mode)
{
	struct judging j;
	image img = judging(&j, ASK_PTRACE | ASK_SYSCALL);
	if (!img)
		return 0;
	if (mode & PTRACE_MODE_ATTACH) {
		struct call c = call_now();
		struct denying d = { .kind = KIND_PTRACE, .body = { .op = OP_PTRACE, .number = c.number, .i386 = c.i386 } };
		set_target(&j, child, &d);
		if (refuse(&j, &d, judge_ptrace(img, &j.who, d.body.target_subject)))
			return -EPERM;
	}
	return refuse_call(&j, HOOK_PTRACE, NONE) ? -EPERM : 0;
}

/* A task that asks its parent to trace it: who reaches in is the parent, by its entry and in its mode. The parent's own calls
 * of ptrace have no hook from then on, so they are judged here too. */
SEC("lsm/ptrace_traceme") int BPF_PROG(enforce_traceme, struct task_struct *parent)
{
	struct judging j;
	image img = judging_as(&j, parent, ASK_PTRACE | ASK_SYSCALL);
	if (img) {
		struct denying d = { .kind = KIND_PTRACE, .body = { .op = OP_PTRACE, .number = NR_PTRACE } };
		set_target(&j, bpf_get_current_task_btf(), &d);
		if (refuse(&j, &d, judge_ptrace(img, &j.who, d.body.target_subject)))
			return -EPERM;
		d.kind = KIND_SYSCALL;
		d.body.op = OP_SYSCALL;
		if (refuse(&j, &d, judge_syscall(img, &j.who, NR_PTRACE, 0)))
			return -EPERM;
	}
	return judge_call(HOOK_PTRACE, NONE);
}

/* ---- privileges ---- */

/* Which denials of which process have been recorded: a process asks the same again and again, some checks thousands of times a
 * second. All are refused and counted. The least recently asked is forgotten when it is full, and then recorded again. */
struct asked { __u64 start_ns; __u32 pid, capability, generation, pad; };
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 16384); __type(key, struct asked); __type(value, __u8); } capabilities_asked SEC(".maps");

/* Capabilities that the task has, in whatever user namespace: what it lacks the kernel has refused before. Its own rights are
 * asked for, not those that it lent to a file, and not those of whom the kernel acts for meanwhile, such as who mounted an
 * overlay: a task would lose its files otherwise. */
SEC("lsm/capable") int BPF_PROG(enforce_capable, const struct cred *cred, struct user_namespace *ns, int capability)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct judging j;
	if (t->cred != cred || t->real_cred != cred)
		return 0;
	image img = judging(&j, ASK_CAPABILITY);
	if (!img)
		return 0;
	verdict v = judge_capability(img, &j.who, capability);
	if (!(v & DENIED))
		return 0;
	struct asked key = { .start_ns = t->group_leader->start_boottime, .pid = t->tgid, .capability = capability, .generation = HEAD(img, generation) };
	__u8 one = 1;
	if (bpf_map_update_elem(&capabilities_asked, &key, &one, BPF_NOEXIST) == -EEXIST) {
		int glass = behind_glass(j.flags);
		count_denial(key.generation, (__u32)v, REASON_RULE, glass);
		return glass ? 0 : -EPERM;
	}
	struct denying d = { .kind = KIND_CAPABILITY, .body = { .op = OP_CAPABILITY, .number = capability } };
	return refuse(&j, &d, v) ? -EPERM : 0;
}

/* The kernel answers ENOSYS itself where no program refuses. */
SEC("lsm/task_prctl") int BPF_PROG(enforce_prctl, int option)
{
	struct judging j;
	image img = judging(&j, ASK_PRCTL | ASK_SYSCALL);
	if (!img)
		return 0;
	struct denying d = { .kind = KIND_PRCTL, .body = { .op = OP_PRCTL, .number = option } };
	if (refuse(&j, &d, judge_prctl(img, &j.who, option)))
		return -EPERM;
	return refuse_call(&j, HOOK_PRCTL, NONE) ? -EPERM : 0;
}

/* ---- the kernel ---- */

SEC("lsm/bpf") int BPF_PROG(enforce_bpf, int command)
{
	struct judging j;
	image img = judging(&j, ASK_BPF | ASK_SYSCALL);
	if (!img)
		return 0;
	struct denying d = { .kind = KIND_BPF, .body = { .op = OP_BPF, .number = command } };
	if (refuse(&j, &d, says(img, &j.who, HEAD(img, bpf))))
		return -EPERM;
	return refuse_call(&j, HOOK_BPF, NONE) ? -EPERM : 0;
}

/* A rule of the host that has no object; the record tells the system call. */
static __always_inline int judge_switch(const struct judging *j, image img, enum kind kind, enum op op, __u32 id)
{
	struct call c = call_now();
	struct denying d = { .kind = kind, .body = { .op = op, .number = c.number, .i386 = c.i386 } };
	return refuse(j, &d, says(img, &j->who, id)) ? -EPERM : 0;
}

SEC("lsm/settime") int BPF_PROG(enforce_settime)
{
	struct judging j;
	image img = judging(&j, ASK_SETTIME | ASK_SYSCALL);
	if (!img)
		return 0;
	if (judge_switch(&j, img, KIND_SETTIME, OP_SETTIME, HEAD(img, settime)))
		return -EPERM;
	return refuse_call(&j, HOOK_SETTIME, NONE) ? -EPERM : 0;
}

#define CAP_SYS_TIME 25

/* adjtimex and clock_adjtime have no hook, but need this capability for all that they set. */
SEC("lsm/capable") int BPF_PROG(enforce_adjust, const struct cred *cred, struct user_namespace *ns, int capability)
{
	static const __u32 amd64[3] = { 159, 305, 305 }, i386[3] = { 124, 343, 405 };
	struct judging j;
	if (capability != CAP_SYS_TIME)
		return 0;
	struct call c = call_now();
	image img = call_is(&c, amd64, i386) ? judging(&j, ASK_SETTIME) : 0;
	return img ? judge_switch(&j, img, KIND_SETTIME, OP_SETTIME, HEAD(img, settime)) : 0;
}

/* Keyrings, by the three system calls for them: what the kernel looks up for itself, to mount or to resolve, passes. */
static __always_inline int judge_keyring(void)
{
	static const __u32 amd64[3] = { 248, 249, 250 }, i386[3] = { 286, 287, 288 };
	struct judging j;
	struct call c = call_now();
	image img = call_is(&c, amd64, i386) ? judging(&j, ASK_KEYRING) : 0;
	return img ? judge_switch(&j, img, KIND_KEYRING, OP_KEYRING, HEAD(img, keyring)) : 0;
}
SEC("lsm/key_permission") int BPF_PROG(enforce_key) { return judge_keyring(); }
SEC("lsm/key_alloc") int BPF_PROG(enforce_keyadd) { return judge_keyring(); }

/* Making a ring: its file is an anonymous inode of this name, which is asked about by this hook alone on all kernels. A ring
 * that a task was handed is used without a hook. */
SEC("lsm/inode_init_security_anon") int BPF_PROG(enforce_uring, struct inode *inode, const struct qstr *name)
{
	struct judging j;
	char text[16] = {};
	image img = judging(&j, ASK_IO_URING);
	if (!img)
		return 0;
	bpf_probe_read_kernel_str(text, sizeof(text), KREAD(qstr, name, name));
	if (__builtin_memcmp(text, "[io_uring]", sizeof("[io_uring]")))
		return 0;
	return judge_switch(&j, img, KIND_IO_URING, OP_IO_URING, HEAD(img, io_uring));
}

/* Name types for the generator. */
const enum hook *unused_hook __attribute__((unused));
