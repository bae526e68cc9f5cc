//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sockets: every way to reach somebody, or to be reached, is judged in the call that asks for it, so that it fails at once.
 *
 * Each program answers 0 where it has nothing to judge (see judging), and where a socket cannot be read, which the kernel then
 * refuses itself. None may sleep: tables of addresses of 6.1 and 6.12 could not be read then. io_uring comes to the same hooks. */
#include "kernel.h"
#include "path.h"
#include "network_judge.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define MSG_FASTOPEN 0x20000000
#define TCP_LISTEN 10
#define SCTP_SOCKOPT_BINDX_ADD 100
#define SCTP_PRIMARY_ADDR 6
#define SCTP_SET_PEER_PRIMARY_ADDR 5
#define SCTP_LIST 8
#define UNIX_NAME 108

/* An address as it is passed to a call: sockaddr_in's and sockaddr_in6's fields. */
struct sockaddr_any {
	__u16 family;
	__be16 port;
	__be32 v4; /* flow information in IPv6 */
	__u32 v6[4];
	__u32 scope;
};
#define SOCKADDR4 16
#define SOCKADDR6 24 /* without the scope: the least that the kernel takes */

/* A hook's answer. The compiler must not know that yes is 0 or 1, or it negates it, and the verifier does not follow. */
static __always_inline int refused(int yes)
{
	asm volatile("" : "+r"(yes));
	return yes ? -EPERM : 0;
}

static __always_inline void read_socket(struct flow *f, struct sock *sk)
{
	flow_socket(f, KREAD(sock, sk, __sk_common.skc_family), KREAD(sock, sk, sk_type), KREAD(sock, sk, sk_protocol));
}

/* A pointer as a number, which functions that are verified by themselves take: through memory, where the verifier forgets.
 * Not inlined, for the stack of who calls it. */
static __attribute__((noinline)) __u64 number_of(const void *p)
{
	__u64 n = 0;
	bpf_probe_read_kernel(&n, sizeof(n), &p);
	return n;
}

/* Reads the kernel's copy of an address that was passed; otherwise is the family that none stands for. Returns the family, or 0
 * when there is no address of IP in it: then nothing has changed. */
__noinline int read_address(struct flow *f, __u64 from, __u32 bytes, __u32 otherwise)
{
	struct sockaddr_any a = {};
	if (!f || !from || bytes < 2 || bpf_probe_read_kernel(&a, sizeof(a), (void *)from))
		return 0;
	if (!a.family)
		a.family = otherwise;
	if (a.family == AF_INET && bytes >= SOCKADDR4)
		flow_v4(f, a.v4, bpf_ntohs(a.port));
	else if (a.family == AF_INET6 && bytes >= SOCKADDR6)
		flow_v6(f, a.v6, bpf_ntohs(a.port));
	else
		return 0;
	return a.family;
}

static __always_inline void read_end(struct flow *f, struct sock *sk, int own)
{
	struct endpoint ends[2] __attribute__((aligned(8))) = {};
	__u16 family = f->d.body.family;
	endpoints_of(sk, family, f->d.body.number, &ends[0], &ends[1]);
	const struct endpoint *e = &ends[!own];
	const __u32 *ip = (const __u32 *)e->ip;
	if (family == AF_INET)
		flow_v4(f, ip[3], e->port);
	else
		flow_v6(f, ip, e->port);
}

/* Reads the address that a socket of IP has reached. Returns whether it has. */
static __always_inline int read_peer(struct flow *f, struct sock *sk)
{
	if (!is_inet(f->d.body.family))
		return 0;
	read_end(f, sk, 0);
	return f->address.high || f->address.low;
}

/* Reads the address that a socket of IP has for its own. */
static __always_inline void read_own(struct flow *f, struct sock *sk) { read_end(f, sk, 1); }

/* ---- making sockets ---- */

/* A socket of a family that no list of peers can name reaches past all of them, some before they are bound (a packet socket
 * hears everything at once). The kernel's own sockets are not the task's doing. */
SEC("lsm/socket_create") int BPF_PROG(net_create, int family, int type, int protocol, int kern)
{
	if (kern || is_inet(family) || is_local(family))
		return 0;
	struct flow f = { .d = { .kind = KIND_BIND, .body = { .op = OP_BIND } } };
	flow_socket(&f, family, type, protocol);
	return refused(decide_both(0, &f, ASK_PACKET));
}

/* MPTCP where the kernel has no hook for the connections that a peer asks it to add: the whole protocol is refused to who has
 * rules about peers, because those connections would belong to nobody. Programs fall back to TCP. */
SEC("lsm/socket_create") int BPF_PROG(net_mptcp, int family, int type, int protocol, int kern)
{
	struct judging j;
	if (kern || protocol != IPPROTO_MPTCP || !is_inet(family))
		return 0;
	image img = judging(&j, ASK_REACHED);
	if (!img || FIELD(img, j.subject, subject, peers) == NONE)
		return 0;
	return refused(refuse_mptcp(&j, img, family, type));
}

/* Labels a socket. The kernel's own ones that a task causes are labelled if they are TCP's: MPTCP and SMC speak through such.
 * Others (ICMP's and the like, made with a network namespace) are not the task's voice. Without memory the socket has no label,
 * and whoever uses it is judged alone. */
SEC("lsm/socket_post_create") int BPF_PROG(net_label, struct socket *sock, int family, int type, int protocol, int kern)
{
	struct sock *sk = sock->sk;
	if (sk && (!kern || (is_inet(family) && KREAD(sock, sk, sk_protocol) == IPPROTO_TCP)))
		label_socket(sk);
	return 0;
}

/* A connection that MPTCP adds, for a peer too, out of a worker of the kernel: it belongs to who made the first. Since 6.6. */
SEC("lsm/mptcp_add_subflow") int BPF_PROG(net_subflow, struct sock *sk, struct sock *ssk)
{
	struct socket_label *l = bpf_sk_storage_get(&socket_labels, sk, 0, 0);
	if (l)
		bpf_sk_storage_get(&socket_labels, ssk, l, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}

/* ---- reaching out ---- */

/* Connecting, of streams and of datagrams. UNIX sockets are judged by the one that is found (net_unix_stream, net_unix_send).
 * An address of no family lets go of the peer, which is nobody's business. */
SEC("lsm/socket_connect") int BPF_PROG(net_connect, struct socket *sock, struct sockaddr *address, int bytes)
{
	struct sock *sk = sock->sk;
	if (!sk)
		return 0;
	struct socket_label *l = label_socket(sk);
	struct flow f = { .d = { .kind = KIND_CONNECT, .body = { .op = OP_CONNECT } } };
	read_socket(&f, sk);
	if (!is_local(f.d.body.family)) {
		if (!is_inet(f.d.body.family) && decide_both(l, &f, ASK_PACKET))
			return -EPERM;
		if (read_address(&f, number_of(address), bytes, 0) && decide_both(l, &f, ASK_REACHED))
			return -EPERM;
	}
	if (l)
		l->flags |= SOCKET_CONNECTED;
	return 0;
}

/* Whether the peer of a connected socket was chosen on this side. Of a socket from before the policy a backlog tells: those that
 * were accepted have their listener's. */
static __always_inline int is_caller(struct sock *sk, const struct flow *f, const struct socket_label *l)
{
	if (f->d.body.number == SOCK_DGRAM || f->d.body.number == SOCK_RAW)
		return 1;
	if (l)
		return !!(l->flags & SOCKET_CONNECTED);
	return is_stream(f->d.body.protocol) && !KREAD(sock, sk, sk_max_ack_backlog);
}

/* Using a socket whose peer somebody else chose: it was inherited, passed, or was there before the task got its label. */
static __always_inline int decide_handed(struct sock *sk, struct flow *f, const struct socket_label *l)
{
	return is_handed(l, ASK_REACHED) && is_caller(sk, f, l) && read_peer(f, sk) && decide_own(f, ASK_REACHED);
}

/* Sending. With an address of its own it is judged as connecting is; streams take one only to open fast. What has none goes to
 * the peer, which was judged for who connected: only others are judged now. An address of no family is IPv4's to what speaks
 * IPv4, and none to the rest but raw sockets. */
static __always_inline int send_judged(struct sock *sk, struct flow *f, const struct socket_label *l, struct msghdr *msg)
{
	__u16 family = f->d.body.family, type = f->d.body.number, protocol = f->d.body.protocol;
	if (!is_inet(family) && decide_both(l, f, ASK_PACKET))
		return 1;
	if ((!is_stream(protocol) && family != AF_SMC) || msg->msg_flags & MSG_FASTOPEN) {
		__u16 otherwise = family == AF_INET || type == SOCK_RAW ? family : 0;
		if (read_address(f, number_of(msg->msg_name), msg->msg_namelen, otherwise))
			return decide_both(l, f, ASK_REACHED);
	}
	return decide_handed(sk, f, l);
}

/* ---- UNIX sockets ---- */

/* The name of one: its file, or the bytes of an abstract name in the kernel. */
struct unix_name { __u64 mnt, dentry, name; __u32 bytes, pad; };

/* Whom a UNIX socket is bound to; nothing when it has no name: it was handed over, and says nothing. The path is that by which it
 * was bound, resolved in the kernel: whichever way it was asked for. */
static __always_inline int read_unix(struct unix_name *n, struct sock *sk)
{
	struct unix_sock *u = (void *)sk;
	n->dentry = (__u64)KREAD(unix_sock, u, path.dentry);
	n->mnt = (__u64)KREAD(unix_sock, u, path.mnt);
	if (n->dentry)
		return 1;
	struct unix_address *a = KREAD(unix_sock, u, addr);
	__u32 bytes = a ? KREAD(unix_address, a, len) : 0;
	n->name = (__u64)a + bpf_core_field_offset(struct unix_address, name) + 3;
	n->bytes = bytes - 3;
	return bytes > 3 && bytes <= 2 + UNIX_NAME;
}

/* Judges a socket by the names of its file as files are judged (see judge_names), but for bound ones. */
static __always_inline verdict judge_unix_file(const struct judging *j, image img, struct scratch *t, const struct unix_name *n)
{
	struct object_ref o = { .mnt = (void *)n->mnt, .dentry = (void *)n->dentry };
	struct task_struct *task = bpf_get_current_task_btf();
	struct host_mount *host;
	int same = seen_is_canonical(&o, task, &host);
	name_seen(t, &o, task);
	verdict v = judge_unix(j->slot, &j->who, t);
	if (v & DENIED || same || !name_canonical(t, &o, host))
		return v;
	verdict c = judge_unix(j->slot, &j->who, t);
	return c & DENIED && !(unlisted(img, c) && FIELD(img, j->subject, subject, flags) & SUBJECT_CONTAINED) ? c : v;
}

/* The abstract name, with what stands for it in rules in front. */
static __always_inline void name_abstract(struct scratch *t, const struct unix_name *n)
{
	__u32 bytes = n->bytes & 127;
	t->too_long = 0;
	t->from = TEXT_END - 1 - bytes;
	t->text[t->from & (TEXT_END - 1)] = '@';
	bpf_probe_read_kernel(t->text + ((t->from + 1) & (TEXT_END - 1)), bytes, (void *)n->name);
}

/* The whole way of one name and one subject. Without memory for the name it is denied. Returns whether to refuse. */
__noinline int decide_unix(const struct judging *j, const struct unix_name *n, enum kind kind)
{
	struct spare *spare;
	image img = j ? image_of(j->slot) : 0;
	if (!j || !img || !n)
		return 0;
	struct denying d = { .kind = kind, .body = { .op = kind == KIND_SEND ? OP_SEND : OP_CONNECT, .family = AF_UNIX, .reason = REASON_SCRATCH } };
	verdict v = DENIED;
	struct scratch *t = scratch_take(&spare);
	if (t && n->dentry) {
		v = judge_unix_file(j, img, t, n);
		d.body.reason = t->too_long ? REASON_TOO_LONG : REASON_RULE;
	} else if (t) {
		name_abstract(t, n);
		v = judge_unix(j->slot, &j->who, t);
		d.body.reason = REASON_RULE;
	}
	if (v & DENIED) {
		struct slot *s = deny_begin(j, img, v, &d);
		if (s) {
			if (t)
				deny_text(s, t);
			deny_end(s);
		}
	}
	scratch_free(spare);
	return d.refuse;
}

/* The same for the current task and for who made the socket. */
static __always_inline int decide_unix_both(const struct socket_label *l, struct sock *other, enum kind kind)
{
	struct unix_name n = {};
	struct judging j;
	__u32 current = NONE;
	if (!read_unix(&n, other))
		return 0;
	if (judging(&j, ASK_UNIX)) {
		current = j.who.subject;
		if (decide_unix(&j, &n, kind))
			return 1;
	}
	if (!l || !judging_maker(&j, l, ASK_UNIX) || j.who.subject == current)
		return 0;
	return decide_unix(&j, &n, kind);
}

/* Connecting a stream. The other end's new socket is its listener's maker's. */
SEC("lsm/unix_stream_connect") int BPF_PROG(net_unix_stream, struct sock *sk, struct sock *other, struct sock *newsk)
{
	struct socket_label *l = bpf_sk_storage_get(&socket_labels, other, 0, 0);
	if (l)
		bpf_sk_storage_get(&socket_labels, newsk, l, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return refused(decide_unix_both(bpf_sk_storage_get(&socket_labels, sk, 0, 0), other, KIND_CONNECT));
}

/* Each datagram, and the connecting of datagram sockets. */
SEC("lsm/unix_may_send") int BPF_PROG(net_unix_send, struct socket *sock, struct socket *other)
{
	struct sock *sk = sock->sk, *to = other->sk;
	if (!sk || !to)
		return 0;
	return refused(decide_unix_both(bpf_sk_storage_get(&socket_labels, sk, 0, 0), to, KIND_SEND));
}

/* A stream that somebody else connected. */
static __always_inline int decide_handed_unix(struct sock *sk, enum kind kind)
{
	struct unix_name n = {};
	struct judging j;
	struct unix_sock *u = (void *)sk;
	struct socket_label *l = bpf_sk_storage_get(&socket_labels, sk, 0, 0);
	if (!l || !(l->flags & SOCKET_CONNECTED) || !is_handed(l, ASK_UNIX) || !judging(&j, ASK_UNIX))
		return 0;
	struct sock *peer = KREAD(unix_sock, u, peer);
	return peer && read_unix(&n, peer) && decide_unix(&j, &n, kind);
}

/* Every message, whichever call it comes by; those of UNIX sockets in a program of their own, for its stack is full. */
SEC("lsm/socket_sendmsg") int BPF_PROG(net_sendmsg, struct socket *sock, struct msghdr *msg, int size)
{
	struct sock *sk = sock->sk;
	if (!sk)
		return 0;
	struct flow f = { .d = { .kind = KIND_SEND, .body = { .op = OP_SEND } } };
	read_socket(&f, sk);
	if (is_local(f.d.body.family))
		return 0;
	return refused(send_judged(sk, &f, bpf_sk_storage_get(&socket_labels, sk, 0, 0), msg));
}

SEC("lsm/socket_sendmsg") int BPF_PROG(net_unix_msg, struct socket *sock, struct msghdr *msg, int size)
{
	struct sock *sk = sock->sk;
	if (!sk || KREAD(sock, sk, __sk_common.skc_family) != AF_UNIX || KREAD(sock, sk, sk_type) == SOCK_DGRAM)
		return 0;
	return refused(decide_handed_unix(sk, KIND_SEND));
}

/* ---- being reached ---- */

/* Taking an address for one's own. Any free port is nobody's business; nor are raw sockets' addresses, which open nothing. */
SEC("lsm/socket_bind") int BPF_PROG(net_bind, struct socket *sock, struct sockaddr *address, int bytes)
{
	struct sock *sk = sock->sk;
	if (!sk)
		return 0;
	struct flow f = { .d = { .kind = KIND_BIND, .body = { .op = OP_BIND } } };
	read_socket(&f, sk);
	__u16 family = f.d.body.family;
	if (is_local(family))
		return 0;
	struct socket_label *l = bpf_sk_storage_get(&socket_labels, sk, 0, 0);
	if (!is_inet(family) && decide_both(l, &f, ASK_PACKET))
		return -EPERM;
	if (!read_address(&f, number_of(address), bytes, family) || !f.address.port)
		return 0;
	return refused(decide_both(l, &f, ASK_LISTEN));
}

static __always_inline int decide_listener(struct sock *sk, struct flow *f, const struct socket_label *l)
{
	read_socket(f, sk);
	if (is_local(f->d.body.family))
		return 0;
	if (!is_inet(f->d.body.family))
		return decide_both(l, f, ASK_PACKET);
	read_own(f, sk);
	return decide_both(l, f, ASK_LISTEN);
}

/* Listening; without a bind before, at port 0, for the kernel is about to choose one. */
SEC("lsm/socket_listen") int BPF_PROG(net_listen, struct socket *sock, int backlog)
{
	struct sock *sk = sock->sk;
	if (!sk)
		return 0;
	struct flow f = { .d = { .kind = KIND_LISTEN, .body = { .op = OP_LISTEN } } };
	struct socket_label *l = bpf_sk_storage_get(&socket_labels, sk, 0, 0);
	if (decide_listener(sk, &f, l))
		return -EPERM;
	if (l)
		l->flags &= ~SOCKET_CONNECTED;
	return 0;
}

/* Accepting is listening, for who was handed the listener. */
SEC("lsm/socket_accept") int BPF_PROG(net_accept, struct socket *sock, struct socket *newsock)
{
	struct sock *sk = sock->sk;
	if (!sk)
		return 0;
	struct flow f = { .d = { .kind = KIND_LISTEN, .body = { .op = OP_LISTEN } } };
	return refused(decide_listener(sk, &f, bpf_sk_storage_get(&socket_labels, sk, 0, 0)));
}

/* ---- being handed a socket ---- */

static __always_inline int receive_judged(struct sock *sk, struct flow *f, const struct socket_label *l)
{
	read_socket(f, sk);
	if (is_local(f->d.body.family))
		return 0;
	if (!is_inet(f->d.body.family))
		return is_handed(l, ASK_PACKET) && decide_own(f, ASK_PACKET);
	if (KREAD(sock, sk, __sk_common.skc_state) == TCP_LISTEN && f->d.body.number != SOCK_DGRAM) {
		f->d.kind = KIND_LISTEN;
		f->d.body.op = OP_LISTEN;
		read_own(f, sk);
		return is_handed(l, ASK_LISTEN) && decide_own(f, ASK_LISTEN);
	}
	return decide_handed(sk, f, l);
}

/* By a message, or taken by pidfd_getfd: a socket whose peer, or whose own address, the task could not have had itself does not
 * arrive. One that is neither connected nor listens is judged when it is used. */
SEC("lsm/file_receive") int BPF_PROG(net_receive, struct file *file)
{
	struct socket *sock = bpf_sock_from_file(file);
	struct sock *sk = sock ? sock->sk : 0;
	if (!sk)
		return 0;
	struct flow f = { .d = { .kind = KIND_CONNECT, .body = { .op = OP_CONNECT } } };
	return refused(receive_judged(sk, &f, bpf_sk_storage_get(&socket_labels, sk, 0, 0)));
}

SEC("lsm/file_receive") int BPF_PROG(net_unix_recv, struct file *file)
{
	struct socket *sock = bpf_sock_from_file(file);
	struct sock *sk = sock ? sock->sk : 0;
	if (!sk || KREAD(sock, sk, __sk_common.skc_family) != AF_UNIX)
		return 0;
	return refused(decide_handed_unix(sk, KIND_CONNECT));
}

/* ---- SCTP ---- */

__noinline int refuse_list(enum op op)
{
	struct judging j;
	image img = judging(&j, op == OP_BIND ? ASK_LISTEN : ASK_REACHED);
	struct denying d = { .kind = op == OP_BIND ? KIND_BIND : KIND_CONNECT, .body = { .op = op, .family = AF_INET, .protocol = IPPROTO_SCTP } };
	return img && refuse_unguarded(&j, img, &d);
}

/* Its lists of addresses, of peers or of own ones. Those that a peer sends are handled in an interrupt, where the current task
 * is anybody: they are judged by the socket's maker too, so at worst too many are refused. Longer lists than any program has are
 * refused to who has rules. */
SEC("lsm/sctp_bind_connect") int BPF_PROG(net_sctp, struct sock *sk, int option, struct sockaddr *address, int bytes)
{
	if (option == SCTP_PRIMARY_ADDR || option == SCTP_SET_PEER_PRIMARY_ADDR)
		return 0; /* one of those that are there already */
	int own = option == SCTP_SOCKOPT_BINDX_ADD;
	struct flow f = { .d = { .kind = own ? KIND_BIND : KIND_CONNECT, .body = { .op = own ? OP_BIND : OP_CONNECT } } };
	struct socket_label *l = bpf_sk_storage_get(&socket_labels, sk, 0, 0);
	__u64 at = number_of(address);
	__u32 left = bytes;
	for (int i = 0; i < SCTP_LIST && left; i++) {
		read_socket(&f, sk);
		int family = read_address(&f, at, left, 0);
		__u32 size = family == AF_INET ? SOCKADDR4 : sizeof(struct sockaddr_any);
		if (!family)
			return 0; /* the kernel refuses it */
		if ((!own || f.address.port) && decide_both(l, &f, own ? ASK_LISTEN : ASK_REACHED))
			return -EPERM;
		at += size;
		left = left > size ? left - size : 0;
	}
	return refused(left && refuse_list(own ? OP_BIND : OP_CONNECT));
}
