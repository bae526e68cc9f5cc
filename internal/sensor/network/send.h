/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Messages sent with an address of their own. The first of a process on a socket to an address is reported at once, the
 * others are counted. They are seen before their result is known: the event has no error. */
#pragma once
#include "describe.h"

#define SOCK_STREAM 1
#define SOCK_SEQPACKET 5

/* What has been reported. What falls out of it, the longest unused first, is reported again. */
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 8192); __type(key, struct name); __type(value, __u64); } sent SEC(".maps");

/* Repeats → a record that grows until user space takes it, by putting a fresh map in place of this one: see the file
 * sensor's volumes. Bounded: a repeat that finds no room is sent at once. */
struct sends {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct name);
	__type(value, struct send_record);
};
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 1); __type(key, __u32); __array(values, struct sends); } sends SEC(".maps");

static __always_inline void send_count(struct flow *f)
{
	f->last_ns = bpf_ktime_get_boot_ns();
	__sync_fetch_and_add(&f->count, 1);
}

/* n has the socket and the address; its pid is filled in here. */
static __always_inline void sends_to(struct sock *sk, struct name *n, enum evidence evidence)
{
	__u32 zero = 0;
	__u64 one = 1;
	n->pid = bpf_get_current_pid_tgid() >> 32;
	void *map = bpf_map_lookup_elem(&sends, &zero), *known = bpf_map_lookup_elem(&sent, n);
	if (!map)
		return;
	if (known) {
		struct send_record *r = bpf_map_lookup_elem(map, n);
		if (r) {
			send_count(&r->flow);
			return;
		}
	} else {
		bpf_map_update_elem(&sent, n, &one, BPF_ANY); /* the least recently used makes room */
	}
	struct slot *s = emit_begin(KIND_SEND, evidence, sizeof(struct flow));
	if (!s)
		return;
	struct flow *f = emit_body(s);
	flow_of(f, sk);
	f->dst = n->to;
	if (f->family == AF_PACKET)
		f->interface = n->interface;
	if (f->family == AF_UNIX)
		name_text(s, n->raw + 2, n->bytes);
	struct send_record *r = known ? emit_fold(s, map, n) : 0;
	if (r)
		send_count(&r->flow);
	else
		emit_end(s);
}

/* A message with an address, on a socket other than UDP, which has a hook of its own. Streams have no use for addresses. */
static __always_inline int sends_on(struct socket *sock, const void *addr, __u32 bytes, int user)
{
	struct sock *sk = sock ? BPF_CORE_READ(sock, sk) : 0;
	if (!sk)
		return 0;
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family), type = BPF_CORE_READ(sk, sk_type);
	__u16 protocol = BPF_CORE_READ(sk, sk_protocol);
	if (!is_known(family) || type == SOCK_STREAM || type == SOCK_SEQPACKET)
		return 0;
	if (is_inet(family) && type != SOCK_RAW && (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE))
		return 0;
	struct name *n;
	struct slot *scratch = in_scope() ? name_take(&n) : 0;
	if (!scratch)
		return 0;
	if (!name_of(n, addr, bytes, user) && is_inet(*(__u16 *)n->raw) == is_inet(family)) {
		n->socket = BPF_CORE_READ(sock, file, f_inode, i_ino);
		sends_to(sk, n, user ? EV_ARGUMENT : EV_LSM);
	}
	slot_free(scratch);
	return 0;
}

/* UDP: its own hook has the address that the datagram goes to, on every way of sending. */
static __always_inline int sends_udp(struct bpf_sock_addr *ctx, const struct endpoint *to)
{
	struct bpf_sock *opaque = ctx->sk;
	struct sock *sk;
	struct name *n;
	/* Through memory, or the verifier holds it to the few fields of struct bpf_sock. */
	if (!opaque || !in_scope() || bpf_probe_read_kernel(&sk, sizeof(sk), &opaque))
		return 1;
	struct slot *scratch = name_take(&n);
	if (!scratch)
		return 1;
	n->to = *to;
	n->socket = bpf_get_socket_cookie(ctx);
	sends_to(sk, n, EV_CGROUP);
	slot_free(scratch);
	return 1;
}
