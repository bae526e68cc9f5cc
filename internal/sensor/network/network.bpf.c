//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets: connect, accept, bind, listen, sends with an address, and the volume of TCP connections. Addresses are the
 * kernel's own, read from the socket after the operation, wherever it keeps them. */
#include "kernel.h"
#include "emit.h"
#include "path.h"
#include "scope.h"
#include "syscall.h"
#include "connect.h"
#include "send.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The cgroup hooks stand at the root of the tree: a socket belongs to the cgroup of the task that made it, not of the one
 * that uses it. They always return 1: they only watch. Each runs once per new connect or datagram, in the task's context. */
SEC("cgroup/connect4") int network_conn4(struct bpf_sock_addr *ctx)
{
	struct endpoint to = {};
	endpoint4(&to, ctx->user_ip4, bpf_ntohs(ctx->user_port));
	return connect_begins(ctx, &to);
}

SEC("cgroup/connect6") int network_conn6(struct bpf_sock_addr *ctx)
{
	struct endpoint to = {};
	endpoint6(&to, ctx);
	return connect_begins(ctx, &to);
}

SEC("cgroup/sendmsg4") int network_send4(struct bpf_sock_addr *ctx)
{
	struct endpoint to = {};
	endpoint4(&to, ctx->user_ip4, bpf_ntohs(ctx->user_port));
	return sends_udp(ctx, &to);
}

SEC("cgroup/sendmsg6") int network_send6(struct bpf_sock_addr *ctx)
{
	struct endpoint to = {};
	endpoint6(&to, ctx);
	return sends_udp(ctx, &to);
}

/* Every change of a TCP socket's state, under its lock, often in an interrupt, where the current task is anybody: whose it
 * is was noted before. tcp_set_state has the error in sk_err already when a packet or a time-out ended a connect (another
 * thread that asks for SO_ERROR in that instant takes it). No error: the task gave up, which is reported as ECANCELED. */
SEC("tp_btf/inet_sock_set_state") int BPF_PROG(network_state, struct sock *sk, int from, int to)
{
	if ((to != TCP_ESTABLISHED && to != TCP_CLOSE && to != TCP_SYN_SENT) || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (to == TCP_SYN_SENT) { /* in the task's own context */
		__u64 begun = bpf_get_socket_cookie(sk);
		if (flow_find(begun) || in_connect() || !in_scope())
			return 0;
		struct slot *s = emit_begin(KIND_CONNECT, EV_TRACEPOINT, sizeof(struct flow));
		if (s) {
			flow_keep(begun, s);
			slot_free(s);
		}
		return 0;
	}
	__u64 cookie = sk->__sk_common.skc_cookie.counter;
	if (!cookie) {
		/* An incoming one: it gets its number for accept to find. One that Fast Open lets be accepted before has none yet,
		 * and its volume is not told. */
		if (to == TCP_ESTABLISHED)
			bpf_get_socket_cookie(sk);
		return 0;
	}
	struct waiting *w = flow_find(cookie);
	if (!w)
		return 0;
	if (to == TCP_ESTABLISHED) {
		tcp_connected(w, sk, 0);
		flow_of(&w->flow, sk);
		w->flow.established = 1;
		w->record.time_ns = bpf_ktime_get_boot_ns();
		return 0;
	}
	if (w->flow.established) {
		tcp_ends(w, sk);
	} else {
		int error = sk->sk_err;
		if (!error && fails_in_call(sk))
			return 0;
		tcp_connected(w, sk, error ? error : ECANCELED);
	}
	flow_drop(cookie);
	return 0;
}

/* A new socket has been taken from its listener. Who accepts it owns the connection from here on. A connection that has
 * ended meanwhile has no volume: nothing would take its entry away. */
static __always_inline int accepted(struct file *file)
{
	struct socket *sock = socket_of(file);
	struct sock *sk = sock ? KREAD(socket, sock, sk) : 0;
	if (!sk || !is_known(KREAD(sock, sk, __sk_common.skc_family)) || !in_scope())
		return 0;
	struct slot *s = emit_begin(KIND_ACCEPT, EV_RUNG, sizeof(struct flow));
	if (!s)
		return 0;
	struct flow *f = emit_body(s);
	flow_of(f, sk);
	struct sock *tcp = is_inet(f->family) ? tcp_of(sk, f->protocol) : 0;
	__u64 cookie = tcp ? KREAD(sock, tcp, __sk_common.skc_cookie.counter) : 0;
	if (cookie) {
		f->cookie = cookie;
		f->established = 1;
		flow_keep(cookie, s);
		if (KREAD(sock, tcp, __sk_common.skc_state) == TCP_CLOSE)
			flow_drop(cookie);
	}
	if (f->family == AF_UNIX)
		unix_text(s, sk);
	emit_end(s);
	return 0;
}

/* A bind or listen that succeeded; one that failed changed nothing, and is no event. */
static __always_inline int bound(enum kind kind, struct socket *sock, long ret)
{
	struct sock *sk = sock && !ret ? KREAD(socket, sock, sk) : 0;
	if (!sk || !is_known(KREAD(sock, sk, __sk_common.skc_family)) || !in_scope())
		return 0;
	struct slot *s = emit_begin(kind, EV_RUNG, sizeof(struct flow));
	if (!s)
		return 0;
	struct flow *f = emit_body(s);
	flow_of(f, sk);
	if (kind == KIND_BIND && is_inet(f->family))
		f->any_port = !(BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & SOCK_BINDPORT_LOCK);
	if (kind == KIND_LISTEN) {
		struct sock *tcp = is_inet(f->family) ? tcp_of(sk, f->protocol) : 0;
		f->backlog = KREAD(sock, tcp ? tcp : sk, sk_max_ack_backlog);
	}
	if (f->family == AF_UNIX)
		unix_text(s, sk);
	emit_end(s);
	return 0;
}

/* The ends of the calls, where functions cannot be hooked. ret of accept is the new descriptor. */
SYSCALL_PROG(network_connect) { return connect_ends(socket_of(file_of(arg(regs, 0))), ret, (void *)arg(regs, 1), arg(regs, 2), 1); }
SYSCALL_PROG(network_accept) { return accepted(file_of(ret)); }
SYSCALL_PROG(network_bind) { return bound(KIND_BIND, socket_of(file_of(arg(regs, 0))), ret); }
SYSCALL_PROG(network_listen) { return bound(KIND_LISTEN, socket_of(file_of(arg(regs, 0))), ret); }

/* Functions below the calls, to which io_uring comes as well; address is the kernel's copy. Another file calls them, so they
 * exist, and they are too large to be inlined in their own (so on Debian's 6.1, 6.12 and 7.2). do_accept's second argument
 * changed its type in 6.10, not its place. */
SEC("fexit/__sys_connect_file") int BPF_PROG(network_connfile, struct file *file, void *address, int bytes, int flags, int ret)
{
	return connect_ends(socket_of(file), ret, address, bytes, 0);
}

SEC("fexit/do_accept") int BPF_PROG(network_doaccept, struct file *file, void *arg, void *addr, void *bytes, int flags, struct file *ret)
{
	return (unsigned long)ret >= (unsigned long)-4095 ? 0 : accepted(ret);
}

/* Not for io_uring. */
SEC("fexit/__sys_bind") int BPF_PROG(network_sysbind, int fd, void *address, int bytes, int ret)
{
	return bound(KIND_BIND, socket_of(file_of(fd)), ret);
}

SEC("fexit/__sys_listen") int BPF_PROG(network_syslisn, int fd, int backlog, int ret)
{
	return bound(KIND_LISTEN, socket_of(file_of(fd)), ret);
}

/* io_uring's bind and listen, since 6.11. The functions above come here too, or have a copy of their own: a compiler's choice. */
SEC("fexit/__sys_bind_socket") int BPF_PROG(network_bindsock, struct socket *sock, void *address, int bytes, int ret)
{
	return in_call(49, 361) ? 0 : bound(KIND_BIND, sock, ret);
}

SEC("fexit/__sys_listen_socket") int BPF_PROG(network_lisnsock, struct socket *sock, int backlog, int ret)
{
	return in_call(50, 363) ? 0 : bound(KIND_LISTEN, sock, ret);
}

/* Every message, before the protocol has it; msg_name is the kernel's copy. */
SEC("lsm/socket_sendmsg") int BPF_PROG(network_sendmsg, struct socket *sock, struct msghdr *msg, int size, int ret)
{
	if (!ret && msg->msg_name)
		sends_on(sock, msg->msg_name, msg->msg_namelen, 0);
	return 0;
}

/* The same from the calls' arguments: the kernel does not keep these addresses. */
SYSCALL_PROG(network_sendto)
{
	void *addr = (void *)arg(regs, 4);
	return addr ? sends_on(socket_of(file_of(arg(regs, 0))), addr, arg(regs, 5), 1) : 0;
}

static __always_inline void send_header(int fd, const void *header)
{
	struct { __u64 name; __u32 bytes, pad; } native = {};
	struct { __u32 name, bytes; } compat = {};
	if (is_compat()) {
		if (bpf_probe_read_user(&compat, sizeof(compat), header))
			return;
		native.name = compat.name;
		native.bytes = compat.bytes;
	} else if (bpf_probe_read_user(&native, sizeof(native), header)) {
		return;
	}
	if (native.name)
		sends_on(socket_of(file_of(fd)), (void *)native.name, native.bytes, 1);
}

SYSCALL_PROG(network_sendhdr)
{
	send_header(arg(regs, 0), (void *)arg(regs, 1));
	return 0;
}

struct many { int fd, size; __u64 headers; };

static long send_one(__u32 i, struct many *m)
{
	send_header(m->fd, (void *)(m->headers + i * m->size));
	return 0;
}

/* ret is how many of the messages were sent; each header is followed by a length. */
static __always_inline void send_headers(int fd, __u64 headers, long ret)
{
	struct many m = { .fd = fd, .headers = headers, .size = is_compat() ? 32 : 64 };
	if (ret > 0)
		bpf_loop(ret, send_one, &m, 0);
}

SYSCALL_PROG(network_sendmany)
{
	send_headers(arg(regs, 0), arg(regs, 1), ret);
	return 0;
}

/* 32-bit programs' one door to all of the above (include/uapi/linux/net.h): the arguments are an array in the task's memory. */
SYSCALL_PROG(network_i386)
{
	__u32 a[6] = {};
	__u32 call = arg(regs, 0);
	if (bpf_probe_read_user(a, sizeof(a), (void *)arg(regs, 1)))
		return 0;
	switch (call) {
	case 2:
	case 4:
		return bound(call == 2 ? KIND_BIND : KIND_LISTEN, socket_of(file_of(a[0])), ret);
	case 3:
		return connect_ends(socket_of(file_of(a[0])), ret, (void *)(__u64)a[1], a[2], 1);
	case 5:
	case 18:
		return accepted(file_of(ret));
	case 11:
		return a[4] ? sends_on(socket_of(file_of(a[0])), (void *)(__u64)a[4], a[5], 1) : 0;
	case 16:
		send_header(a[0], (void *)(__u64)a[1]);
		return 0;
	case 20:
		send_headers(a[0], a[1], ret);
		return 0;
	}
	return 0;
}

/* Name types for the generator, and for the loader the value of a map within a map. */
const struct flow *unused_flow __attribute__((unused));
const struct send_record *unused_send_record __attribute__((unused));
