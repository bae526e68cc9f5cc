/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How a program hands a record to user space: take a slot, fill it, send it.
 *
 *   struct slot *s = emit_begin(KIND_EXEC, EV_TRACEPOINT, sizeof(struct exec));
 *   if (!s) return 0;                    // counted
 *   struct exec *e = emit_body(s);
 *   emit_path(s, &file->f_path);         // strings, in the order that the decoder reads them
 *   emit_end(s);
 *
 * A slot is scratch memory that one program run owns from emit_begin to emit_end: it is claimed by an atomic exchange,
 * so a run that preempts another on the same CPU gets a slot of its own (docs/design/0001). It is never a ring record:
 * a reservation held by a preempted task would hold up the reader. */
#pragma once
#include "record.h"

#define SLOTS 4
#define TEXT_MAX 4096
#define TEXT_LAST 16384 /* strings begin before this: four of TEXT_MAX fit */
#define DATA_MAX (TEXT_LAST + sizeof(struct text) + TEXT_MAX)
#define NAME_SLACK 264 /* as far as the verifier can tell, a name may be written that far beyond its place */
#define PATH_DEPTH 256
#define ASK_BYTES (16 << 10)

/* One name of a path: a pointer into the kernel. */
struct part { __u64 name; __u32 bytes, pad; };

struct slot {
	__u32 busy, bytes;
	__u8 data[DATA_MAX + NAME_SLACK];
	struct part parts[PATH_DEPTH]; /* of the path that is being resolved */
};

struct cpu_stats {
	__u64 produced;
	__u64 lost[LOSSES];
	__u64 unasked; /* bytes sent since the ring was asked how much waits */
};

/* Owned by internal/kernel, which makes every sensor's object use one set of them. */
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 8 << 20); } ring SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, SLOTS); __type(key, __u32); __type(value, struct slot); } slots SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct cpu_stats); } stats SEC(".maps");

/* Set at load: the evidence that EV_RUNG stands for. */
const volatile __u8 rung_evidence = EV_DESCRIPTOR;

static __always_inline struct cpu_stats *cpu_stats(void)
{
	__u32 zero = 0;
	return bpf_map_lookup_elem(&stats, &zero);
}

/* Counts a record that was produced and could not be delivered. */
static __always_inline void emit_lost(enum loss why)
{
	struct cpu_stats *c = cpu_stats();
	if (!c || why >= LOSSES)
		return;
	__sync_fetch_and_add(&c->produced, 1);
	__sync_fetch_and_add(&c->lost[why], 1);
}

/* Returns a slot that nobody else uses until emit_end or slot_free, or NULL: then the loss has been counted. */
static __always_inline struct slot *slot_take(void)
{
	for (__u32 i = 0; i < SLOTS; i++) {
		__u32 key = i;
		struct slot *s = bpf_map_lookup_elem(&slots, &key);
		if (s && !__sync_lock_test_and_set(&s->busy, 1))
			return s;
	}
	emit_lost(LOSS_SCRATCH);
	return 0;
}

/* x86 keeps the order of stores, so that a plain one will do; an exchange costs 6 ns. */
static __always_inline void slot_free(struct slot *s)
{
	asm volatile("" ::: "memory");
	*(volatile __u32 *)&s->busy = 0;
}

static __always_inline void *emit_body(struct slot *s)
{
	return s->data + sizeof(struct record);
}

static __always_inline struct record *emit_record(struct slot *s)
{
	return (struct record *)s->data;
}

/* Fills a slot's header for a task; body is a constant. */
static __always_inline struct slot *emit_begin_for(struct task_struct *t, enum kind kind, enum evidence evidence, __u32 body)
{
	struct slot *s = slot_take();
	if (!s)
		return 0;
	struct record *r = emit_record(s);
	const struct cred *cred = t->real_cred;
	r->time_ns = bpf_ktime_get_boot_ns();
	r->start_ns = t->group_leader->start_boottime;
	r->pid = t->tgid;
	r->tid = t->pid;
	r->uid = cred->uid.val;
	r->gid = cred->gid.val;
	r->subject = r->rule = 0;
	r->kind = kind;
	r->evidence = evidence == EV_RUNG ? rung_evidence : evidence;
	r->action = 0;
	r->flags = t->flags & PF_KTHREAD ? RECORD_KTHREAD : 0;
	r->error = 0;
	r->body_bytes = body;
	r->cgroup = t->cgroups->dfl_cgrp->kn->id;
	*(__u64 *)r->comm = *(__u64 *)t->comm;
	*(__u64 *)(r->comm + 8) = *(__u64 *)(t->comm + 8);
	__builtin_memset(emit_body(s), 0, body);
	s->bytes = sizeof(struct record) + body;
	return s;
}

static __always_inline struct slot *emit_begin(enum kind kind, enum evidence evidence, __u32 body)
{
	return emit_begin_for(bpf_get_current_task_btf(), kind, evidence, body);
}

/* Where the next string goes. The mask is for the verifier, 6.1's above all: see TEXT_LAST for why it changes nothing. */
static __always_inline struct text *text_begin(struct slot *s)
{
	return (struct text *)(s->data + (s->bytes & (TEXT_LAST - 1)));
}

static __always_inline void text_end(struct slot *s, struct text *t, long bytes, __u16 cut)
{
	if (bytes < 0 || bytes > TEXT_MAX) {
		bytes = 0;
		cut = TEXT_UNREADABLE;
	}
	t->bytes = bytes;
	t->truncated = cut;
	s->bytes += sizeof(struct text) + bytes;
}

/* A NUL-terminated string in kernel memory. */
static __always_inline void emit_kernel_string(struct slot *s, const void *from)
{
	struct text *t = text_begin(s);
	long n = bpf_probe_read_kernel_str(t + 1, TEXT_MAX, from);
	text_end(s, t, n > 0 ? n - 1 : n, n == TEXT_MAX ? TEXT_CUT : TEXT_WHOLE);
}

/* A NUL-terminated string in the task's memory: it may change while it is read, and may not be there. */
static __always_inline void emit_user_string(struct slot *s, const void *from)
{
	struct text *t = text_begin(s);
	long n = bpf_probe_read_user_str(t + 1, TEXT_MAX, from);
	text_end(s, t, n > 0 ? n - 1 : n, n == TEXT_MAX ? TEXT_CUT : TEXT_WHOLE);
}

/* An absent string. */
static __always_inline void emit_no_string(struct slot *s)
{
	text_end(s, text_begin(s), 0, TEXT_WHOLE);
}

/* Up to TEXT_MAX bytes of the task's memory. */
static __always_inline void emit_user_bytes(struct slot *s, const void *from, __u64 bytes)
{
	struct text *t = text_begin(s);
	__u16 cut = bytes > TEXT_MAX ? TEXT_CUT : TEXT_WHOLE;
	__u32 n = bytes > TEXT_MAX ? TEXT_MAX : bytes;
	if (bpf_probe_read_user(t + 1, n, from))
		text_end(s, t, -1, cut);
	else
		text_end(s, t, n, cut);
}

/* Keeps the record as a value of a hash map that user space drains (Sensor.Folds in internal/kernel), for programs to add to
 * until then, and gives the slot back. Returns the value, which another CPU may have entered meanwhile. Or NULL, where the
 * map has no room: then the slot is still the caller's, to fill in what it would have added and to send by emit_end. The
 * map's values must be structures that begin as this record does. */
static __always_inline void *emit_fold(struct slot *s, void *map, const void *key)
{
	struct cpu_stats *c = cpu_stats();
	struct record *r = emit_record(s), *kept;
	r->cpu = bpf_get_smp_processor_id();
	r->seq = r->lost_before = 0;
	long err = bpf_map_update_elem(map, key, s->data, BPF_NOEXIST);
	kept = bpf_map_lookup_elem(map, key);
	if (!kept)
		return 0;
	slot_free(s);
	if (!err && c)
		kept->seq = __sync_fetch_and_add(&c->produced, 1) + 1;
	return kept;
}

/* Whether the reader must be woken for these bytes. It polls; only when a quarter of the ring waits is it woken early, because
 * a wake-up costs several times the record. Asking costs 15 ns, so each CPU asks once in ASK_BYTES. */
static __always_inline __u64 wake_for(struct cpu_stats *c, __u32 bytes)
{
	c->unasked += bytes;
	if (c->unasked < ASK_BYTES)
		return BPF_RB_NO_WAKEUP;
	c->unasked = 0;
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE) / 4 ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* Sends the record and gives the slot back. */
static __always_inline void emit_end(struct slot *s)
{
	struct cpu_stats *c = cpu_stats();
	struct record *r = emit_record(s);
	__u64 lost = 0, flags = BPF_RB_NO_WAKEUP;
	if (c) {
		for (int i = 0; i < LOSSES; i++)
			lost += c->lost[i];
		r->seq = __sync_fetch_and_add(&c->produced, 1) + 1;
		flags = wake_for(c, s->bytes);
	}
	r->lost_before = lost;
	r->cpu = bpf_get_smp_processor_id();
	__u32 bytes = s->bytes;
	if (bytes > DATA_MAX)
		bytes = DATA_MAX;
	if (bpf_ringbuf_output(&ring, s->data, bytes, flags) && c)
		__sync_fetch_and_add(&c->lost[LOSS_RING_FULL], 1);
	slot_free(s);
}
