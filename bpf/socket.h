/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets: the fields that Stockade reads of them, in the manner of kernel.h, and their two ends in one form. */
#pragma once
#include "kernel.h"
#include <bpf/bpf_endian.h>

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_PACKET 17
#define AF_SMC 43
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_SCTP 132
#define IPPROTO_UDPLITE 136
#define IPPROTO_SMC 256
#define IPPROTO_MPTCP 262
#define SOCK_BINDPORT_LOCK 8 /* sk_userlocks: the task has asked for this port (include/net/sock.h) */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr { union { __u8 u6_addr8[16]; } in6_u; };
typedef struct { __s64 counter; } atomic64_t;
struct sock_common {
	__be32 skc_daddr, skc_rcv_saddr;
	__be16 skc_dport;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned long skc_flags;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
};
struct sock {
	struct sock_common __sk_common;
	struct socket *sk_socket;
	__u16 sk_type, sk_protocol;
	int sk_err;
	__u32 sk_max_ack_backlog;
	__u8 sk_shutdown;
	__u8 sk_userlocks : 4;
};
struct inet_sock { __be16 inet_sport; };
typedef enum { SS_FREE = 0, SS_UNCONNECTED = 1 } socket_state;
struct socket { socket_state state; struct file *file; struct sock *sk; };
struct tcp_sock {
	__u64 bytes_received, bytes_sent, bytes_retrans;
	__u32 srtt_us;
	_Bool is_mptcp;
};
struct mptcp_sock { struct sock *first; };
struct packet_sock { int ifindex; };
struct unix_address { int len; char name[0]; };
struct unix_sock { struct unix_address *addr; struct path path; struct sock *peer; };
struct msghdr { void *msg_name; int msg_namelen; unsigned int msg_flags; };

#pragma clang attribute pop

/* The context of the cgroup hooks, as in include/uapi/linux/bpf.h. user_port is in network order. */
struct bpf_sock_addr {
	__u32 user_family, user_ip4, user_ip6[4], user_port, family, type, protocol, msg_src_ip4, msg_src_ip6[4], pad;
	struct bpf_sock *sk;
};

/* One end of a flow. An IPv4 address is written in its IPv4-mapped form, so that both families compare alike. */
struct endpoint {
	__u8 ip[16];
	__u16 port; /* host order */
	__u16 pad[3];
};

static __always_inline void endpoint4(struct endpoint *e, __be32 ip, __u16 port)
{
	*(__u64 *)e->ip = 0;
	*(__u32 *)(e->ip + 8) = bpf_htonl(0xffff);
	*(__be32 *)(e->ip + 12) = ip;
	e->port = port;
}

static __always_inline void endpoint6(struct endpoint *e, struct bpf_sock_addr *ctx)
{
	__u32 *ip = (__u32 *)e->ip;
	ip[0] = ctx->user_ip6[0];
	ip[1] = ctx->user_ip6[1];
	ip[2] = ctx->user_ip6[2];
	ip[3] = ctx->user_ip6[3];
	e->port = bpf_ntohs(ctx->user_port);
}

/* The ends of an inet or inet6 socket as the kernel holds them. A raw socket keeps its protocol where the others keep the
 * port. The local port is inet_sport: skc_num is 0 again when tcp_set_state tells of the end. */
static __always_inline void endpoints_of(struct sock *sk, __u16 family, __u16 type, struct endpoint *src, struct endpoint *dst)
{
	__u16 from = bpf_ntohs(KREAD(inet_sock, sk, inet_sport));
	__u16 to = bpf_ntohs(KREAD(sock, sk, __sk_common.skc_dport));
	if (type == SOCK_RAW)
		from = to = 0;
	if (family == AF_INET) {
		endpoint4(src, KREAD(sock, sk, __sk_common.skc_rcv_saddr), from);
		endpoint4(dst, KREAD(sock, sk, __sk_common.skc_daddr), to);
		return;
	}
	bpf_core_read(src->ip, sizeof(src->ip), &sk->__sk_common.skc_v6_rcv_saddr);
	bpf_core_read(dst->ip, sizeof(dst->ip), &sk->__sk_common.skc_v6_daddr);
	src->port = from;
	dst->port = to;
}

/* The TCP socket beneath: itself, or the first subflow of an MPTCP socket; NULL for other protocols. */
static __always_inline struct sock *tcp_of(struct sock *sk, __u16 protocol)
{
	if (protocol == IPPROTO_TCP)
		return sk;
	if (protocol == IPPROTO_MPTCP && bpf_core_type_exists(struct mptcp_sock))
		return BPF_CORE_READ((struct mptcp_sock *)sk, first);
	return 0;
}
