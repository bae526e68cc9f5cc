/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is known of TCP sockets while they connect and while the connection lasts, by their cookies. An entry goes with the
 * state CLOSE, which every TCP socket reaches. */
#pragma once
#include "emit.h"
#include "network.h"

/* Cookies are numbered one after the other. So nearly each finds its own place by its low bits, for 15 ns; adding to a hash
 * and deleting from it costs 250. */
#define PLACES 16384
#define FILLING (~0ull)
struct place {
	__u64 cookie; /* 0: free; FILLING */
	struct waiting waiting;
};
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, PLACES); __type(key, __u32); __type(value, struct place); } places SEC(".maps");

/* Those whose place was taken by an older one. Bounded: one that finds no room is LOSS_STATE. */
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 32768); __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, __u64); __type(value, struct waiting); } flows SEC(".maps");

/* Whether flows has ever been used: until then nobody need look there. */
static volatile __u32 crowded;

static __always_inline struct place *place_of(__u64 cookie)
{
	__u32 index = cookie & (PLACES - 1);
	return bpf_map_lookup_elem(&places, &index);
}

static __always_inline struct waiting *flow_find(__u64 cookie)
{
	struct place *p = place_of(cookie);
	if (p && p->cookie == cookie)
		return &p->waiting;
	return crowded ? bpf_map_lookup_elem(&flows, &cookie) : 0;
}

/* Keeps a copy of a record until more is known. It can be found from the moment it is whole. */
static __always_inline void flow_keep(__u64 cookie, struct slot *s)
{
	struct place *p = place_of(cookie);
	struct waiting *w = (struct waiting *)emit_record(s);
	if (p && !__sync_val_compare_and_swap(&p->cookie, 0, FILLING)) {
		p->waiting = *w;
		asm volatile("" ::: "memory");
		*(volatile __u64 *)&p->cookie = cookie;
		return;
	}
	crowded = 1;
	if (bpf_map_update_elem(&flows, &cookie, w, BPF_ANY))
		emit_lost(LOSS_STATE);
}

static __always_inline void flow_drop(__u64 cookie)
{
	struct place *p = place_of(cookie);
	if (p && p->cookie == cookie)
		*(volatile __u64 *)&p->cookie = 0;
	if (crowded)
		bpf_map_delete_elem(&flows, &cookie);
}
