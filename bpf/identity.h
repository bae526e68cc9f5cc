/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who claims a task: the C twin of verdict/identify.go.
 *
 * Claims that ask for nothing but the executable, and the lists of executables, go by its canonical name: in a mount namespace
 * of one's own any file can have the path of a privileged one. So a file system that the host has not mounted gives neither.
 * Claims that ask for a container, a cgroup or a unit speak of names inside of it, and go by the name that the task sees. */
#pragma once
#include "names.h"

#define MATCHERS 8         /* automata of a table; policy/compile makes no more */
#define CGROUP_DEPTH 64
#define COMPONENT_MAX 256  /* of a cgroup's path, with the NUL: NAME_MAX of kernfs */
#define CONTAINER_ID 64    /* docker's, containerd's, podman's and cri-o's ids: hexadecimal */

enum fact { FACT_EXE, FACT_CGROUP, FACT_UNIT, FACT_CONTAINER };

/* What claims can ask of a task. Kernel pointers are numbers: it goes to functions that are verified by themselves. */
struct facts {
	__u64 exe, fs;         /* struct file and fs_struct */
	struct route seen;     /* the executable, up to the task's root */
	__u64 cgroup;          /* struct kernfs_node in the v2 tree */
	__u32 uid;
	__u32 by;              /* which claims are asked: BY_… */
	__u32 canonical;       /* whether by the canonical name */
	__u32 host;            /* whether there is one */
	__u32 same;            /* whether that is the one the task sees */
	__u32 pad;
};
enum { BY_EXE = 1, BY_PLACE = 2 };

/* They stand behind the text, where there is room that only the verifier needs: the stack has none. */
static __always_inline struct facts *facts_in(struct scratch *t) { return (struct facts *)(t->text + TEXT_END + COMPONENT_MAX); }
_Static_assert(COMPONENT_MAX + sizeof(struct facts) <= NAME_MAX, "struct facts");

/* Files that are of the break-glass set when they are run, as bound_key with slot 0. Written by the program glass_file. */
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1024); __type(key, struct bound_key); __type(value, __u8); } glass_files SEC(".maps");

static __always_inline struct bound_key file_key(struct inode *inode)
{
	struct super_block *sb = KREAD(inode, inode, i_sb);
	return (struct bound_key){ .inode = KREAD(inode, inode, i_ino), .device = KREAD(super_block, sb, s_dev), .generation = KREAD(inode, inode, i_generation) };
}

/* Fills in what follows from the executable and the task's root. Returns whether the executable is of the break-glass set. */
__noinline int complete(struct facts *f)
{
	const struct setting *s = the_settings();
	if (!f || !s)
		return 0;
	struct file *exe = (void *)f->exe;
	struct fs_struct *fs = (void *)f->fs;
	struct dentry *dentry = KREAD(file, exe, f_path.dentry);
	struct bound_key key = file_key(KREAD(file, exe, f_inode));
	struct host_mount *host = host_mount_of(dentry);
	f->seen.mnt = (__u64)KREAD(file, exe, f_path.mnt);
	f->seen.dentry = (__u64)dentry;
	f->seen.root_mnt = fs ? (__u64)KREAD(fs_struct, fs, root.mnt) : NO_MOUNT;
	f->seen.root_dentry = fs ? (__u64)KREAD(fs_struct, fs, root.dentry) : 0;
	f->host = !!host;
	f->same = host && f->seen.mnt == host->mount && f->seen.root_mnt == s->root_mount && f->seen.root_dentry == s->root_dentry;
	return !!bpf_map_lookup_elem(&glass_files, &key);
}

/* ---- the cgroup's path, and what it tells: the twin of ParseCgroup in internal/identity ---- */

static __always_inline struct kernfs_node *above(struct kernfs_node *kn)
{
	struct kernfs_node___before615 *old = (void *)kn;
	if (bpf_core_field_exists(struct kernfs_node, __parent))
		return KREAD(kernfs_node, kn, __parent);
	return KREAD(kernfs_node___before615, old, parent);
}

/* Writes a NUL-terminated name as the whole text. Returns its length. */
static __always_inline __u32 write_component(struct scratch *t, const char *name)
{
	long n = bpf_probe_read_kernel_str(t->text + TEXT_END, COMPONENT_MAX, name);
	__u32 bytes = n > 0 ? (n - 1) & (COMPONENT_MAX - 1) : 0;
	t->too_long = 0;
	t->from = TEXT_END - bytes;
	bpf_probe_read_kernel(t->text + (t->from & (TEXT_END - 1)), bytes, name);
	return bytes;
}

/* The last eight bytes of the text as a number, the last one on top. */
#define LAST8(t) (*(__u64 *)((t)->text + TEXT_END - 8))
#define SUFFIX8(a, b, c, d, e, f, g, h) ((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 | (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)

static __always_inline int is_unit(const struct scratch *t, __u32 bytes)
{
	__u64 w = LAST8(t), w7 = w & ~0xffull, w6 = w & ~0xffffull, w5 = w & ~0xffffffull;
	return (bytes > 8 && w == SUFFIX8('.', 's', 'e', 'r', 'v', 'i', 'c', 'e')) || (bytes > 7 && w7 == SUFFIX8(0, '.', 's', 'o', 'c', 'k', 'e', 't')) ||
	       (bytes > 6 && (w6 == SUFFIX8(0, 0, '.', 's', 'c', 'o', 'p', 'e') || w6 == SUFFIX8(0, 0, '.', 'm', 'o', 'u', 'n', 't'))) ||
	       (bytes > 5 && w5 == SUFFIX8(0, 0, 0, '.', 's', 'w', 'a', 'p'));
}

static __always_inline int is_slice(const struct scratch *t, __u32 bytes)
{
	return bytes > 6 && (LAST8(t) & ~0xffffull) == SUFFIX8(0, 0, '.', 's', 'l', 'i', 'c', 'e');
}

static __always_inline int begins(const struct scratch *t, const char *prefix, __u32 bytes)
{
	__u32 differ = 0;
	for (__u32 i = 0; i < bytes; i++)
		differ |= t->text[(t->from + i) & (TEXT_END - 1)] ^ (__u8)prefix[i];
	return !differ;
}
#define IS(t, rest, prefix) (rest == sizeof(prefix) - 1 && begins(t, prefix, sizeof(prefix) - 1))

/* If the text names a container's cgroup, returns how many bytes follow its id, plus one. */
static __always_inline __u32 container_in(const struct scratch *t, __u32 bytes)
{
	__u64 last = LAST8(t) & ~0xffffull;
	__u32 scope = bytes > 6 && last == SUFFIX8(0, 0, '.', 's', 'c', 'o', 'p', 'e') ? 6 : 0, bad = 0, rest = bytes - scope - CONTAINER_ID;
	if (bytes < CONTAINER_ID + scope)
		return 0;
	for (__u32 i = 0; i < CONTAINER_ID; i++) {
		__u32 c = t->text[(TEXT_END - CONTAINER_ID - scope + i) & (TEXT_END - 1)];
		bad |= (c - '0' > 9) & (c - 'a' > 5);
	}
	if (bad)
		return 0;
	/* containerd with a systemd path and the cgroupfs driver: SLICE:cri-containerd:ID */
	if (!rest || (!scope && t->text[TEXT_END - CONTAINER_ID - 1] == ':') || IS(t, rest, "docker-") || IS(t, rest, "cri-containerd-") ||
	    IS(t, rest, "nerdctl-") || IS(t, rest, "crio-") || IS(t, rest, "libpod-payload-") || IS(t, rest, "libpod-"))
		return scope + 1;
	return 0;
}

enum { PART_UNIT = 1, PART_SLICE = 2, PART_CONTAINER = 4, PART_BEHIND = 8 /* times how many bytes follow the id */ };

/* What the component of a cgroup's path that is the text is, as PART_… */
__noinline __u32 part_of(const struct scratch *t, __u32 bytes)
{
	if (!t)
		return 0;
	__u32 behind = container_in(t, bytes);
	return (behind ? PART_CONTAINER + (behind - 1) * PART_BEHIND : 0) + (is_unit(t, bytes) ? PART_UNIT : is_slice(t, bytes) ? PART_SLICE : 0);
}

/* From a cgroup up to the root. Of names pointers are kept. */
struct rise {
	struct scratch *to;
	struct kernfs_node *kn;
	__u64 unit, slice, container; /* of the innermost ones */
	__u32 path;                   /* whether the path is written */
};

static long rise_step(__u32 i, struct rise *r)
{
	struct kernfs_node *kn = r->kn, *parent = above(kn);
	const char *name = KREAD(kernfs_node, kn, name);
	if (!parent)
		return 1; /* the root */
	r->kn = parent;
	if (r->path) {
		__u32 n = bpf_probe_read_kernel_str(r->to->text + TEXT_END, COMPONENT_MAX, name) - 1;
		if (n < COMPONENT_MAX && !put_name(r->to, (const unsigned char *)name, n))
			return 0;
		r->to->too_long = 1;
		return 1;
	}
	__u32 part = part_of(r->to, write_component(r->to, name));
	if (part & PART_CONTAINER) { /* what is below belongs to it: units in there are not the host's */
		r->unit = r->slice = 0;
		if (!r->container)
			r->container = (__u64)name;
	}
	if (part & PART_UNIT && !r->unit)
		r->unit = (__u64)name;
	if (part & PART_SLICE && !r->slice)
		r->slice = (__u64)name;
	return 0;
}

static __always_inline int write_cgroup(struct scratch *t, const struct facts *f, enum fact which)
{
	struct rise r = { .to = t, .kn = (void *)f->cgroup, .path = which == FACT_CGROUP };
	t->from = TEXT_END;
	t->too_long = 0;
	bpf_loop(CGROUP_DEPTH, rise_step, &r, 0);
	if (r.path) {
		if (t->from == TEXT_END) {
			t->from--;
			t->text[TEXT_END - 1] = '/';
		}
		return 1;
	}
	if (which == FACT_CONTAINER) {
		if (!r.container)
			return 0;
		__u32 bytes = write_component(t, (void *)r.container), behind = part_of(t, bytes) / PART_BEHIND;
		/* the id to the end, where texts end */
		bpf_probe_read_kernel(t->text + TEXT_END - CONTAINER_ID, CONTAINER_ID, (void *)(r.container + bytes - behind - CONTAINER_ID));
		t->from = TEXT_END - CONTAINER_ID;
		return 1;
	}
	write_component(t, (void *)(r.unit ? r.unit : r.slice)); /* nothing, if there is neither */
	if (t->text[t->from & (TEXT_END - 1)] == '_') /* systemd's escape for names that the kernel has a meaning for */
		t->from += t->from < TEXT_END;
	return 1;
}

/* Writes what a condition is about. Returns whether there is such a thing, of a length that can be matched. */
__noinline int write_fact(struct scratch *t, const struct facts *f, enum fact which)
{
	if (!t || !f)
		return 0;
	if (which != FACT_EXE)
		return write_cgroup(t, f, which) && !t->too_long;
	struct object_ref o = { (void *)f->seen.mnt, (void *)f->seen.dentry, 0 };
	if (!f->canonical) {
		climb(t, &o, f->seen.root_mnt, f->seen.root_dentry);
		return !t->too_long;
	}
	return name_canonical(t, &o, host_mount_of(o.dentry)) && !t->too_long;
}

/* ---- claims ---- */

struct user_search { image img; __u32 first, uid, found; };

static long is_user(__u32 i, struct user_search *s)
{
	s->found = word(s->img, s->first + i) == s->uid;
	return s->found;
}

/* Whether a claim at a place is about those who have that user. */
__noinline int of_user(__u32 slot, __u32 at, __u32 uid)
{
	image img = image_of(slot);
	if (!img)
		return 0;
	struct user_search s = { .img = img, .first = FIELD(img, at, claim, users.first), .uid = uid };
	bpf_loop(FIELD(img, at, claim, users.count), is_user, &s, 0);
	return s.found;
}

#define CONDITION(field) (__builtin_offsetof(struct claim, field) / 4)

/* Whether the text is one of those that the condition at a place is about. */
__noinline int in_condition(__u32 slot, const struct scratch *t, __u32 at)
{
	image img = image_of(slot);
	if (!img || !t)
		return 0;
	return match_all(slot, t, FIELD(img, at, condition, table.first), FIELD(img, at, condition, table.count)) == 1;
}

static __always_inline int meets(__u32 slot, image img, struct scratch *t, const struct facts *f, __u32 at, enum fact which)
{
	return !FIELD(img, at, condition, present) || (write_fact(t, f, which) && in_condition(slot, t, at));
}

/* Whether what the executable's name does not tell holds of a claim, cheap conditions first. The text is another afterwards. */
__noinline int holds(__u32 slot, struct scratch *t, const struct facts *f, __u32 at)
{
	image img = image_of(slot);
	if (!img || !t || !f)
		return 0;
	__u32 place = FIELD(img, at, claim, unit.present) | FIELD(img, at, claim, cgroup.present) | FIELD(img, at, claim, container.present);
	__u32 flags = FIELD(img, at, claim, flags);
	if (!(f->by & (place ? BY_PLACE : BY_EXE)) || flags & CLAIM_SHA256)
		return 0;
	if (flags & CLAIM_USERS && !of_user(slot, at, f->uid))
		return 0;
	return meets(slot, img, t, f, at + CONDITION(name), FACT_EXE) && meets(slot, img, t, f, at + CONDITION(unit), FACT_UNIT) &&
	       meets(slot, img, t, f, at + CONDITION(cgroup), FACT_CGROUP) && meets(slot, img, t, f, at + CONDITION(container), FACT_CONTAINER);
}

struct claiming { image img; struct scratch *t; const struct facts *f; __u32 slot, first, found; };

static long try_claim(__u32 i, struct claiming *c)
{
	image img = c->img;
	__u32 number = word(img, c->first + i), at = HEAD(img, claims) + number * (sizeof(struct claim) / 4);
	if (!holds(c->slot, c->t, c->f, at))
		return 0;
	c->found = number;
	return 1;
}

/* What the executables of a set are to the policy: its lists, and the first of its claims that holds, in out. Lists go by the
 * names that claims by executable go by. */
static __always_inline void take_set(__u32 slot, image img, struct scratch *t, const struct facts *f, __u32 number, struct task *out)
{
	__u32 set = HEAD(img, actor_sets) + number * (sizeof(struct actor_set) / 4);
	struct claiming c = { .img = img, .t = t, .f = f, .slot = slot, .first = FIELD(img, set, actor_set, claims.first), .found = NONE };
	if (f->by & BY_EXE)
		for (__u32 n = 0; n < 8; n++)
			out->grants[n] |= word(img, set + n);
	bpf_loop(FIELD(img, set, actor_set, claims.count), try_claim, &c, 0);
	if (c.found < out->subject)
		out->subject = c.found;
}

/* Adds what the executable is by one of its names. Here out->subject is the number of the best claim, or NONE. */
__noinline int claim_by(__u32 slot, struct scratch *t, const struct facts *f, struct task *out)
{
	image img = image_of(slot);
	if (!img || !t || !f || !out)
		return 0;
	__u32 first = HEAD(img, actors.first), count = HEAD(img, actors.count);
	for (__u32 i = 0; i < MATCHERS && i < count; i++) {
		if (!write_fact(t, f, FACT_EXE)) /* again, because conditions are about other texts */
			return 0;
		__u32 set = match(slot, t, first + i);
		if (set != NONE)
			take_set(slot, img, t, f, set, out);
	}
	return 0;
}

/* Works out who a task is in one image. out->subject is whose it would be by descent. */
__noinline int identify(__u32 slot, struct scratch *t, struct facts *f, struct task *out)
{
	image img = image_of(slot);
	if (!img || !t || !f || !out)
		return 0;
	__u32 flags = FIELD(img, subject_at(img, out->subject), subject, flags), before = flags & SUBJECT_INHERITS ? out->subject : 0;
	__builtin_memset(out, 0, sizeof(*out));
	out->subject = NONE;
	f->canonical = !f->same;
	f->by = f->same ? BY_EXE | BY_PLACE : BY_EXE;
	if (f->same || f->host)
		claim_by(slot, t, f, out);
	if (!f->same) {
		f->canonical = 0;
		f->by = BY_PLACE;
		claim_by(slot, t, f, out);
	}
	__u32 claim = out->subject;
	out->subject = claim == NONE ? before : FIELD(img, HEAD(img, claims) + claim * (sizeof(struct claim) / 4), claim, subject);
	return 0;
}
