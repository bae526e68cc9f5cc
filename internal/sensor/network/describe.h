/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the kernel's sockets and from addresses as they are passed, to the parts of a record. */
#pragma once
#include "emit.h"
#include "path.h"
#include "network.h"

/* The socket behind a file, or NULL. A socket's file points to it, and it to its file; nothing else has such a pair. */
static __always_inline struct socket *socket_of(struct file *file)
{
	struct socket *sock = file ? KREAD(file, file, private_data) : 0;
	return sock && KREAD(socket, sock, file) == file ? sock : 0;
}

static __always_inline int is_inet(__u16 family)
{
	return family == AF_INET || family == AF_INET6;
}

/* The families that are reported. */
static __always_inline int is_known(__u16 family)
{
	return is_inet(family) || family == AF_UNIX || family == AF_PACKET;
}

static __always_inline void flow_of(struct flow *f, struct sock *sk)
{
	f->cookie = KREAD(sock, sk, __sk_common.skc_cookie.counter);
	f->family = KREAD(sock, sk, __sk_common.skc_family);
	f->type = KREAD(sock, sk, sk_type);
	f->protocol = KREAD(sock, sk, sk_protocol);
	if (is_inet(f->family))
		endpoints_of(sk, f->family, f->type, &f->src, &f->dst);
	else if (f->family == AF_PACKET && bpf_core_type_exists(struct packet_sock))
		f->interface = BPF_CORE_READ((struct packet_sock *)sk, ifindex);
	if (f->protocol == IPPROTO_TCP && bpf_core_field_exists(struct tcp_sock, is_mptcp) && KREAD(tcp_sock, sk, is_mptcp))
		f->protocol = IPPROTO_MPTCP;
}

/* A name as it stands in sun_path: an abstract one begins with a NUL, another ends at one. */
static __always_inline void name_text(struct slot *s, const void *from, __u32 bytes)
{
	struct text *t = text_begin(s);
	if (bytes > NAME_BYTES)
		bytes = NAME_BYTES;
	text_end(s, t, bpf_probe_read_kernel(t + 1, bytes, from) ? -1 : bytes, TEXT_WHOLE);
}

/* The name that a UNIX socket is bound to: the path of its file, resolved; an abstract name; or nothing. */
static __always_inline void unix_text(struct slot *s, struct sock *sk)
{
	struct unix_sock *u = (void *)sk;
	struct unix_address *a = u ? BPF_CORE_READ(u, addr) : 0;
	if (!a) {
		emit_no_string(s);
		return;
	}
	if (BPF_CORE_READ(u, path.dentry)) {
		struct path path;
		bpf_core_read(&path, sizeof(path), &u->path);
		emit_mount_path(s, path.mnt, path.dentry);
		return;
	}
	name_text(s, (void *)a + bpf_core_field_offset(struct unix_address, name) + 2, BPF_CORE_READ(a, len) - 2);
}

/* A slot whose memory holds an address, or NULL: then the loss has been counted. To be freed with slot_free. */
static __always_inline struct slot *name_take(struct name **n)
{
	struct slot *s = slot_take();
	if (!s)
		return 0;
	*n = (struct name *)s->parts;
	__builtin_memset(*n, 0, sizeof(**n));
	return s;
}

/* Reads an address that was passed to a call: bytes of kernel memory, or of the task's when user is set. Returns 0, or -1
 * when it cannot be read or is of a family that is not reported. */
static __always_inline int name_of(struct name *n, const void *from, __u32 bytes, int user)
{
	__u8 *raw = n->raw;
	if (bytes < 2)
		return -1;
	if (bytes > sizeof(n->raw))
		bytes = sizeof(n->raw);
	asm volatile("%0 &= 127" : "+r"(bytes)); /* changes nothing: for 6.1's verifier, which forgets the bound */
	if (user ? bpf_probe_read_user(raw, bytes, from) : bpf_probe_read_kernel(raw, bytes, from))
		return -1;
	switch (*(__u16 *)raw) {
	case AF_INET:
		endpoint4(&n->to, *(__be32 *)(raw + 4), bpf_ntohs(*(__be16 *)(raw + 2)));
		break;
	case AF_INET6:
		__builtin_memcpy(n->to.ip, raw + 8, 16);
		n->to.port = bpf_ntohs(*(__be16 *)(raw + 2));
		break;
	case AF_PACKET:
		n->interface = *(__u32 *)(raw + 4);
		break;
	case AF_UNIX:
		n->bytes = bytes - 2;
		return 0;
	default:
		return -1;
	}
	__u16 family = *(__u16 *)raw;
	__builtin_memset(raw, 0, sizeof(n->raw));
	*(__u16 *)raw = family;
	return 0;
}
