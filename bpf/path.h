/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names of files, by walking dentries and mounts up to the task's root, as d_path does. bpf_d_path itself is refused in
 * most of the hooks that need it (docs/design/0001 has the list), and is missing from tracepoints altogether.
 * A rename on the way up can tear a path; the walk takes no lock. The names are collected on the way up and written on the
 * way down, each once and where it stays. */
#pragma once
#include "emit.h"

/* Steps that are made in a plain loop: most paths need no more, and each costs 5 ns less than one in a callback. */
#define PATH_SHALLOW 8

struct walk {
	struct slot *slot;
	struct dentry *dentry, *root_dentry, *mnt_root;
	struct vfsmount *mnt, *root_mnt;
	struct text *text;
	__u32 parts, bytes; /* how many names are in slot->parts, and how long the path is */
	__u16 cut, done;
};

/* Copies a name of at most 255 bytes; up to 7 bytes after it are overwritten too. Names of dentries begin on a word, so that
 * a word never reaches into the next page. The helper costs 10 ns more. */
static __always_inline long kernel_name(__u8 *to, const unsigned char *from, __u32 bytes)
{
	if (!&bpf_rdonly_cast || bytes > 32)
		return bpf_probe_read_kernel(to, bytes, from);
	__u64 first = KWORD(from);
	*(__u64 *)to = first;
	if (bytes > 8)
		*(__u64 *)(to + 8) = KWORD(from + 8);
	if (bytes > 16)
		*(__u64 *)(to + 16) = KWORD(from + 16);
	if (bytes > 24)
		*(__u64 *)(to + 24) = KWORD(from + 24);
	return !(first & 255); /* no name begins with a NUL: it could not be read */
}

/* Up one component, or over one mount point. Returns whether that was the last. */
static __always_inline int walk_up(struct walk *w)
{
	struct dentry *d = w->dentry;
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
	__u32 len = KREAD(dentry, d, d_name.len) & 255, bytes = w->bytes + len + 1;
	if (bytes > TEXT_MAX) {
		w->cut = TEXT_CUT;
		goto done;
	}
	struct part *p = &w->slot->parts[w->parts & (PATH_DEPTH - 1)];
	p->name = (__u64)KREAD(dentry, d, d_name.name);
	p->bytes = len;
	w->parts++;
	w->bytes = bytes;
	w->dentry = parent;
	if (parent == d)
		goto done; /* a root without a mount: memfd, pipe, anonymous inode */
	return 0;
done:
	w->done = 1;
	return 1;
}

/* Writes the next name, from the top down. Returns whether there was none. */
static __always_inline int walk_down(struct walk *w)
{
	if (!w->parts)
		return 1;
	struct part *p = &w->slot->parts[--w->parts & (PATH_DEPTH - 1)];
	__u32 len = p->bytes & 255;
	__u8 *to = (__u8 *)(w->text + 1) + (w->bytes & (TEXT_MAX - 1));
	*to = '/';
	if (kernel_name(to + 1, (void *)p->name, len))
		w->cut = TEXT_UNREADABLE;
	w->bytes += len + 1;
	return 0;
}

static long walk_up_step(__u32 i, struct walk *w)
{
	(void)i;
	return walk_up(w);
}

static long walk_down_step(__u32 i, struct walk *w)
{
	(void)i;
	return walk_down(w);
}

/* Appends the path of a mount and a dentry, relative to the current task's root. A function of its own, as it is long. */
static __noinline void emit_mount_path(struct slot *s, struct vfsmount *mnt, struct dentry *dentry)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fs_struct *fs = task->fs;
	struct text *t = text_begin(s);
	struct walk w = { .slot = s, .text = t, .dentry = dentry, .mnt = mnt };
	if (fs) {
		w.root_dentry = KREAD(fs_struct, fs, root.dentry);
		w.root_mnt = KREAD(fs_struct, fs, root.mnt);
	}
	if (mnt)
		w.mnt_root = KREAD(vfsmount, mnt, mnt_root);
	for (int i = 0; i < PATH_SHALLOW && !walk_up(&w); i++)
		;
	if (!w.done)
		bpf_loop(PATH_DEPTH - PATH_SHALLOW, walk_up_step, &w, 0);
	if (!w.done)
		w.cut = TEXT_CUT;
	if (!w.parts) { /* the root itself */
		*(__u8 *)(t + 1) = '/';
		text_end(s, t, 1, w.cut);
		return;
	}
	w.bytes = 0;
	for (int i = 0; i < PATH_SHALLOW && !walk_down(&w); i++)
		;
	if (w.parts)
		bpf_loop(PATH_DEPTH - PATH_SHALLOW, walk_down_step, &w, 0);
	text_end(s, t, w.bytes, w.cut);
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
