//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets by the hooks of cgroups: where no LSM program can be attached, these judge connects, datagrams and binds, with EPERM at
 * once; and everywhere a packet that leaves is looked at once more.
 *
 * A socket belongs to the cgroup of the task that made it, and these hooks run for that cgroup, in the context of the task that
 * uses it. They answer 1 to let pass. Task storage is not to be had in them before 6.18: labels come by thread id. */
#define TID_LABELS
#include "kernel.h"
#include "network_judge.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* include/uapi/linux/bpf.h, as far as it is used. */
struct bpf_sock {
	__u32 bound_dev_if, family, type, protocol, mark, priority;
};
struct __sk_buff {
	__u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority, ingress_ifindex, ifindex, tc_index;
	__u32 cb[5], hash, tc_classid, data, data_end, napi_id, family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port, data_meta;
	__u64 flow_keys, tstamp;
	__u32 wire_len, gso_segs;
	struct bpf_sock *sk;
};

/* ---- without LSM programs ---- */

/* A socket of IP. MPTCP is refused to who has rules about peers: the connections that a peer asks it to add belong to nobody.
 * Sockets of other families have no such hook. */
SEC("cgroup/sock_create") int flow_create(struct bpf_sock *ctx)
{
	struct judging j;
	label_socket(ctx);
	if (ctx->protocol != IPPROTO_MPTCP)
		return 1;
	image img = judging(&j, ASK_REACHED);
	return !img || FIELD(img, j.subject, subject, peers) == NONE || !refuse_mptcp(&j, img, ctx->family, ctx->type);
}

static __always_inline int judge_context(struct bpf_sock_addr *ctx, struct flow *f, __u32 family, __u32 asks)
{
	struct bpf_sock *sk = ctx->sk;
	__u16 port = bpf_ntohs(ctx->user_port);
	flow_socket(f, family, ctx->type, ctx->protocol);
	if (family == AF_INET) {
		flow_v4(f, ctx->user_ip4, port);
	} else {
		__u32 ip[4] = { ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3] };
		flow_v6(f, ip, port);
	}
	return !decide_both(sk ? bpf_sk_storage_get(&socket_labels, sk, 0, 0) : 0, f, asks);
}

static __always_inline int connects(struct bpf_sock_addr *ctx, __u32 family)
{
	struct flow f = { .d = { .kind = KIND_CONNECT, .body = { .op = OP_CONNECT } } };
	return judge_context(ctx, &f, family, ASK_REACHED);
}

static __always_inline int sends(struct bpf_sock_addr *ctx, __u32 family)
{
	struct flow f = { .d = { .kind = KIND_SEND, .body = { .op = OP_SEND } } };
	return judge_context(ctx, &f, family, ASK_REACHED);
}

/* Any free port is nobody's business. Raw sockets come here too, and have no ports. */
static __always_inline int binds(struct bpf_sock_addr *ctx, __u32 family)
{
	struct flow f = { .d = { .kind = KIND_BIND, .body = { .op = OP_BIND } } };
	if (!ctx->user_port || ctx->type == SOCK_RAW)
		return 1;
	return judge_context(ctx, &f, family, ASK_LISTEN);
}

/* TCP, TCP Fast Open, UDP and ping sockets; not raw ones, whose packets flow_egress sees. */
SEC("cgroup/connect4") int flow_connect4(struct bpf_sock_addr *ctx) { return connects(ctx, AF_INET); }
SEC("cgroup/connect6") int flow_connect6(struct bpf_sock_addr *ctx) { return connects(ctx, AF_INET6); }

/* Datagrams of UDP with an address of their own. */
SEC("cgroup/sendmsg4") int flow_send4(struct bpf_sock_addr *ctx) { return sends(ctx, AF_INET); }
SEC("cgroup/sendmsg6") int flow_send6(struct bpf_sock_addr *ctx) { return sends(ctx, AF_INET6); }

SEC("cgroup/bind4") int flow_bind4(struct bpf_sock_addr *ctx) { return binds(ctx, AF_INET); }
SEC("cgroup/bind6") int flow_bind6(struct bpf_sock_addr *ctx) { return binds(ctx, AF_INET6); }

/* ---- on every kernel: what leaves ---- */

struct ipv4 { __u8 version_length, service; __be16 bytes, id, fragment; __u8 ttl, protocol; __be16 sum; __be32 from, to; };
struct ipv6 { __be32 version; __be16 bytes; __u8 next, hops; __be32 from[4], to[4]; };
struct extension { __u8 next, length; __be16 fragment; };
struct transport { __be16 from, to; __u32 other; __u32 ack; __u8 offset, flags; };

#define EXTENSIONS 6
#define TCP_SYN 2
#define TCP_ACK 16
#define SCTP_INIT 1
#define NO_PROTOCOL 255

/* Where the transport begins in an IPv6 packet, and which it is: behind what headers there are. What has more of them, or is a
 * fragment without the first bytes, is of no known protocol. */
static __always_inline __u32 behind_extensions(struct __sk_buff *skb, __u8 *protocol)
{
	__u32 at = sizeof(struct ipv6);
	for (int i = 0; i < EXTENSIONS; i++) {
		struct extension e;
		__u8 here = *protocol;
		if (here != 0 && here != 43 && here != 44 && here != 60) /* hop by hop, routing, fragment, destination */
			return at;
		*protocol = NO_PROTOCOL;
		if (bpf_skb_load_bytes(skb, at, &e, sizeof(e)) || (here == 44 && e.fragment & bpf_htons(0xfff8)))
			return at;
		*protocol = e.next;
		at += here == 44 ? 8 : 8 * (e.length + 1);
	}
	*protocol = NO_PROTOCOL;
	return at;
}

/* Reads whom a packet is for. Returns whether it is one that the policy speaks of: of TCP and SCTP, unless they are made by hand,
 * it is the first of a connection, so that answers of servers pass, as do connections that were there before. */
static __always_inline int read_packet(struct __sk_buff *skb, struct flow *f, __u32 type)
{
	struct ipv4 four;
	struct ipv6 six;
	struct transport t = {};
	__u32 at;
	__u8 protocol;
	int is4 = skb->protocol == bpf_htons(0x0800);
	if (is4) {
		if (bpf_skb_load_bytes(skb, 0, &four, sizeof(four)))
			return 0;
		at = 4 * (four.version_length & 15);
		protocol = four.fragment & bpf_htons(0x1fff) ? NO_PROTOCOL : four.protocol;
	} else {
		if (bpf_skb_load_bytes(skb, 0, &six, sizeof(six)))
			return 0;
		protocol = six.next;
		at = behind_extensions(skb, &protocol);
	}
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP) {
		/* The first bytes suffice for UDP, and for who cut a packet short. */
		if (bpf_skb_load_bytes(skb, at, &t, 8))
			protocol = NO_PROTOCOL;
		else if (protocol != IPPROTO_UDP && bpf_skb_load_bytes(skb, at, &t, sizeof(t)))
			protocol = NO_PROTOCOL;
	}
	flow_socket(f, AF_INET, 0, protocol);
	if (is4)
		flow_v4(f, four.to, bpf_ntohs(t.to));
	else
		flow_v6(f, six.to, bpf_ntohs(t.to));
	f->d.body.number = type;
	if (type == SOCK_RAW)
		return 1;
	if (protocol == IPPROTO_TCP)
		return (t.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	return protocol != IPPROTO_SCTP || (t.ack & 255) == SCTP_INIT;
}

/* Records a packet: as of the task that made its socket. */
static __always_inline void record_packet(const struct judging *j, const struct socket_label *l, struct flow *f, verdict v, int glass)
{
	struct slot *s = slot_take();
	if (!s)
		return;
	struct record *r = emit_record(s);
	__builtin_memset(r, 0, sizeof(*r));
	r->time_ns = bpf_ktime_get_boot_ns();
	r->start_ns = l->start_ns;
	r->cgroup = l->cgroup;
	r->pid = l->pid;
	r->tid = l->tid;
	r->uid = l->uid;
	r->gid = l->gid;
	__builtin_memcpy(r->comm, l->comm, sizeof(r->comm));
	r->kind = KIND_SEND;
	r->evidence = EV_CGROUP;
	r->subject = j->who.subject;
	r->rule = (__u32)v;
	r->action = glass ? ACTION_GLASS : ACTION_BLOCKED;
	r->error = glass ? 0 : EPERM;
	r->body_bytes = sizeof(struct denial);
	*(struct denial *)emit_body(s) = f->d.body;
	s->bytes = sizeof(struct record) + sizeof(struct denial);
	emit_end(s);
}

/* The backstop: a packet that a labelled socket sends, after all hooks, to whom its maker may not reach. It catches headers that
 * raw sockets write themselves, and connections that the kernel makes for a task. In an interrupt the current task is
 * anybody, so the socket's label says all. A connect whose packet is dropped here waits in vain; UDP gets EPERM. What cannot be
 * read passes: the kernel has made it, and has no such packets. */
SEC("cgroup_skb/egress") int flow_egress(struct __sk_buff *skb)
{
	struct judging j;
	struct bpf_sock *sk = skb->sk;
	if (!sk)
		return 1;
	sk = bpf_sk_fullsock((void *)sk);
	if (!sk)
		return 1;
	struct socket_label *l = bpf_sk_storage_get(&socket_labels, sk, 0, 0);
	image img = l ? judging_maker(&j, l, ASK_REACHED) : 0;
	struct flow f = { .d = { .kind = KIND_SEND, .body = { .op = OP_SEND } } };
	if (!img || !read_packet(skb, &f, sk->type))
		return 1;
	verdict v = judge_flow(&j, img, &f);
	if (!(v & DENIED))
		return 1;
	const struct setting *s = the_settings();
	int glass = s && s->glass && l->flags & SOCKET_GLASS;
	f.d.body.generation = HEAD(img, generation);
	count_denial(f.d.body.generation, v, REASON_RULE, glass);
	record_packet(&j, l, &f, v, glass);
	return glass;
}
