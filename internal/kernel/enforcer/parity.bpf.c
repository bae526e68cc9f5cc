//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For the test that holds kernel and package verdict to the same answers: the judge's functions, to be called. */
#include "kernel.h"
#include "judge.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* letters are a file's; number a system call's, a capability's or an option's; names a range of ports as judge_network has it. */
struct question {
	struct scratch text;
	struct task who;
	struct address address;
	__u32 what, letters, gains, number, i386, target, names, repeat;
	__u64 answer;
};
enum what { WHAT_PROGRAM = 1, WHAT_FILE, WHAT_UNIX, WHAT_PEER, WHAT_LOCAL, WHAT_PACKET, WHAT_SYSCALL, WHAT_CAPABILITY, WHAT_SIGNAL, WHAT_PTRACE,
	WHAT_MODULE, WHAT_MOUNT, WHAT_DEVICE, WHAT_BPF, WHAT_SETTIME, WHAT_KEYRING, WHAT_IO_URING, WHAT_PRCTL };

/* Named here, so that the object describes them: the test compares them with their twins in Go. */
struct shapes {
	struct head head; struct subject subject; struct automaton automaton; struct network network; struct port port;
	struct actor_set actor_set; struct claim claim; struct syscalls syscalls;
	enum what what; enum ask ask; enum subject_flag subject_flag; enum claim_flag claim_flag; enum class class; enum protocol protocol;
};
const struct shapes *shapes __attribute__((unused));

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct question); } questions SEC(".maps");

static __always_inline verdict program(image img, struct question *q)
{
	verdict v = judge_program(0, &q->who, &q->text);
	return q->gains ? both(img, v, says(img, &q->who, FIELD(img, subject_at(img, q->who.subject), subject, no_sudo))) : v;
}

static __always_inline verdict answer(image img, struct question *q)
{
	switch (q->what) {
	case WHAT_PROGRAM: return program(img, q);
	case WHAT_FILE: return judge_file(0, &q->who, &q->text, q->letters);
	case WHAT_UNIX: return judge_unix(0, &q->who, &q->text);
	case WHAT_PEER: normal_address(&q->address); return judge_peer(0, img, &q->who, &q->address, q->names);
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
	}
	return ~0ull;
}

struct asked { image img; struct question *q; };

static long ask_again(__u32 i, struct asked *a)
{
	a->q->answer = answer(a->img, a->q);
	return 0;
}

/* Answers the question as often as it says, to be measured. */
SEC("syscall") int parity_ask(void *ctx)
{
	__u32 zero = 0;
	struct asked a = {image_of(0), bpf_map_lookup_elem(&questions, &zero)};
	if (!a.q || !a.img)
		return 1;
	bpf_loop(a.q->repeat, ask_again, &a, 0);
	return 0;
}
