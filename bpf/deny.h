/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How a program refuses: count it, record it, answer. The record goes through a ring of the enforcement's own, with slots of
 * its own, so that observation cannot starve it; and where it is lost, the count still stands. */
#pragma once
#include "emit.h"
#include "names.h"

#define EPERM 1
#define EEXIST 17
#define SIGKILL 9

/* Why. */
enum reason {
	REASON_RULE = 0,     /* the policy says so */
	REASON_TOO_LONG,     /* the name is longer than a path can be, or kept changing while it was read */
	REASON_UNNAMED,      /* it has no name that could be found */
	REASON_SCRATCH,      /* there was no memory to name the object in: denied to whom has rules about such objects */
	REASON_UNGUARDED,    /* the kernel has no hook to judge what this could do, so all of it is refused to whom has rules about it */
	REASONS,
};

/* What was done, as package verdict numbers operations. */
enum op {
	OP_EXEC = 1, OP_FILE, OP_CONNECT, OP_SEND, OP_BIND, OP_LISTEN, OP_RESOLVE, OP_SYSCALL, OP_CAPABILITY, OP_SIGNAL, OP_PTRACE, OP_MODULE,
	OP_BPF, OP_MOUNT, OP_IOCTL, OP_SETTIME, OP_PRCTL, OP_KEYRING, OP_IO_URING, OP_MEMORY, OP_CPU, OP_PROCESSES, OP_INGRESS, OP_EGRESS,
};

/* What became of it; ACTION_… in record.action. */
enum denial_action { ACTION_BLOCKED = 1, ACTION_KILLED, ACTION_GLASS /* let pass: break-glass */ };

/* The body of a denial's record. Fields that its operation does not have are 0. Texts: the name that the rule is about, as the
 * task sees it; and a second one where there is one (what it is renamed or linked to, the interpreter). */
struct denial {
	__u32 generation; /* of the image: record.subject and record.rule are its numbers */
	__u8 op, reason, letters, hook;
	__u32 number;     /* system call, capability, option, signal, request; a socket's type */
	__u32 target_pid, target_subject;
	__u16 family, protocol, port, i386; /* a socket's, as the kernel numbers them; the port in the host's order */
	__u8 address[16]; /* an IPv4 address in the first four */
	__u32 pad;
	struct object object;
};
_Static_assert(sizeof(struct denial) == 72, "struct denial");

/* How often each decision of each image has denied, whether or not the record of it arrived. The loader clears a
 * generation's when its slot is used again. */
struct count_key { __u32 generation, rule; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 65536); __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, struct count_key); __type(value, __u64); } denied SEC(".maps");

/* All denials by reason, those that break-glass let pass, and connections to addresses that only rules by host name could mean
 * while nobody has told the name, which pass: no map of unknown size can be full here. */
struct total { __u64 denied[REASONS], glass, undecided; };
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct total); } totals SEC(".maps");

/* Of the break-glass set: init itself, the guard, the log-in programs by their label, and the operator's session. */
static __always_inline int behind_glass(__u32 label_flags)
{
	struct task_struct *t = bpf_get_current_task_btf();
	const struct setting *s = the_settings();
	if (!s || !s->glass)
		return 0;
	if (t->tgid == 1 || t->tgid == (int)s->guard || label_flags & LABEL_GLASS)
		return 1;
	if (s->session_cgroup && bpf_get_current_ancestor_cgroup_id(s->session_level) == s->session_cgroup)
		return 1;
	return s->session_id != NONE && t->sessionid == s->session_id;
}

static __always_inline void count_denial(__u32 generation, __u32 rule, enum reason reason, int glass)
{
	__u32 zero = 0;
	struct total *sum = bpf_map_lookup_elem(&totals, &zero);
	struct count_key key = { generation, rule };
	__u64 one = 1, *n = bpf_map_lookup_elem(&denied, &key);
	if (sum)
		__sync_fetch_and_add(glass ? &sum->glass : &sum->denied[reason], 1);
	if (n)
		__sync_fetch_and_add(n, 1);
	else if (bpf_map_update_elem(&denied, &key, &one, BPF_NOEXIST) && (n = bpf_map_lookup_elem(&denied, &key)))
		__sync_fetch_and_add(n, 1); /* another CPU was first */
}

/* Refuses, in three steps so that each hook can say what was done:
 *
 *   struct denying d = { .kind = KIND_FILE_OPEN, .body = { .op = OP_FILE, … } };
 *   struct slot *s = deny_begin(&j, img, v, &d);
 *   if (s) { deny_text(s, t); deny_end(s); }
 *   return d.refuse ? -EPERM : 0;
 */
struct denying { struct denial body; enum kind kind; __u32 refuse; };

static __always_inline struct slot *deny_begin(const struct judging *j, image img, verdict v, struct denying *d)
{
	int glass = behind_glass(j->flags);
	__u32 generation = HEAD(img, generation), id = v;
	d->refuse = !glass;
	d->body.generation = generation;
	count_denial(generation, id, d->body.reason < REASONS ? d->body.reason : REASON_RULE, glass);
	struct slot *s = emit_begin(d->kind, EV_RUNG, sizeof(struct denial));
	if (!s)
		return 0;
	struct record *r = emit_record(s);
	r->subject = j->who.subject;
	r->rule = id;
	r->action = glass ? ACTION_GLASS : ACTION_BLOCKED;
	r->error = glass ? 0 : EPERM;
	*(struct denial *)emit_body(s) = d->body;
	return s;
}

/* Appends the name that is in scratch. */
static __always_inline void deny_text(struct slot *s, const struct scratch *t)
{
	struct text *to = text_begin(s);
	__u32 from = t->from & (TEXT_END - 1), n = (TEXT_END - from) & (TEXT_MAX - 1);
	long err = bpf_probe_read_kernel(to + 1, n, t->text + from);
	text_end(s, to, err ? -1 : n, t->too_long ? TEXT_CUT : TEXT_WHOLE);
}

#define deny_end(s) emit_end(s)
