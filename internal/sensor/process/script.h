/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which file an exec asked for, when it is not the one that runs: a script, or what binfmt_misc has an interpreter for.
 * exec puts each interpreter in the place of the file that named it, and lets go of that file; but letting go of a file
 * is put off until the task returns to user mode (fput in fs/file_table.c), so it is whole until then. */
#pragma once

#define FMODE_EXEC 0x20 /* of f_flags: exec opened it (include/linux/fs.h) */
#define WORKS 16384

/* Thread → the file of its exec. LRU, because an exec that fails leaves its entry; one that goes on is never the oldest. */
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 8192); __type(key, __u32); __type(value, __u64); } asked_files SEC(".maps");

struct works {
	struct callback_head *next;
	struct file *asked;
};

/* A file among what is put off is known by its parts belonging together; nothing else has such a pair. Of those that exec
 * opened the first is the one asked for, which the list, the latest first, has last. */
static long works_step(__u32 i, struct works *w)
{
	(void)i;
	struct callback_head *c = w->next;
	if (!c)
		return 1;
	struct file *file = (void *)c - bpf_core_field_offset(struct file, f_llist);
	struct dentry *dentry = KREAD(file, file, f_path.dentry);
	struct inode *inode = KREAD(file, file, f_inode);
	if (KREAD(file, file, f_flags) & FMODE_EXEC && inode && KREAD(dentry, dentry, d_inode) == inode)
		w->asked = file;
	w->next = KREAD(callback_head, c, next);
	return 0;
}

/* The file that the exec which has just succeeded asked for, or NULL where it cannot be told. The task's id was tid then. */
static __always_inline struct file *asked_file(struct task_struct *task, __u32 tid)
{
	if (rung_evidence == EV_TRAMPOLINE) {
		__u64 *noted = bpf_map_lookup_elem(&asked_files, &tid);
		return noted ? (struct file *)*noted : 0;
	}
	struct works w = { .next = task->task_works };
	bpf_loop(WORKS, works_step, &w, 0);
	return w.next ? 0 : w.asked;
}

/* Appends the asked file's path or else its name. */
static __always_inline void emit_asked(struct slot *s, struct exec *e, struct linux_binprm *bprm, struct file *file)
{
	if (!file) {
		e->script = SCRIPT_NAME;
		emit_kernel_string(s, bprm->filename);
		return;
	}
	e->script = SCRIPT_FILE;
	object_of(&e->asked, KREAD(file, file, f_path.dentry), KREAD(file, file, f_inode));
	emit_path(s, &file->f_path);
}

/* Once per exec, with the file that was asked for, before it is known whether the exec will succeed. A failed one is no
 * event. Refuses nothing. */
SEC("lsm/bprm_creds_for_exec") int BPF_PROG(process_asked, struct linux_binprm *bprm)
{
	__u32 tid = bpf_get_current_pid_tgid();
	__u64 file = (__u64)bprm->file;
	if (in_scope() && bpf_map_update_elem(&asked_files, &tid, &file, BPF_ANY))
		emit_lost(LOSS_STATE);
	return 0;
}
