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
	__u32 letters; /* 1 read, 2 write, 4 map as executable; or alone 8: control it as a device, 0: start it */
	__u32 blocks_only; /* only what rules name is denied: what runs is not what was asked for */
};

#define USE_CONTROL 8

/* Whether it is for lack of a rule that a use is denied. It asks for the image again: to keep it would take stack from the judge. */
static __always_inline int denied_unlisted(const struct judging *j, verdict v)
{
	image img = v & DENIED ? image_of(j->slot) : 0;
	return img && unlisted(img, v);
}

static __always_inline int contained(const struct judging *j)
{
	image img = image_of(j->slot);
	return img && FIELD(img, j->subject, subject, flags) & SUBJECT_CONTAINED;
}

static __always_inline verdict judge_use(const struct judging *j, const struct scratch *t, const struct use *u)
{
	if (u->letters == USE_CONTROL)
		return judge_host(j->slot, &j->who, t, HOST_DEVICE);
	verdict v = u->letters ? judge_file(j->slot, &j->who, t, u->letters) : judge_program(j->slot, &j->who, t);
	return u->blocks_only && denied_unlisted(j, v) ? NO_DECISION : v;
}

/* Judges an object by its names, the one that the task sees first. Where an allow list has no rule for the canonical name the
 * access is denied too, or a bind mount would make anything allowed; but entries that are about a container speak of names
 * inside of it. The bound name is only there for rules that block. The text that decided stays in t.
 *
 * An object without a mount (mnt is NULL) has no name that the task sees. One that has no name at all is denied by allow lists,
 * which cannot hold it; and where it lies in a file system of the host's also by block lists, as one whose name is too long: who
 * opens by handle what nobody has opened by name would pass by every pattern. */
static __always_inline verdict judge_names(const struct judging *j, struct scratch *t, const struct object_ref *o, const struct use *u, struct denying *d)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct host_mount *host;
	int same = seen_is_canonical(o, task, &host);
	verdict v = NO_DECISION;
	d->body.reason = REASON_UNNAMED; /* until there is a name */
	if (o->mnt && (!(name_seen(t, o, task) & CLIMB_LOST) || nameless(o->dentry))) { /* a file in memory is /memfd:NAME to exec */
		d->body.reason = REASON_RULE;
		v = judge_use(j, t, u);
		if (v & DENIED)
			return v;
	}
	if (!same && name_canonical(t, o, host)) {
		d->body.reason = REASON_RULE;
		verdict c = judge_use(j, t, u);
		if (c & DENIED && !(denied_unlisted(j, c) && contained(j)))
			return c;
	}
	if (name_bound(t, j->slot, o)) {
		verdict b = judge_use(j, t, u);
		if (b & DENIED && !denied_unlisted(j, b)) {
			d->body.reason = REASON_RULE;
			return b;
		}
	}
	if (d->body.reason == REASON_UNNAMED) {
		t->from = TEXT_END;
		t->too_long = host ? 1 : 0;
		v = judge_use(j, t, u);
	}
	return v;
}

/* Refuses the use of an object. Functions of their own have frames of their own: the judge's needs all the stack that there is. */
__noinline int deny_object(const struct judging *j, const struct object_ref *o, const struct scratch *t, struct denying *d, verdict v)
{
	image img = j ? image_of(j->slot) : 0;
	if (!j || !img || !o || !d)
		return 0;
	struct inode *inode = o->inode;
	if (inode)
		object_of(&d->body.object, o->dentry, inode);
	struct slot *s = deny_begin(j, img, v, d);
	if (s) {
		if (t)
			deny_text(s, t);
		deny_end(s);
	}
	return d->refuse;
}

/* The whole way of one object: memory, names, verdict, record. Returns whether to refuse. Without memory the access is
 * denied: to judge it would take its name. */
__noinline int decide_object(const struct judging *j, const struct object_ref *o, const struct use *u, struct denying *d)
{
	struct spare *spare;
	if (!j || !o || !u || !d)
		return 0;
	struct scratch *t = scratch_take(&spare);
	verdict v = DENIED;
	d->refuse = 0;
	d->body.letters = u->letters;
	d->body.reason = REASON_SCRATCH;
	if (t) {
		v = judge_names(j, t, o, u, d);
		if (t->too_long && d->body.reason == REASON_RULE)
			d->body.reason = REASON_TOO_LONG;
	}
	if (v & DENIED)
		deny_object(j, o, t, d, v);
	scratch_free(spare);
	return d->refuse;
}
