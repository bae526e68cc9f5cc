/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Opens that a file system makes for itself, amid the open of a task: overlayfs in its layers. The task has been judged by the
 * name that it used. That says nothing where the task has mounted the overlay itself, with a blocked directory below it. So
 * the layer's file is judged too, by rules that block alone: an allow list knows no layers.
 *
 * Not where the overlay is one that the host has mounted, such as a container's: rules about the directory that the host keeps
 * its layers in are about who reaches into that, not about who lives on top. */
#pragma once
#include "file_judge.h"

#define FMODE_NOACCOUNT 0x20000000 /* opened for a file system's own use, from 6.1 to 7.2 */
#define MNT_NS_INTERNAL ((void *)-22L)
#define SB_KERNMOUNT 0x400000
#define OVERLAYFS_MAGIC 0x794c7630
#define S_IFDIR 0040000

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct backing_file { struct path user_path; }; /* since 6.6 */
#pragma clang attribute pop

/* Whether it is such an open. For copying a file up, and for listing directories, overlayfs has private clones of mounts. */
static __always_inline int opened_inside(struct file *file, struct vfsmount *mnt)
{
	struct mount *m = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
	struct super_block *sb = KREAD(vfsmount, mnt, mnt_sb);
	return file->f_mode & FMODE_NOACCOUNT ||
	       (KREAD(mount, m, mnt_ns) == MNT_NS_INTERNAL && !(KREAD(super_block, sb, s_flags) & SB_KERNMOUNT));
}

/* A name of an inode: any. */
static __always_inline struct dentry *alias_of(struct inode *inode)
{
	void *node = KREAD(inode, inode, i_dentry.first);
	if (!node)
		return 0;
	if (bpf_core_field_exists(struct dentry___flat, d_alias))
		return node - bpf_core_field_offset(struct dentry___flat, d_alias);
	return node - bpf_core_field_offset(struct dentry, d_u.d_alias);
}

/* The dentry that the task opened, of overlayfs. On 6.1 the inner file has its path, and the layer's inode; from 6.6 on the path
 * is the layer's, and the other one stands behind the file. Where it does not, what is read there is no dentry of the host's. */
static __always_inline struct dentry *opened_above(struct file *file, struct dentry *dentry)
{
	if (bpf_core_type_exists(struct backing_file))
		return KREAD(backing_file, file, user_path.dentry);
	return dentry;
}

/* Whether the task's root is an overlay that the host has mounted for it, as a container's is. A clone of a mount does not tell
 * whose it is. */
static __always_inline int in_hosts_overlay(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct setting *s = the_settings();
	struct fs_struct *fs = task->fs;
	struct dentry *root = fs ? KREAD(fs_struct, fs, root.dentry) : 0;
	if (!root || !s || (__u64)root == s->root_dentry)
		return 0;
	struct super_block *sb = KREAD(dentry, root, d_sb);
	return KREAD(super_block, sb, s_magic) == OVERLAYFS_MAGIC && host_mount_of(root);
}

static __always_inline int open_inside(struct judging *j, struct file *file, struct object_ref *o, __u32 letters)
{
	struct inode *inode = o->inode;
	if (file->f_mode & FMODE_NOACCOUNT) {
		if (host_mount_of(opened_above(file, o->dentry)))
			return 0;
		o->dentry = alias_of(inode);
	} else if ((KREAD(inode, inode, i_mode) & S_IFMT) == S_IFDIR || in_hosts_overlay()) {
		return 0;
	}
	o->mnt = 0;
	struct use u = { .letters = letters, .blocks_only = 1 };
	struct denying d = { .kind = KIND_FILE_OPEN, .body = { .op = OP_FILE } };
	return o->dentry && decide_object(j, o, &u, &d) ? -EPERM : 0;
}
