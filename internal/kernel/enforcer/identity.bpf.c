//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Labels: who each task is to the policy. Given at exec's point of no return, copied at fork; nothing else changes them, so
 * that neither a new name, user, root or namespace nor the end of a parent sheds one. */
#include "kernel.h"
#include "path.h"
#include "identity.h"
#include "syscall.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define ENOMEM 12
#define EBADF 9
#define CLONE_THREAD 0x10000

/* What became of labels. */
struct labelling {
	__u64 changed; /* by relabel_tasks: it is run until this stays as it is */
	__u64 failed;  /* there was no memory to work one out in, or to keep it in */
};
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct labelling); } labelled SEC(".maps");

static __always_inline void count_label(int changed)
{
	__u32 zero = 0;
	struct labelling *n = bpf_map_lookup_elem(&labelled, &zero);
	if (n)
		__sync_fetch_and_add(changed ? &n->changed : &n->failed, 1);
}

/* Whether a label says no more than none would. */
static __always_inline int empty(const struct label *l)
{
	const __u64 *w = (const void *)l;
	__u64 any = 0;
	for (__u32 i = 0; i < __builtin_offsetof(struct label, start_ns) / 8; i++)
		any |= w[i];
	return !any;
}

/* Enters an empty label into the hash. A function by itself for the stack that it takes. */
__noinline int label_enter(__u32 tgid, __u64 start_ns)
{
	struct label none = { .start_ns = start_ns };
	return bpf_map_update_elem(&labels_by_tid, &tgid, &none, BPF_ANY) ? -ENOMEM : 0;
}

/* A task's label, made if there is none. */
static __always_inline struct label *label_make(struct task_struct *t)
{
	struct label *l = label_of(t);
	if (l)
		return l;
	if (TRUE_STORAGE)
		return bpf_task_storage_get(&labels, t, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	label_enter(t->tgid, t->group_leader->start_boottime);
	return label_by_tid(t);
}

/* Makes the hash agree with task storage, and lets go of labels that say nothing. Where the hash is the truth an empty one
 * stays in it until the process ends: storage may hold an older one. */
static __always_inline void label_keep(struct task_struct *t, struct label *l)
{
	__u32 tgid = t->tgid;
	l->start_ns = t->group_leader->start_boottime;
	if (!TRUE_STORAGE)
		return;
	if (!empty(l)) {
		if (bpf_map_update_elem(&labels_by_tid, &tgid, l, BPF_ANY))
			count_label(0);
		return;
	}
	bpf_map_delete_elem(&labels_by_tid, &tgid);
	bpf_task_storage_delete(&labels, t);
}

/* Memory to name executables in. Spare one first: few tasks that are labelled name anything else. */
static __always_inline struct scratch *scratch_spare(struct spare **spare)
{
	for (__u32 i = 0; i < SPARES; i++) {
		__u32 key = i;
		struct spare *s = bpf_map_lookup_elem(&spares, &key);
		if (s && !__sync_lock_test_and_set(&s->busy, 1)) {
			*spare = s;
			return &s->scratch;
		}
	}
	return scratch_take(spare);
}

/* Works the label of a task out, who runs exe and descends from who has the label before. Returns whether it is another now.
 * Without memory to name the executable in, the subject stays, and nothing else. */
static __always_inline int relabel(struct task_struct *t, struct file *exe, struct label *l, const struct label *before)
{
	const struct setting *s = the_settings();
	__u32 slots = s ? s->labelling : 0, changed = 0;
	struct spare *spare;
	struct scratch *text = scratch_spare(&spare);
	if (!text) {
		for (__u32 slot = 0; slot < IMAGES; slot++)
			__builtin_memset(l->task[slot].grants, 0, sizeof(l->task[slot].grants));
		l->flags = 0;
		count_label(0);
		return 0;
	}
	struct facts *f = facts_in(text);
	f->exe = (__u64)exe;
	f->fs = (__u64)t->fs;
	f->cgroup = (__u64)t->cgroups->dfl_cgrp->kn;
	f->uid = t->real_cred->uid.val;
	__u32 flags = complete(f) ? LABEL_GLASS : 0;
#pragma clang loop unroll(disable)
	for (__u32 slot = 0; slot < IMAGES; slot++) {
		struct task now = { .subject = before ? before->task[slot].subject : 0 }, *was = &l->task[slot];
		if (!(slots & 1u << slot))
			continue;
		identify(slot, text, f, &now);
		__u32 differ = now.subject ^ was->subject;
		for (__u32 i = 0; i < 8; i++)
			differ |= now.grants[i] ^ was->grants[i];
		if (differ)
			*was = now;
		changed |= differ;
	}
	changed |= l->flags ^ flags;
	l->flags = flags;
	scratch_free(spare);
	return changed != 0;
}

/* Before exec does anything: memory for the label, because at the point of no return it would be too late to refuse. Without
 * it the answer is -ENOMEM. */
SEC("lsm/bprm_creds_for_exec") int BPF_PROG(label_reserve, struct linux_binprm *bprm)
{
	const struct setting *s = the_settings();
	if (!s || !s->labelling || label_make(bpf_get_current_task_btf()))
		return 0;
	count_label(0);
	return -ENOMEM;
}

static __always_inline int executed(struct task_struct *t, struct file *exe)
{
	const struct setting *s = the_settings();
	if (!s || !s->labelling)
		return 0;
	struct label *l = label_make(t);
	if (!l) {
		count_label(0);
		return 0;
	}
	relabel(t, exe, l, l);
	label_keep(t, l);
	return 0;
}

/* The point of no return: the new memory and credentials are the task's, and nothing of the new program has run or is mapped.
 * bprm->file is what really runs, for a script its interpreter. A task that is not its group's leader has become it. Without
 * memory to name the executable in the subject stays, and that is counted. */
SEC("lsm/bprm_committed_creds") int BPF_PROG(label_exec, struct linux_binprm *bprm)
{
	return executed(bpf_get_current_task_btf(), bprm->file);
}

/* The same where there is no LSM. It comes later, when the program is mapped. */
SEC("tp_btf/sched_process_exec") int BPF_PROG(label_exec_seen, struct task_struct *task, int old_tid, struct linux_binprm *bprm)
{
	return executed(task, bprm->file);
}

/* A new task, before anybody can see it: also those that task_newtask is not told of, such as the workers of io_uring. Where
 * storage tells the truth a labelled task that cannot label its child has none: -ENOMEM. */
SEC("lsm/task_alloc") int BPF_PROG(label_alloc, struct task_struct *child)
{
	struct label *l = label_of(bpf_get_current_task_btf());
	if (!l || empty(l) || bpf_task_storage_get(&labels, child, l, BPF_LOCAL_STORAGE_GET_F_CREATE))
		return 0;
	if (!TRUE_STORAGE)
		return 0;
	count_label(0);
	return -ENOMEM;
}

/* A new task that has its number, before it runs. The label is copied again: the parent may have been relabelled since. A
 * number that is used again must not have the label of who had it before. */
SEC("tp_btf/task_newtask") int BPF_PROG(label_newtask, struct task_struct *child, __u64 flags)
{
	struct label *l = label_of(bpf_get_current_task_btf()), *to = bpf_task_storage_get(&labels, child, 0, 0);
	__u32 tgid = child->tgid;
	struct label copy = {};
	if (l)
		copy = *l;
	copy.start_ns = child->group_leader->start_boottime;
	if (!empty(&copy) && !to)
		to = bpf_task_storage_get(&labels, child, &copy, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (to)
		*to = copy;
	if (flags & CLONE_THREAD)
		return 0;
	if (empty(&copy))
		bpf_map_delete_elem(&labels_by_tid, &tgid);
	else if (bpf_map_update_elem(&labels_by_tid, &tgid, &copy, BPF_ANY))
		count_label(0);
	return 0;
}

/* The last thread of a process. Its number is not free yet. */
SEC("tp_btf/sched_process_exit") int BPF_PROG(label_exit, struct task_struct *task)
{
	__u32 tgid = task->tgid;
	if (!task->signal->live.counter)
		bpf_map_delete_elem(&labels_by_tid, &tgid);
	return 0;
}

/* Labels what runs already, by what it runs and by its parent. A parent may be labelled after its children, and a child be
 * made meanwhile: user space runs this until it changes nothing. */
SEC("iter/task") int relabel_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *t = ctx->task;
	if (!t || t->flags & PF_KTHREAD)
		return 0;
	struct mm_struct *mm = t->mm;
	struct file *exe = mm ? KREAD(mm_struct, mm, exe_file) : 0;
	if (!exe)
		return 0;
	struct label *l = label_make(t);
	if (!l) {
		count_label(0);
		return 0;
	}
	struct task_struct *parent = t->real_parent;
	if (relabel(t, exe, l, parent ? label_of(parent) : 0))
		count_label(1);
	label_keep(t, l);
	return 0;
}

/* ---- what the loader has done by the kernel's own pointers; run by BPF_PROG_RUN, in the task that has the descriptor ---- */

struct mount_binding { __s32 fd; __u32 bytes, round; __u8 prefix[PREFIX_MAX]; };
struct file_binding { __s32 fd; __u32 slot, place; };
struct descriptor { __s32 fd; };

/* The mount of a descriptor is the host's mount of its file system, at the path prefix; of the root its length is 0. */
SEC("syscall") int bind_mount(struct mount_binding *ctx)
{
	struct file *file = file_of(ctx->fd);
	if (!file)
		return -EBADF;
	struct vfsmount *mnt = KREAD(file, file, f_path.mnt);
	struct dentry *root = KREAD(vfsmount, mnt, mnt_root);
	struct host_mount m = { .mount = (__u64)mnt, .root = (__u64)root, .bytes = ctx->bytes & (PREFIX_MAX - 1), .round = ctx->round };
	__u64 sb = (__u64)KREAD(dentry, root, d_sb);
	bpf_probe_read_kernel(m.prefix, sizeof(m.prefix), ctx->prefix);
	return bpf_map_update_elem(&host_mounts, &sb, &m, BPF_ANY);
}

/* A descriptor of the host's root. */
SEC("syscall") int bind_root(struct descriptor *ctx)
{
	__u32 zero = 0;
	struct setting *s = bpf_map_lookup_elem(&settings, &zero);
	struct file *file = file_of(ctx->fd);
	if (!file || !s)
		return -EBADF;
	s->root_mount = (__u64)KREAD(file, file, f_path.mnt);
	s->root_dentry = (__u64)KREAD(file, file, f_path.dentry);
	return 0;
}

/* A file is the one of an exact path, which stands at a place of a slot's image. */
SEC("syscall") int bind_file(struct file_binding *ctx)
{
	struct file *file = file_of(ctx->fd);
	if (!file)
		return -EBADF;
	struct inode *inode = KREAD(file, file, f_inode);
	struct bound_key key = file_key(inode);
	__u32 place = ctx->place;
	key.slot = ctx->slot;
	return bpf_map_update_elem(&bound, &key, &place, BPF_ANY);
}

/* Who runs that file is of the break-glass set. */
SEC("syscall") int glass_file(struct descriptor *ctx)
{
	struct file *file = file_of(ctx->fd);
	__u8 one = 1;
	if (!file)
		return -EBADF;
	struct inode *inode = KREAD(file, file, f_inode);
	struct bound_key key = file_key(inode);
	return bpf_map_update_elem(&glass_files, &key, &one, BPF_ANY);
}

const struct mount_binding *unused_bind_mount __attribute__((unused));
const struct file_binding *unused_bind_file __attribute__((unused));
const struct descriptor *unused_bind_fd __attribute__((unused));
const struct label *unused_label __attribute__((unused));
const struct labelling *unused_labelled __attribute__((unused));
