/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rung with trampolines. The path_* hooks know the mount, but run before the directory's permissions are checked; the
 * inode_* hooks and notify_change know better what is going to happen, but not the mount. So the first notes mount and
 * dentry, and the second tells, if it is about the same dentry. A file system at work for itself, such as overlayfs in
 * its layers, passes the second only and tells nothing. The notes are the thread's; each call of its replaces the last.
 *
 * What an inode_* hook tells has passed the permission checks, and may still fail in the file system (or in an LSM that
 * comes after bpf in the list). The programs never refuse; none is run when an earlier one has refused. */
#pragma once

#define ATTR_OPEN 0x8000 /* include/linux/fs.h: by open with O_TRUNC, which has its own event */
#define MNT_NS_INTERNAL ((void *)-22L)
#define SB_KERNMOUNT 0x400000
/* arch/x86/entry/syscalls: mknod and mknodat, and i386's. */
#define NR_MKNOD 133
#define NR_MKNODAT 259
#define NR_MKNOD_IA32 14
#define NR_MKNODAT_IA32 297

enum intent { TO_CHANGE_NAMES = 1, TO_CHMOD, TO_CHOWN, TO_TRUNCATE };

struct noted {
	struct vfsmount *mnt;
	struct dentry *dentry;
	enum intent intent;
	__u32 flags, uid, gid;
};

/* Thread → what it is about to do. LRU, because a call that fails between the two hooks leaves its note; a note is used
 * microseconds after it was made, so a live one is never the oldest. */
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 8192); __type(key, __u32); __uint(value_size, sizeof(struct noted)); } notes SEC(".maps");

static __always_inline int note(const struct noted *n)
{
	__u32 tid = bpf_get_current_pid_tgid();
	if (in_scope() && bpf_map_update_elem(&notes, &tid, n, BPF_ANY))
		emit_lost(LOSS_STATE);
	return 0;
}

/* Takes the note about a dentry. */
static __always_inline int noted(struct dentry *dentry, struct noted *out)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct noted *n = bpf_map_lookup_elem(&notes, &tid);
	if (!n || n->dentry != dentry)
		return 0;
	*out = *n;
	bpf_map_delete_elem(&notes, &tid);
	return 1;
}

static __noinline struct slot *changed_dentry(enum kind kind, enum evidence evidence, const struct noted *n, struct dentry *dentry)
{
	struct slot *s = emit_begin(kind, evidence, sizeof(struct change));
	if (!s)
		return 0;
	struct change *c = emit_body(s);
	struct inode *inode = BPF_CORE_READ(dentry, d_inode);
	if (inode)
		object_of(&c->object, dentry, inode);
	c->flags = n->flags;
	emit_mount_path(s, n->mnt, dentry);
	return s;
}

/* An open, after the permission check and before the file system's own open, which can still fail. It sees io_uring's too.
 * Left out are the opens of kernel threads and those of file systems for themselves: overlayfs opens the layer's file as
 * FMODE_NOACCOUNT, and copies files up through private clones of the mounts. exec's opens, of the program and of its
 * interpreters, have the access x; the other rung cannot see them. */
SEC("lsm/file_open") int BPF_PROG(file_open, struct file *file)
{
	struct task_struct *task = bpf_get_current_task_btf();
	if (file->f_mode & FMODE_NOACCOUNT || task->flags & PF_KTHREAD || !in_scope())
		return 0;
	struct vfsmount *mnt = KREAD(file, file, f_path.mnt);
	struct mount *m = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
	if (KREAD(mount, m, mnt_ns) == MNT_NS_INTERNAL && !(BPF_CORE_READ(mnt, mnt_sb, s_flags) & SB_KERNMOUNT))
		return 0;
	opened(file, file->f_flags, EV_LSM);
	return 0;
}

SEC("lsm/path_mkdir") int BPF_PROG(file_p_mkdir, const struct path *dir, struct dentry *dentry)
{
	struct noted n = { .mnt = dir->mnt, .dentry = dentry, .intent = TO_CHANGE_NAMES };
	return note(&n);
}
SEC("lsm/inode_mkdir") int BPF_PROG(file_i_mkdir, struct inode *dir, struct dentry *dentry, __u16 mode)
{
	struct noted n;
	struct slot *s = noted(dentry, &n) ? changed_dentry(KIND_FILE_CREATE, EV_LSM, &n, dentry) : 0;
	if (!s)
		return 0;
	((struct change *)emit_body(s))->mode = masked((mode & 07777) | S_IFDIR);
	emit_end(s);
	return 0;
}

/* An open that creates and a bind of a UNIX socket come here as well; they have their own events. */
SEC("lsm/path_mknod") int BPF_PROG(file_p_mknod, const struct path *dir, struct dentry *dentry)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 nr = syscall_number((struct pt_regs *)bpf_task_pt_regs(task));
	if (is_compat() ? nr != NR_MKNOD_IA32 && nr != NR_MKNODAT_IA32 : nr != NR_MKNOD && nr != NR_MKNODAT)
		return 0;
	struct noted n = { .mnt = dir->mnt, .dentry = dentry, .intent = TO_CHANGE_NAMES };
	return note(&n);
}
static __always_inline int node_made(struct dentry *dentry, __u32 mode)
{
	struct noted n;
	struct slot *s = noted(dentry, &n) ? changed_dentry(KIND_FILE_CREATE, EV_LSM, &n, dentry) : 0;
	if (!s)
		return 0;
	((struct change *)emit_body(s))->mode = masked(mode & S_IFMT ? mode : mode | S_IFREG);
	emit_end(s);
	return 0;
}
SEC("lsm/inode_mknod") int BPF_PROG(file_i_mknod, struct inode *dir, struct dentry *dentry, __u16 mode) { return node_made(dentry, mode); }
/* mknod of a regular file. */
SEC("lsm/inode_create") int BPF_PROG(file_i_create, struct inode *dir, struct dentry *dentry, __u16 mode) { return node_made(dentry, mode); }

SEC("lsm/path_symlink") int BPF_PROG(file_p_symlink, const struct path *dir, struct dentry *dentry)
{
	struct noted n = { .mnt = dir->mnt, .dentry = dentry, .intent = TO_CHANGE_NAMES };
	return note(&n);
}
SEC("lsm/inode_symlink") int BPF_PROG(file_i_symlink, struct inode *dir, struct dentry *dentry, const char *to)
{
	struct noted n;
	struct slot *s = noted(dentry, &n) ? changed_dentry(KIND_FILE_CREATE, EV_LSM, &n, dentry) : 0;
	if (!s)
		return 0;
	((struct change *)emit_body(s))->mode = S_IFLNK;
	emit_kernel_string(s, to);
	emit_end(s);
	return 0;
}

SEC("lsm/path_unlink") int BPF_PROG(file_p_unlink, const struct path *dir, struct dentry *dentry)
{
	struct noted n = { .mnt = dir->mnt, .dentry = dentry, .intent = TO_CHANGE_NAMES };
	return note(&n);
}
SEC("lsm/path_rmdir") int BPF_PROG(file_p_rmdir, const struct path *dir, struct dentry *dentry)
{
	struct noted n = { .mnt = dir->mnt, .dentry = dentry, .intent = TO_CHANGE_NAMES };
	return note(&n);
}
static __always_inline int name_removed(struct dentry *dentry)
{
	struct noted n;
	struct slot *s = noted(dentry, &n) ? changed_dentry(KIND_FILE_DELETE, EV_LSM, &n, dentry) : 0;
	if (s)
		emit_end(s);
	return 0;
}
SEC("lsm/inode_unlink") int BPF_PROG(file_i_unlink, struct inode *dir, struct dentry *dentry) { return name_removed(dentry); }
SEC("lsm/inode_rmdir") int BPF_PROG(file_i_rmdir, struct inode *dir, struct dentry *dentry) { return name_removed(dentry); }

SEC("lsm/path_rename") int BPF_PROG(file_p_rename, const struct path *from, struct dentry *old, const struct path *to, struct dentry *new, unsigned int flags)
{
	struct noted n = { .mnt = from->mnt, .dentry = old, .intent = TO_CHANGE_NAMES, .flags = flags };
	return note(&n);
}
/* For an exchange the kernel calls this twice, first with the two swapped: only the second is about the noted dentry. */
SEC("lsm/inode_rename") int BPF_PROG(file_i_rename, struct inode *from, struct dentry *old, struct inode *to, struct dentry *new)
{
	struct noted n;
	struct slot *s = noted(old, &n) ? changed_dentry(KIND_FILE_RENAME, EV_LSM, &n, old) : 0;
	if (!s)
		return 0;
	emit_mount_path(s, n.mnt, new);
	emit_end(s);
	return 0;
}

SEC("lsm/path_link") int BPF_PROG(file_p_link, struct dentry *old, const struct path *dir, struct dentry *new)
{
	struct noted n = { .mnt = dir->mnt, .dentry = new, .intent = TO_CHANGE_NAMES };
	return note(&n);
}
/* Both names are below the same mount; the kernel refuses others. */
SEC("lsm/inode_link") int BPF_PROG(file_i_link, struct dentry *old, struct inode *dir, struct dentry *new)
{
	struct noted n;
	struct slot *s = noted(new, &n) ? changed_dentry(KIND_FILE_LINK, EV_LSM, &n, old) : 0;
	if (!s)
		return 0;
	emit_mount_path(s, n.mnt, new);
	emit_end(s);
	return 0;
}

SEC("lsm/path_chmod") int BPF_PROG(file_p_chmod, const struct path *path)
{
	struct noted n = { .mnt = path->mnt, .dentry = path->dentry, .intent = TO_CHMOD };
	return note(&n);
}
/* The ids are those of the initial user namespace; -1: left alone. They come by value in one register each. */
SEC("lsm/path_chown") int BPF_PROG(file_p_chown, const struct path *path, __u64 uid, __u64 gid)
{
	struct noted n = { .mnt = path->mnt, .dentry = path->dentry, .intent = TO_CHOWN, .uid = uid, .gid = gid };
	return note(&n);
}
/* truncate(2); on 6.1 ftruncate(2) and open with O_TRUNC too. */
SEC("lsm/path_truncate") int BPF_PROG(file_p_trunc, const struct path *path)
{
	struct noted n = { .mnt = path->mnt, .dentry = path->dentry, .intent = TO_TRUNCATE };
	return note(&n);
}
/* ftruncate(2) and open with O_TRUNC, since 6.2. */
SEC("lsm/file_truncate") int BPF_PROG(file_f_trunc, struct file *file)
{
	struct noted n = { .mnt = BPF_CORE_READ(file, f_path.mnt), .dentry = BPF_CORE_READ(file, f_path.dentry), .intent = TO_TRUNCATE };
	return note(&n);
}
/* Every change of attributes ends here. Not lsm/inode_setattr: that runs before the owner is checked. */
SEC("fexit/notify_change") int BPF_PROG(file_setattr, void *idmap, struct dentry *dentry, struct iattr *attr, void *delegated, int ret)
{
	struct noted n;
	if (ret || attr->ia_valid & ATTR_OPEN || !noted(dentry, &n))
		return 0;
	enum kind kind = n.intent == TO_CHMOD ? KIND_FILE_CHMOD : n.intent == TO_CHOWN ? KIND_FILE_CHOWN : KIND_FILE_TRUNCATE;
	struct slot *s = changed_dentry(kind, EV_TRAMPOLINE, &n, dentry);
	if (!s)
		return 0;
	struct change *c = emit_body(s);
	if (kind == KIND_FILE_CHMOD)
		c->mode = attr->ia_mode & 07777;
	if (kind == KIND_FILE_TRUNCATE)
		c->size = attr->ia_size;
	c->uid = n.uid;
	c->gid = n.gid;
	emit_end(s);
	return 0;
}
