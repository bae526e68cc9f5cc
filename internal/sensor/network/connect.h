/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connects, and how long TCP connections last. A connect begins in the cgroup hook, which every address of TCP, UDP and ping
 * sockets passes before anything else can fail in the protocol; TCP's outcome comes from its state, which also sees
 * non-blocking ones, io_uring and Fast Open; all others are told at the end of the call. */
#pragma once
#include "describe.h"
#include "flows.h"

#define EPERM 1
#define EINTR 4
#define EACCES 13
#define EISCONN 106
#define EALREADY 114
#define EINPROGRESS 115
#define ECANCELED 125
#define ERESTARTSYS 512
#define ERESTART_RESTARTBLOCK 516

#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_CLOSE 7
#define SOCK_DONE (1 << 1) /* skc_flags: the peer's FIN has come */

/* Whether the current task is in a system call, by its numbers. io_uring and Fast Open come to the same hooks by others. */
static __always_inline int in_call(__u32 native, __u32 compat)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	__u32 nr = syscall_number(regs);
	return is_compat() ? nr == compat || nr == 102 /* socketcall */ : nr == native;
}

static __always_inline int in_connect(void)
{
	return in_call(42, 362);
}

/* A record of a TCP connection, with the task that it belongs to. */
static __always_inline struct slot *flow_resume(const struct waiting *w, enum kind kind)
{
	struct slot *s = slot_take();
	if (!s)
		return 0;
	struct record *r = emit_record(s);
	*(struct waiting *)r = *w;
	s->bytes = sizeof(*w);
	r->kind = kind;
	r->evidence = EV_TRACEPOINT;
	r->time_ns = bpf_ktime_get_boot_ns();
	((struct flow *)emit_body(s))->duration_ns = r->time_ns - w->record.time_ns;
	return s;
}

/* A connect that is allowed to begin. One of TCP waits for its result, with the time and the task. One of any other protocol
 * sends nothing and takes no time: the end of the call tells it all. */
static __always_inline int connect_begins(struct bpf_sock_addr *ctx, const struct endpoint *to)
{
	int tcp = ctx->protocol == IPPROTO_TCP;
	if (tcp != in_connect() || (!tcp && rung_evidence == EV_TRAMPOLINE) || !in_scope())
		return 1;
	struct slot *s = emit_begin(KIND_CONNECT, EV_CGROUP, sizeof(struct flow));
	if (!s)
		return 1;
	struct flow *f = emit_body(s);
	f->cookie = bpf_get_socket_cookie(ctx);
	f->dst = *to;
	if (tcp) {
		flow_keep(f->cookie, s);
		slot_free(s);
		return 1;
	}
	/* io_uring, on the rung that does not see its end: no result. */
	f->family = ctx->family;
	f->type = ctx->type;
	f->protocol = ctx->protocol;
	emit_end(s);
	return 1;
}

/* The result of the connect is known. */
static __always_inline void tcp_connected(struct waiting *w, struct sock *sk, int error)
{
	struct slot *s = flow_resume(w, KIND_CONNECT);
	if (!s)
		return;
	emit_record(s)->error = error;
	flow_of(emit_body(s), sk);
	emit_end(s);
}

/* bytes_received counts a FIN as a byte, bytes_sent counts what was sent again. */
static __always_inline void tcp_ends(struct waiting *w, struct sock *sk)
{
	struct slot *s = flow_resume(w, KIND_FLOW_VOLUME);
	if (!s)
		return;
	struct flow *f = emit_body(s);
	f->sent = KREAD(tcp_sock, sk, bytes_sent) - KREAD(tcp_sock, sk, bytes_retrans);
	f->received = KREAD(tcp_sock, sk, bytes_received);
	if (f->received && KREAD(sock, sk, __sk_common.skc_flags) & SOCK_DONE)
		f->received--;
	f->rtt_us = KREAD(tcp_sock, sk, srtt_us) >> 3;
	emit_end(s);
}

/* A connect that failed before any packet could tell why: inet_stream_connect is still at work, and its end has the error. */
static __always_inline int fails_in_call(struct sock *sk)
{
	struct socket *sock = BPF_CORE_READ(sk, sk_socket);
	return sock && !BPF_CORE_READ(sk, sk_shutdown) && BPF_CORE_READ(sock, state) == SS_UNCONNECTED && in_connect();
}

/* What the state of TCP does not report: other protocols, and TCP that failed before a packet was sent. A call that waits,
 * or that only asks how an earlier one is doing, is not a connect. */
static __always_inline int is_told(struct sock *tcp, long ret)
{
	if (ret == -EALREADY || ret == -EISCONN || (ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK))
		return 1;
	return tcp && (!ret || ret == -EINPROGRESS || ret == -EINTR);
}

/* A connect with its result, as its call ends: begun_ns is when the cgroup hook saw it, 0 if nothing is known of that; to is
 * where it was to go, if it failed, and n the name, if it was to a UNIX socket. */
static __always_inline void connect_tell(struct sock *sk, long ret, __u64 begun_ns, const struct endpoint *to, struct name *n, enum evidence evidence)
{
	struct slot *s = emit_begin(KIND_CONNECT, evidence, sizeof(struct flow));
	if (!s)
		return;
	struct flow *f = emit_body(s);
	flow_of(f, sk);
	emit_record(s)->error = -ret;
	if (begun_ns)
		f->duration_ns = emit_record(s)->time_ns - begun_ns;
	if (to)
		f->dst = *to;
	if (f->family == AF_UNIX) {
		if (n)
			name_text(s, n->raw + 2, n->bytes);
		else
			unix_text(s, BPF_CORE_READ((struct unix_sock *)sk, peer));
	}
	emit_end(s);
}

/* Whether the socket has a peer. Without one, a connect that succeeded was to AF_UNSPEC: a disconnect. */
static __always_inline int has_peer(struct sock *sk, __u16 family)
{
	if (family == AF_UNIX)
		return BPF_CORE_READ((struct unix_sock *)sk, peer) != 0;
	if (family == AF_INET)
		return KREAD(sock, sk, __sk_common.skc_daddr) != 0;
	__u64 ip[2] = {};
	bpf_core_read(ip, sizeof(ip), &sk->__sk_common.skc_v6_daddr);
	return ip[0] || ip[1];
}

/* The end of a connect in the socket layer: ret is what it returned, addr what it was given. One that was refused by an LSM
 * has not come to the protocol, and to no other hook. */
static __always_inline int connect_ends(struct socket *sock, long ret, const void *addr, __u32 bytes, int user)
{
	struct sock *sk = sock ? KREAD(socket, sock, sk) : 0;
	if (!sk)
		return 0;
	__u16 family = KREAD(sock, sk, __sk_common.skc_family);
	struct sock *tcp = is_inet(family) ? tcp_of(sk, KREAD(sock, sk, sk_protocol)) : 0;
	if (is_told(tcp, ret) || (!is_inet(family) && family != AF_UNIX) || !in_scope())
		return 0;
	if (tcp && KREAD(sock, tcp, __sk_common.skc_state) != TCP_CLOSE)
		return 0; /* connected, or about to be, by an earlier call */
	__u64 cookie = tcp ? KREAD(sock, tcp, __sk_common.skc_cookie.counter) : 0;
	struct waiting *w = cookie ? flow_find(cookie) : 0;
	if (w) {
		connect_tell(sk, ret, w->record.time_ns, &w->flow.dst, 0, EV_RUNG);
		flow_drop(cookie);
		return 0;
	}
	if (!ret) {
		if (has_peer(sk, family))
			connect_tell(sk, 0, 0, 0, 0, EV_RUNG);
		return 0;
	}
	if (tcp && ret != -EPERM && ret != -EACCES)
		return 0;
	struct name *n;
	struct slot *scratch = name_take(&n);
	if (!scratch)
		return 0;
	if (!name_of(n, addr, bytes, user) && is_inet(*(__u16 *)n->raw) == is_inet(family))
		connect_tell(sk, ret, 0, &n->to, n, user ? EV_ARGUMENT : EV_RUNG);
	slot_free(scratch);
	return 0;
}
