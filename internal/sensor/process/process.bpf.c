//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Processes: exec, fork and exit. All three are tracepoints that every kernel here has, on both rungs. */
#include "kernel.h"
#include "emit.h"
#include "path.h"
#include "scope.h"
#include "process.h"
#include "script.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* After the point of no return, with the new image in place: bprm->file is what really runs, for a script its
 * interpreter; bprm->filename is what was asked for, as the kernel copied it, and bprm->interp the same string until an
 * interpreter takes over. Once per exec. */
SEC("tp_btf/sched_process_exec") int BPF_PROG(process_exec, struct task_struct *task, int old_tid, struct linux_binprm *bprm)
{
	if (!in_scope())
		return 0;
	struct slot *s = emit_begin_for(task, KIND_EXEC, EV_TRACEPOINT, sizeof(struct exec));
	if (!s)
		return 0;
	struct exec *e = emit_body(s);
	const struct cred *cred = task->cred;
	struct nsproxy *ns = task->nsproxy;
	struct file *file = bprm->file;
	e->euid = cred->euid.val;
	e->egid = cred->egid.val;
	e->session = task->loginuid.val;
	bpf_probe_read_kernel(&e->capabilities, sizeof(e->capabilities), (void *)cred + bpf_core_field_offset(struct cred, cap_effective));
	e->parent_pid = task->real_parent->tgid;
	e->parent_start_ns = task->real_parent->group_leader->start_boottime;
	if (ns) {
		e->ns_mnt = ns->mnt_ns->ns.inum;
		e->ns_net = ns->net_ns->ns.inum;
		e->ns_uts = ns->uts_ns->ns.inum;
		e->ns_ipc = ns->ipc_ns->ns.inum;
		e->ns_cgroup = ns->cgroup_ns->ns.inum;
		e->ns_pid = ns->pid_ns_for_children->ns.inum;
	}
	e->ns_user = cred->user_ns->ns.inum;
	e->changed_ns = changed_ns(BPF_CORE_READ(file, f_inode));
	object_of(&e->file, BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_inode));
	emit_path(s, &file->f_path);
	if (bprm->interp != bprm->filename)
		emit_asked(s, e, bprm, asked_file(task, old_tid));
	emit_path(s, &task->fs->pwd);
	unsigned long from = task->mm->arg_start, to = task->mm->arg_end;
	emit_user_bytes(s, (void *)from, to - from);
	emit_end(s);
	return 0;
}

/* A new task, in its parent's context, before it runs. Threads are not processes. */
SEC("tp_btf/task_newtask") int BPF_PROG(process_fork, struct task_struct *child, __u64 flags)
{
	if (flags & CLONE_THREAD || !in_scope())
		return 0;
	if (scope_pids) {
		__u32 pid = child->tgid;
		__u8 one = 1;
		if (bpf_map_update_elem(&watched_pids, &pid, &one, BPF_ANY))
			emit_lost(LOSS_STATE);
	}
	struct slot *s = emit_begin(KIND_FORK, EV_TRACEPOINT, sizeof(struct fork));
	if (!s)
		return 0;
	struct fork *f = emit_body(s);
	f->pid = child->tgid;
	f->start_ns = child->start_boottime;
	f->flags = flags;
	/* CLONE_PARENT makes a sibling: the new task's parent is not the one that made it. */
	f->parent_pid = child->real_parent->tgid;
	f->parent_start_ns = child->real_parent->group_leader->start_boottime;
	emit_end(s);
	return 0;
}

/* Every thread passes here; the last one of its group has brought signal->live to zero. */
SEC("tp_btf/sched_process_exit") int BPF_PROG(process_exit, struct task_struct *task)
{
	if (task->signal->live.counter || !in_scope())
		return 0;
	if (scope_pids) {
		__u32 pid = task->tgid;
		bpf_map_delete_elem(&watched_pids, &pid);
	}
	struct slot *s = emit_begin_for(task, KIND_EXIT, EV_TRACEPOINT, sizeof(struct exit));
	if (!s)
		return 0;
	struct exit *e = emit_body(s);
	/* After exit_group or a fatal signal all threads share one code; the leader's own is that of a lone exit. */
	e->code = task->signal->flags & SIGNAL_GROUP_EXIT ? task->signal->group_exit_code : task->exit_code;
	e->duration_ns = bpf_ktime_get_boot_ns() - task->group_leader->start_boottime;
	emit_end(s);
	return 0;
}

/* Name types for the generator. */
const struct exec *unused_exec __attribute__((unused));
const struct fork *unused_fork __attribute__((unused));
const struct exit *unused_exit __attribute__((unused));
enum script unused_script __attribute__((unused));
