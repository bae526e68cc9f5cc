/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The names of an object. A path is neither an identity nor a boundary: mounts give a file other paths, and give its path to
 * other files. So a rule is asked about up to three names of an object:
 *
 *   seen       the path as the task sees it, through its mounts up to its root
 *   canonical  the path in the host's mount namespace: where the host has mounted the file system, and the way down from there
 *   bound      the exact path of a rule that the very inode was bound to when the policy was loaded: for hard links
 *
 * Walks take no lock. A rename meanwhile could tear a name; the kernel's own sequence count of renames tells. */
#pragma once
#include "label.h"

#define PATH_STEPS 512     /* components and mounts; whoever nests deeper has a path that is too long */
#define RENAME_TRIES 8
#define PREFIX_MAX 256

/* The host's mount of a file system: one for each, with the path where it is. Written by the loader through the program
 * bind_mount, which takes the kernel's pointers from a descriptor. A file system that is not here has no canonical names. */
struct host_mount {
	__u64 mount, root; /* struct vfsmount, and the dentry that it shows as its root */
	__u32 bytes;       /* of prefix; 0 for the root */
	__u32 round;       /* in which the loader found it: what it does not find again goes */
	__u8 prefix[PREFIX_MAX];
};
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4096); __type(key, __u64); __type(value, struct host_mount); } host_mounts SEC(".maps");

/* A file as the kernel knows it, in one image. */
struct bound_key { __u64 inode; __u32 device, generation, slot, pad; };
/* The place of the exact path in the image. Written by the program bind_file. */
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 65536); __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, struct bound_key); __type(value, __u32); } bound SEC(".maps");

/* A seqlock_t: its sequence count comes first; odd while a rename is under way. Kernels without CONFIG_KALLSYMS_ALL do not tell
 * where it is: there a rename can tear a name. */
extern void rename_lock __ksym __weak;

/* What is to be named. A new name has its directory's mount, and a dentry that may be negative. */
struct object_ref { struct vfsmount *mnt; struct dentry *dentry; struct inode *inode; /* NULL: there is none yet */ };

/* From where to where a climb goes, for who has to keep it: kernel pointers, as numbers. */
struct route { __u64 mnt, dentry, root_mnt, root_dentry; };

/* Where a climb ended: where it should; at what has no parent before that. And whether its names may be torn. */
enum { CLIMB_FOUND = 1, CLIMB_LOST = 2, CLIMB_TORN = 4 };

struct climb {
	struct scratch *to;
	struct dentry *dentry, *root_dentry, *mnt_root;
	struct vfsmount *mnt, *root_mnt; /* no mount: none is crossed, and the climb ends at root_dentry */
	__u32 end, done;                 /* CLIMB_…; whether it ended */
};

/* Puts a name in front of the text. Up to 7 bytes behind it are overwritten by words, and put back. */
static __always_inline int put_name(struct scratch *t, const unsigned char *name, __u32 bytes)
{
	bytes &= 255;
	if (t->from < bytes + 1)
		return 1;
	t->from -= bytes + 1;
	__u8 *to = t->text + (t->from & (TEXT_END - 1));
	*to++ = '/';
	if (!&bpf_rdonly_cast || bytes > 32)
		return bpf_probe_read_kernel(to, bytes, name) != 0;
	__u64 behind = *(__u64 *)(to + bytes), begin = KWORD(name);
	*(__u64 *)to = begin;
	if (bytes > 8)
		*(__u64 *)(to + 8) = KWORD(name + 8);
	if (bytes > 16)
		*(__u64 *)(to + 16) = KWORD(name + 16);
	if (bytes > 24)
		*(__u64 *)(to + 24) = KWORD(name + 24);
	*(__u64 *)(to + bytes) = behind;
	return !(begin & 255); /* no name begins with a NUL: it could not be read */
}

/* Up one component, or over one mount point. Returns whether the climb is over. */
static __always_inline int climb_one(struct climb *c)
{
	struct dentry *d = c->dentry;
	if (d == c->root_dentry && c->mnt == c->root_mnt) {
		c->end = CLIMB_FOUND;
		goto done;
	}
	if (c->mnt && d == c->mnt_root) {
		struct mount *m = (void *)c->mnt - bpf_core_field_offset(struct mount, mnt), *up = KREAD(mount, m, mnt_parent);
		if (!up || up == m)
			goto done; /* the top of the namespace, or a mount that stands in none */
		c->dentry = KREAD(mount, m, mnt_mountpoint);
		struct vfsmount *mnt = (void *)up + bpf_core_field_offset(struct mount, mnt);
		c->mnt = mnt;
		c->mnt_root = KREAD(vfsmount, mnt, mnt_root);
		return 0;
	}
	struct dentry *parent = KREAD(dentry, d, d_parent);
	if (put_name(c->to, KREAD(dentry, d, d_name.name), KREAD(dentry, d, d_name.len))) {
		c->to->too_long = 1;
		goto done;
	}
	c->dentry = parent;
	if (parent == d) { /* opened by a handle and not connected to its directory, or above what the mount shows */
		c->end = CLIMB_LOST;
		goto done;
	}
	return 0;
done:
	c->done = 1;
	return 1;
}

static long climb_step(__u32 i, struct climb *c)
{
	(void)i;
	return climb_one(c);
}

static __always_inline __u32 renames(void)
{
	__u32 n = 0;
	if (&rename_lock)
		bpf_probe_read_kernel(&n, sizeof(n), &rename_lock);
	return n;
}

#define NO_MOUNT 1 /* no mount's address */

/* Writes the path from a root down to an object; without a mount of the root's, within the file system. Returns whether the climb
 * came to that root, whether it came to no root at all, and whether something was renamed meanwhile. */
__noinline int climb_once(struct scratch *t, const struct object_ref *o, __u64 root_mnt, __u64 root_dentry)
{
	if (!t || !o)
		return 0;
	struct vfsmount *m = root_mnt ? o->mnt : 0;
	struct climb c = { .to = t, .mnt = m, .dentry = o->dentry, .root_mnt = (void *)root_mnt, .root_dentry = (void *)root_dentry };
	__u32 before = renames();
	if (m)
		c.mnt_root = KREAD(vfsmount, m, mnt_root);
	t->from = TEXT_END;
	t->too_long = 0;
	bpf_loop(PATH_STEPS, climb_step, &c, 0);
	if (!c.done)
		t->too_long = 1;
	if (t->from == TEXT_END && !t->too_long) { /* the root itself */
		t->from = TEXT_END - 1;
		t->text[TEXT_END - 1] = '/';
	}
	return c.end | (before & 1 || renames() != before ? CLIMB_TORN : 0);
}

/* Climbs until nothing is renamed meanwhile. Who keeps renaming, to have a name torn, gets one that is too long. */
static __always_inline int climb(struct scratch *t, const struct object_ref *o, __u64 root_mnt, __u64 root_dentry)
{
	for (int i = 0; i < RENAME_TRIES; i++) {
		int end = climb_once(t, o, root_mnt, root_dentry);
		if (!(end & CLIMB_TORN))
			return end;
	}
	t->too_long = 1;
	return 0;
}

/* Writes the name that a task sees. Returns CLIMB_FOUND where the climb came to the task's root, else the object is outside of
 * it; CLIMB_LOST where there is no such name. */
static __always_inline int name_seen(struct scratch *t, const struct object_ref *o, struct task_struct *task)
{
	struct fs_struct *fs = task->fs;
	if (!fs) /* the task is about to end */
		return climb(t, o, NO_MOUNT, 0);
	return climb(t, o, KNUMBER(fs_struct, fs, root.mnt), KNUMBER(fs_struct, fs, root.dentry));
}

static __always_inline struct host_mount *host_mount_of(struct dentry *d)
{
	__u64 sb = (__u64)KREAD(dentry, d, d_sb);
	return bpf_map_lookup_elem(&host_mounts, &sb);
}

/* Whether the name that the task sees is the canonical one: it has the host's root, and came by the host's own mount. */
static __always_inline int seen_is_canonical(const struct object_ref *o, struct task_struct *task, struct host_mount **host)
{
	const struct setting *s = the_settings();
	struct fs_struct *fs = task->fs;
	*host = host_mount_of(o->dentry);
	if (!s || !fs || !*host)
		return 0;
	return (__u64)o->mnt == (*host)->mount && (__u64)KREAD(fs_struct, fs, root.mnt) == s->root_mount &&
	       (__u64)KREAD(fs_struct, fs, root.dentry) == s->root_dentry;
}

/* Writes the canonical name. Returns whether there is one. */
static __always_inline int name_canonical(struct scratch *t, const struct object_ref *o, struct host_mount *host)
{
	if (!host)
		return 0;
	if (!(climb(t, o, 0, host->root) & CLIMB_FOUND) && !t->too_long)
		return 0;
	__u32 n = host->bytes & (PREFIX_MAX - 1);
	if (!n || t->too_long)
		return 1;
	if (t->from < n) {
		t->too_long = 1;
		return 1;
	}
	t->from -= n;
	bpf_probe_read_kernel(t->text + (t->from & (TEXT_END - 1)), n, host->prefix);
	return 1;
}

/* Writes the exact path that the inode is bound to in this image. Returns whether it is to one. */
__noinline int name_bound(struct scratch *t, __u32 slot, const struct object_ref *o)
{
	image img = image_of(slot);
	if (!img || !t || !o || !o->inode)
		return 0;
	struct inode *inode = o->inode;
	struct super_block *sb = KREAD(inode, inode, i_sb);
	struct bound_key key = { .inode = KREAD(inode, inode, i_ino), .device = KREAD(super_block, sb, s_dev), .generation = KREAD(inode, inode, i_generation), .slot = slot };
	__u32 *place = bpf_map_lookup_elem(&bound, &key);
	if (!place)
		return 0;
	__u32 n = word(img, *place) & (NAME_MAX - 1); /* the loader binds no longer ones */
	t->too_long = 0;
	t->from = TEXT_END - n;
	const void *from = (const __u8 *)img + ((*place + 1) << 2 & (image_mask << 2));
	bpf_probe_read_kernel(t->text + (t->from & (TEXT_END - 1)), n, from);
	return 1;
}
