/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Judging the use of files by all of their names. */
#pragma once
#include "deny.h"

#define SB_NOUSER (1ul << 31) /* include/linux/fs.h: nobody can mount it: pipes, sockets, memfd */

/* Whether it is in no directory of anybody: rules are about paths, and it has none. */
static __always_inline int nameless(struct dentry *d)
{
	struct super_block *sb = KREAD(dentry, d, d_sb);
	return !!(KREAD(super_block, sb, s_flags) & SB_NOUSER);
}

/* How a file is used, for judge_names. */
struct use {
	__u32 letters; /* 1 read, 2 write, 4 map as executable; 0: start it */
	__u32 blocks_only; /* only what rules name is denied: what runs is not what was asked for */
};

static __always_inline verdict judge_use(const struct judging *j, image img, const struct scratch *t, const struct use *u)
{
	verdict v = u->letters ? judge_file(j->slot, &j->who, t, u->letters) : judge_program(j->slot, &j->who, t);
	return u->blocks_only && v & DENIED && unlisted(img, v) ? NO_DECISION : v;
}

/* Judges an object by its names, the one that the task sees first. Where an allow list has no rule for the canonical name the
 * access is denied too, or a bind mount would make anything allowed; but entries that are about a container speak of names
 * inside of it. The bound name is only there for rules that block. The text that decided stays in t. */
static __always_inline verdict judge_names(const struct judging *j, image img, struct scratch *t, const struct object_ref *o, const struct use *u)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct host_mount *host;
	int same = seen_is_canonical(o, task, &host);
	name_seen(t, o, task);
	verdict v = judge_use(j, img, t, u);
	if (v & DENIED)
		return v;
	if (!same && name_canonical(t, o, host)) {
		verdict c = judge_use(j, img, t, u);
		if (c & DENIED && !(unlisted(img, c) && FIELD(img, j->subject, subject, flags) & SUBJECT_CONTAINED))
			return c;
	}
	if (o->inode && name_bound(t, img, j->slot, o->inode)) {
		verdict b = judge_use(j, img, t, u);
		if (b & DENIED && !unlisted(img, b))
			return b;
	}
	return v;
}

/* The whole way of one object: memory, names, verdict, record. Returns whether to refuse. Without memory the access is
 * denied: to judge it would take its name. */
__noinline int decide_object(const struct judging *j, const struct object_ref *o, const struct use *u, struct denying *d)
{
	struct spare *spare;
	image img = j ? image_of(j->slot) : 0;
	if (!j || !img || !o || !u || !d)
		return 0;
	struct scratch *t = scratch_take(&spare);
	verdict v = DENIED;
	d->refuse = 0;
	d->body.letters = u->letters;
	d->body.reason = REASON_SCRATCH;
	if (t) {
		v = judge_names(j, img, t, o, u);
		d->body.reason = t->too_long ? REASON_TOO_LONG : REASON_RULE;
	}
	if (v & DENIED) {
		struct inode *inode = o->inode;
		if (inode)
			object_of(&d->body.object, o->dentry, inode);
		struct slot *s = deny_begin(j, img, v, d);
		if (s) {
			if (t)
				deny_text(s, t);
			deny_end(s);
		}
	}
	scratch_free(spare);
	return d->refuse;
}
