//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For the test that holds kernel and package verdict to the same answers: the judge's functions, to be called. */
#include "kernel.h"
#include "judge.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct question {
	struct scratch text;
	struct task who;
	struct address address;
	__u32 what, letters, number, i386, target, pad;
	__u64 answer;
};
enum what { WHAT_PROGRAM = 1, WHAT_FILE, WHAT_UNIX, WHAT_PEER, WHAT_LOCAL, WHAT_PACKET, WHAT_SYSCALL, WHAT_CAPABILITY, WHAT_SIGNAL, WHAT_PTRACE,
	WHAT_MODULE, WHAT_MOUNT, WHAT_DEVICE, WHAT_BPF, WHAT_SETTIME, WHAT_KEYRING, WHAT_IO_URING, WHAT_PRCTL, WHAT_NO_SUDO };
enum what unused_what __attribute__((unused));

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct question); } questions SEC(".maps");

static __always_inline verdict answer(image img, struct question *q)
{
	switch (q->what) {
	case WHAT_PROGRAM: return judge_program(0, &q->who, &q->text);
	case WHAT_FILE: return judge_file(0, &q->who, &q->text, q->letters);
	case WHAT_UNIX: return judge_unix(0, &q->who, &q->text);
	case WHAT_PEER: normal_address(&q->address); return judge_peer(0, img, &q->who, &q->address, NONE);
	case WHAT_LOCAL: normal_address(&q->address); return judge_local(0, img, &q->who, &q->address);
	case WHAT_PACKET: return judge_packet(img, &q->who);
	case WHAT_SYSCALL: return judge_syscall(img, &q->who, q->number, q->i386);
	case WHAT_CAPABILITY: return judge_capability(img, &q->who, q->number);
	case WHAT_SIGNAL: return judge_signal(img, &q->who, q->target);
	case WHAT_PTRACE: return judge_ptrace(img, &q->who, q->target);
	case WHAT_MODULE: return judge_host(0, &q->who, &q->text, HOST_MODULE);
	case WHAT_MOUNT: return judge_host(0, &q->who, &q->text, HOST_MOUNT);
	case WHAT_DEVICE: return judge_host(0, &q->who, &q->text, HOST_DEVICE);
	case WHAT_BPF: return says(img, &q->who, HEAD(img, bpf));
	case WHAT_SETTIME: return says(img, &q->who, HEAD(img, settime));
	case WHAT_KEYRING: return says(img, &q->who, HEAD(img, keyring));
	case WHAT_IO_URING: return says(img, &q->who, HEAD(img, io_uring));
	case WHAT_PRCTL: return judge_prctl(img, &q->who, q->number);
	case WHAT_NO_SUDO: return says(img, &q->who, FIELD(img, subject_at(img, q->who.subject), subject, no_sudo));
	}
	return ~0ull;
}

SEC("syscall") int parity_ask(void *ctx)
{
	__u32 zero = 0;
	struct question *q = bpf_map_lookup_elem(&questions, &zero);
	image img = image_of(0);
	if (!q || !img)
		return 1;
	q->answer = answer(img, q);
	return 0;
}
