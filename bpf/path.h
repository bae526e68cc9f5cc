/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names of files, by walking dentries and mounts up to the task's root, as d_path does. bpf_d_path itself is refused in
 * most of the hooks that need it (docs/design/0001 has the list), and is missing from tracepoints altogether.
 * A rename on the way up can tear a path; the walk takes no lock. */
#pragma once
#include "emit.h"

#define PATH_DEPTH 256

struct walk {
	struct slot *slot;
	struct dentry *dentry, *root_dentry, *mnt_root;
	struct vfsmount *mnt, *root_mnt;
	__u32 pos;  /* of the first byte of the path in slot->path */
	__u16 cut, done;
};

/* One component, or one crossing of a mount point. */
static long walk_step(__u32 i, struct walk *w)
{
	struct dentry *d = w->dentry;
	(void)i;
	if (d == w->root_dentry && w->mnt == w->root_mnt)
		goto done;
	if (d == w->mnt_root) {
		struct mount *m = (void *)w->mnt - bpf_core_field_offset(struct mount, mnt), *up = KREAD(mount, m, mnt_parent);
		if (!up || up == m)
			goto done; /* the top of the namespace, or a mount that stands in none */
		w->dentry = KREAD(mount, m, mnt_mountpoint);
		/* A local: BPF_CORE_READ would take a field of struct walk for a kernel's. */
		struct vfsmount *mnt = (void *)up + bpf_core_field_offset(struct mount, mnt);
		w->mnt = mnt;
		w->mnt_root = KREAD(vfsmount, mnt, mnt_root);
		return 0;
	}
	struct dentry *parent = KREAD(dentry, d, d_parent);
	const unsigned char *name = KREAD(dentry, d, d_name.name);
	if (parent == d) { /* a root without a mount: memfd, pipe, anonymous inode */
		w->done = 2;
	}
	__u32 len = KREAD(dentry, d, d_name.len) & 255, pos = w->pos;
	if (pos < len + 1 || pos > TEXT_MAX) {
		w->cut = TEXT_CUT;
		goto done;
	}
	pos -= len;
	__u8 *to = w->slot->path + (pos & (TEXT_MAX - 1));
	if (bpf_probe_read_kernel(to, len, name)) {
		w->cut = TEXT_UNREADABLE;
		goto done;
	}
	pos--;
	w->slot->path[pos & (TEXT_MAX - 1)] = '/';
	w->pos = pos;
	w->dentry = parent;
	if (!w->done)
		return 0;
done:
	w->done = 1;
	return 1;
}

/* Appends the path of a mount and a dentry, relative to the current task's root. A function of its own, as it is long. */
static __noinline void emit_mount_path(struct slot *s, struct vfsmount *mnt, struct dentry *dentry)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fs_struct *fs = task->fs;
	struct walk w = { .slot = s, .dentry = dentry, .mnt = mnt, .pos = TEXT_MAX };
	if (fs) {
		w.root_dentry = KREAD(fs_struct, fs, root.dentry);
		w.root_mnt = KREAD(fs_struct, fs, root.mnt);
	}
	if (mnt)
		w.mnt_root = KREAD(vfsmount, mnt, mnt_root);
	bpf_loop(PATH_DEPTH, walk_step, &w, 0);
	struct text *t = text_begin(s);
	__u32 pos = w.pos;
	if (pos >= TEXT_MAX) { /* the root itself */
		*(__u8 *)(t + 1) = '/';
		text_end(s, t, 1, w.cut);
		return;
	}
	__u32 n = TEXT_MAX - pos;
	if (n > TEXT_MAX)
		n = TEXT_MAX;
	if (bpf_probe_read_kernel(t + 1, n, s->path + (pos & (TEXT_MAX - 1))))
		n = TEXT_MAX + 1;
	text_end(s, t, n, w.done ? w.cut : TEXT_CUT);
}

static __always_inline void emit_path(struct slot *s, const struct path *path)
{
	emit_mount_path(s, KREAD(path, path, mnt), KREAD(path, path, dentry));
}

/* When the inode last changed, in nanoseconds since 1970. From 6.13 on the low bits of the nanoseconds' top carry a flag. */
static __always_inline __s64 changed_ns(struct inode *inode)
{
	struct timespec64 t = {};
	if (bpf_core_field_exists(struct inode, i_ctime_sec)) {
		t.tv_sec = BPF_CORE_READ(inode, i_ctime_sec);
		t.tv_nsec = BPF_CORE_READ(inode, i_ctime_nsec) & 0x3fffffff;
	} else if (bpf_core_field_exists(struct inode___before611, __i_ctime)) {
		bpf_core_read(&t, sizeof(t), &((struct inode___before611 *)inode)->__i_ctime);
	} else {
		bpf_core_read(&t, sizeof(t), &((struct inode___before66 *)inode)->i_ctime);
	}
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

static __always_inline void object_of(struct object *o, struct dentry *dentry, struct inode *inode)
{
	struct super_block *sb = KREAD(inode, inode, i_sb);
	o->inode = KREAD(inode, inode, i_ino);
	o->device = KREAD(super_block, sb, s_dev);
	o->generation = KREAD(inode, inode, i_generation);
	o->mode = KREAD(inode, inode, i_mode);
	o->links = KREAD(inode, inode, i_nlink);
	o->unlinked = dentry && !KREAD(dentry, dentry, d_hash.pprev) && KREAD(dentry, dentry, d_parent) != dentry;
	if (!o->links)
		o->unlinked = 1;
}
