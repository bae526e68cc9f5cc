/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Judging the use of sockets: as whom, by which address, and the record.
 *
 * A socket carries the label of who made it, so that whoever is handed one gains nothing; and the task that uses it is judged
 * as well. The stricter verdict holds. */
#pragma once
#include "socket.h"
#include "deny.h"

/* Rules that speak of sockets. */
#define ASK_SOCKETS (ASK_PEERS | ASK_METADATA | ASK_LISTEN | ASK_PACKET | ASK_UNIX)
#define ASK_REACHED (ASK_PEERS | ASK_METADATA)

enum socket_flag {
	SOCKET_GLASS = LABEL_GLASS, /* its maker is of the break-glass set */
	SOCKET_CONNECTED = 2,       /* it has been told to connect: its peer was chosen here, not accepted */
};

/* Whose a socket is. What a record of a packet needs stands here, because no task is behind a packet. */
struct socket_label {
	__u32 stable, flags; /* the subject's stable number: policies change while sockets live */
	__u64 start_ns, cgroup;
	__u32 pid, tid, uid, gid;
	char comm[16];
};

/* The labels of sockets. TCP's accept copies the listener's (BPF_F_CLONE). A socket without one was made before there were
 * rules about the network, or when there was no memory for it: then the task that uses it is judged alone. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct socket_label);
} socket_labels SEC(".maps");

/* The image in force, for who judges by a socket's label. */
static __always_inline image image_now(__u32 *slot)
{
	__u32 zero = 0, *now = bpf_map_lookup_elem(&active, &zero);
	if (!now || *now >= IMAGES)
		return 0;
	*slot = *now;
	return image_of(*slot);
}

/* Labels a socket as the current task's, unless it has a label. The tasks that no entry claims are labelled too: what they hand
 * on is known for theirs. */
static __always_inline struct socket_label *label_socket(void *sk)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct socket_label *s = bpf_sk_storage_get(&socket_labels, sk, 0, 0);
	__u32 slot;
	if (s)
		return s;
	image img = image_now(&slot);
	if (!img || t->flags & PF_KTHREAD || !(HEAD(img, any_asks) & ASK_SOCKETS) || !in_scope())
		return 0;
	struct label *l = label_of(t);
	const struct cred *cred = t->real_cred;
	__u32 number = l ? in_slot(l, slot)->subject : 0;
	struct socket_label made = {
		.stable = FIELD(img, subject_at(img, number), subject, stable), .flags = behind_glass(l ? l->flags : 0) ? SOCKET_GLASS : 0,
		.start_ns = t->group_leader->start_boottime, .cgroup = t->cgroups->dfl_cgrp->kn->id,
		.pid = t->tgid, .tid = t->pid, .uid = cred->uid.val, .gid = cred->gid.val,
	};
	*(__u64 *)made.comm = *(__u64 *)t->comm;
	*(__u64 *)(made.comm + 8) = *(__u64 *)(t->comm + 8);
	return bpf_sk_storage_get(&socket_labels, sk, &made, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

/* As judging, of who made a socket. The lists of executables are not kept: no rule about the network exempts one. */
static __always_inline image judging_maker(struct judging *j, const struct socket_label *l, __u32 asks)
{
	image img = image_now(&j->slot);
	if (!img || !(HEAD(img, any_asks) & asks))
		return 0;
	__builtin_memset(&j->who, 0, sizeof(j->who));
	j->who.subject = subject_of(img, l->stable);
	j->subject = subject_at(img, j->who.subject);
	j->flags = l->flags & LABEL_GLASS;
	j->pad = 0;
	return is_asked(img, j->subject, asks) ? img : 0;
}

/* Whether rules hold for the current task, and it is not who made the socket. */
__noinline int is_handed(const struct socket_label *l, __u32 asks)
{
	struct judging j;
	image img = judging(&j, asks);
	return img && (!l || FIELD(img, j.subject, subject, stable) != l->stable);
}

/* What of IP's protocols a rule can tell apart: as verdict.protocolOf. What falls back to TCP is TCP. */
static __always_inline __u16 protocol_of(__u16 family, __u16 type, __u16 protocol)
{
	if (type == SOCK_RAW)
		return PROTOCOL_OTHER;
	if (family == AF_SMC || protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP || protocol == IPPROTO_SMC)
		return PROTOCOL_TCP;
	return protocol == IPPROTO_UDP ? PROTOCOL_UDP : PROTOCOL_OTHER;
}

static __always_inline int is_inet(__u16 family) { return family == AF_INET || family == AF_INET6; }

static __always_inline int is_stream(__u16 protocol) { return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP; }

/* Families besides IP that no rule keeps anybody from: UNIX sockets are judged by name, and netlink reaches this kernel alone. */
static __always_inline int is_local(__u16 family) { return family == AF_UNIX || family == AF_NETLINK; }

/* One use of a socket. address and d.body are to hold the same. */
struct flow { struct address address; struct denying d; };

/* Fills in what the socket is. */
static __always_inline void flow_socket(struct flow *f, __u16 family, __u16 type, __u16 protocol)
{
	f->d.body.family = family;
	f->d.body.number = type;
	f->d.body.protocol = protocol;
	f->address.protocol = protocol_of(family, type, protocol);
}

static __always_inline void flow_port(struct flow *f, __u16 port)
{
	f->address.port = f->d.body.port = f->d.body.number == SOCK_RAW ? 0 : port;
}

/* Fills in an IPv4 address, in the order of the network. */
static __always_inline void flow_v4(struct flow *f, __be32 ip, __u16 port)
{
	__u32 *to = (__u32 *)f->d.body.address;
	f->d.body.family = AF_INET;
	to[0] = ip;
	to[1] = to[2] = to[3] = 0;
	f->address.high = (__u64)bpf_ntohl(ip) << 32;
	f->address.low = 0;
	f->address.halves = 8;
	flow_port(f, port);
}

/* Fills in an IPv6 address, in the order of the network; a mapped one is IPv4's. */
static __always_inline void flow_v6(struct flow *f, const __u32 *ip, __u16 port)
{
	if (!ip[0] && !ip[1] && ip[2] == bpf_htonl(0xffff)) {
		flow_v4(f, ip[3], port);
		return;
	}
	__u32 *to = (__u32 *)f->d.body.address;
	f->d.body.family = AF_INET6;
	for (int i = 0; i < 4; i++)
		to[i] = ip[i];
	f->address.high = (__u64)bpf_ntohl(ip[0]) << 32 | bpf_ntohl(ip[1]);
	f->address.low = (__u64)bpf_ntohl(ip[2]) << 32 | bpf_ntohl(ip[3]);
	f->address.halves = 32;
	normal_address(&f->address);
	flow_port(f, port);
}

/* What the policy says to one subject: of the own address when the operation is about that, else of the peer's; where the
 * family has no addresses that a rule can name, of packet sockets. */
static __always_inline verdict judge_flow(const struct judging *j, image img, const struct flow *f)
{
	if (!is_inet(f->d.body.family))
		return judge_packet(img, &j->who);
	if (f->d.body.op == OP_BIND || f->d.body.op == OP_LISTEN)
		return judge_local(j->slot, img, &j->who, &f->address);
	return judge_peer(j->slot, img, &j->who, &f->address, NONE);
}

/* Counts a connection that passes because nobody has named its address yet. */
static __always_inline void count_undecided(void)
{
	__u32 zero = 0;
	struct total *sum = bpf_map_lookup_elem(&totals, &zero);
	if (sum)
		__sync_fetch_and_add(&sum->undecided, 1);
}

/* The whole way of one use by one subject: verdict, count, record. Returns whether to refuse. */
__noinline int decide_flow(const struct judging *j, struct flow *f)
{
	image img = j ? image_of(j->slot) : 0;
	if (!j || !img || !f)
		return 0;
	f->d.refuse = 0;
	verdict v = judge_flow(j, img, f);
	if (v & UNDECIDED)
		count_undecided();
	if (v & DENIED) {
		struct slot *s = deny_begin(j, img, v, &f->d);
		if (s)
			deny_end(s);
	}
	return f->d.refuse;
}

/* The same for all whose rules hold: the current task, and who made the socket. */
__noinline int decide_both(const struct socket_label *l, struct flow *f, __u32 asks)
{
	struct judging j;
	__u32 current = NONE;
	if (!f)
		return 0;
	if (judging(&j, asks)) {
		current = j.who.subject;
		if (decide_flow(&j, f))
			return 1;
	}
	if (!l || !judging_maker(&j, l, asks) || j.who.subject == current)
		return 0;
	return decide_flow(&j, f);
}

/* For the current task alone. */
__noinline int decide_own(struct flow *f, __u32 asks)
{
	struct judging j;
	if (!f || !judging(&j, asks))
		return 0;
	return decide_flow(&j, f);
}

/* Refuses what the kernel has no hook to judge. */
static __always_inline int refuse_unguarded(const struct judging *j, image img, struct denying *d)
{
	d->body.reason = REASON_UNGUARDED;
	struct slot *s = deny_begin(j, img, NO_DECISION, d);
	if (s)
		deny_end(s);
	return d->refuse;
}

static __always_inline int refuse_mptcp(const struct judging *j, image img, __u16 family, __u16 type)
{
	struct denying d = { .kind = KIND_CONNECT, .body = { .op = OP_CONNECT, .family = family, .protocol = IPPROTO_MPTCP, .number = type } };
	return refuse_unguarded(j, img, &d);
}
