/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who a task is to the policy, and where a program begins to judge it.
 *
 * A label is given at exec's point of no return, is copied to each new task, and cannot be shed. A task without one is the
 * default entry's and stands in no list. Labels hold one answer for each image slot, so that a flip, also one that nobody is
 * there to watch, needs no walk over the tasks. */
#pragma once
#include "judge.h"
#include "scope.h"

enum label_flag {
	LABEL_GLASS = 1, /* of the break-glass set: what is denied is recorded and let pass */
};
struct label {
	struct task task[IMAGES];
	__u32 flags, pad;
	__u64 start_ns; /* of the task, so that a number that is used again is not taken for it */
};

/* The labels: in task storage, and in a hash by process, because all threads of one have the same label. The hash is for
 * programs that cannot use task storage, and for 6.1: there a look-up in task storage gives nothing for a labelled task now
 * and then, with preempt=full, because another one was preempted amid its own. Not pre-allocated: labelled tasks alone take
 * memory. */
struct { __uint(type, BPF_MAP_TYPE_TASK_STORAGE); __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, int); __type(value, struct label); } labels SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 65536); __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, __u32); __type(value, struct label); } labels_by_tid SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_TASK_STORAGE); __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, int); __type(value, struct scratch); } scratches SEC(".maps");

/* Scratch for tasks that cannot have their own: eight on each CPU, claimed by an atomic exchange as the slots of emit.h. */
#define SPARES 8
struct spare { struct scratch scratch; __u32 busy, pad; };
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, SPARES); __type(key, __u32); __type(value, struct spare); } spares SEC(".maps");

/* What the operator sets besides the policy. Written whole by user space; each field is one aligned store. */
struct setting {
	__u32 mode;            /* MODE_… over the policy's own */
	__u32 guard;           /* the guard's own process, of the break-glass set */
	__u64 session_cgroup;  /* the operator's session: a cgroup v2 id, 0: none */
	__u32 session_level, session_id; /* its depth; and the audit session, -1: none */
	__u32 glass;           /* whether there is a break-glass set */
	__u32 labelling;       /* slots that labels are worked out for, as bits */
	__u64 root_mount, root_dentry; /* of the host: struct vfsmount and dentry */
};
enum { MODE_POLICY = 0, MODE_AUDIT, MODE_ALERT, MODE_ENFORCE };
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct setting); } settings SEC(".maps");

static __always_inline const struct setting *the_settings(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline struct label *label_by_tid(struct task_struct *t)
{
	__u32 tgid = t->tgid;
	struct label *l = bpf_map_lookup_elem(&labels_by_tid, &tgid);
	return l && l->start_ns == t->group_leader->start_boottime ? l : 0;
}

/* Whether task storage tells the truth: since 6.2, which has bpf_rdonly_cast. Before, the hash does, and storage stands in for
 * what the hash had no room for. */
#define TRUE_STORAGE (&bpf_rdonly_cast)

/* A task's label, NULL for one without. Programs that cannot use task storage (cgroup hooks before 6.18) have TID_LABELS
 * defined. */
static __always_inline struct label *label_of(struct task_struct *t)
{
#ifdef TID_LABELS
	return label_by_tid(t);
#else
	struct label *l = TRUE_STORAGE ? 0 : label_by_tid(t);
	return l ? l : bpf_task_storage_get(&labels, t, 0, 0);
#endif
}

/* What a label says for a slot. The bound is checked where the verifier sees it, however the compiler has kept the number. */
static __always_inline const struct task *in_slot(const struct label *l, __u64 slot)
{
	asm volatile("if %0 < 3 goto +1; %0 = 0" : "+r"(slot));
	return &l->task[slot];
}
_Static_assert(IMAGES == 3, "in_slot");

/* One judgement of the current task: in which image, as whom, by what. */
struct judging {
	struct task who;
	__u32 slot, subject; /* the subject's place in the image */
	__u32 flags, pad;    /* of the label */
};

/* Whether an entry enforces, and it or the host has rules about such an access. */
static __always_inline int is_asked(image img, __u32 subject, __u32 asks)
{
	const struct setting *s = the_settings();
	__u32 mode = s ? s->mode : MODE_POLICY;
	if (mode ? mode != MODE_ENFORCE : !(FIELD(img, subject, subject, flags) & SUBJECT_ENFORCES))
		return 0;
	return !!((HEAD(img, host_asks) | FIELD(img, subject, subject, asks)) & asks);
}

/* Starts to judge a task, if any rule asks about such an access and the task's entry enforces: returns the image, or NULL.
 * Without an image, and for kernel threads, nothing is judged; nor what happens in a task that is not watched. */
static __always_inline image judging_as(struct judging *j, struct task_struct *t, __u32 asks)
{
	__u32 zero = 0, *slot = bpf_map_lookup_elem(&active, &zero);
	if (!slot || t->flags & PF_KTHREAD)
		return 0;
	__u32 n = *slot;
	if (n >= IMAGES)
		return 0;
	j->slot = n;
	image img = image_of(n);
	if (!img || !(HEAD(img, any_asks) & asks))
		return 0;
	struct label *l = label_of(t);
	j->subject = subject_at(img, l ? in_slot(l, n)->subject : 0);
	if (!is_asked(img, j->subject, asks) || !in_scope())
		return 0;
	if (l) {
		j->who = *in_slot(l, n);
		j->flags = l->flags;
	} else {
		__builtin_memset(&j->who, 0, sizeof(j->who));
		j->flags = 0;
	}
	j->pad = 0;
	return img;
}

/* The same for the current task. */
static __always_inline image judging(struct judging *j, __u32 asks)
{
	return judging_as(j, bpf_get_current_task_btf(), asks);
}

/* Memory to resolve a name in, or NULL: then the caller denies, because what cannot be named cannot be allowed, and says so.
 * The task's own is made at its first use; where that is not to be had, a spare one of this CPU is, to be given back. */
static __always_inline struct scratch *scratch_take(struct spare **spare)
{
	*spare = 0;
	struct scratch *own = bpf_task_storage_get(&scratches, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (own)
		return own;
	for (__u32 i = 0; i < SPARES; i++) {
		__u32 key = i;
		struct spare *s = bpf_map_lookup_elem(&spares, &key);
		if (s && !__sync_lock_test_and_set(&s->busy, 1)) {
			*spare = s;
			return &s->scratch;
		}
	}
	return 0;
}

static __always_inline void scratch_free(struct spare *spare)
{
	asm volatile("" ::: "memory");
	if (spare)
		*(volatile __u32 *)&spare->busy = 0;
}
