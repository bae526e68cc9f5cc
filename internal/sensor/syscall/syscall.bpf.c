//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The first time that an executable makes a system call. */
#include "kernel.h"
#include "emit.h"
#include "scope.h"
#include "syscall.h"
#include "first.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* x32's own calls are the last, from 512 on. What is beyond is no call: the kernel says ENOSYS. */
#define CALLS 576
#define EXECUTABLES 16384

/* An inode may be another file's when it is used again: then its generation is another. */
struct executable {
	__u64 inode;
	__u32 device, generation;
};
struct calls {
	__u64 seen[TABLES][CALLS / 64];
};

/* Executable → the calls that it has made. Bounded; nothing is ever taken out, or a call would be told twice. */
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, EXECUTABLES); __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, struct executable); __type(value, struct calls); } executables SEC(".maps");

/* The calls of all executables that found no room, as if they were one: what is missed is counted once for each of these
 * and not at every call, of which there are millions. */
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct calls); } roomless SEC(".maps");

/* Sets the call's bit, and says whether it was clear. Of several CPUs exactly one is told so. */
static __always_inline int first(struct calls *c, __u32 table, __u32 nr)
{
	__u64 bit = 1ULL << (nr % 64), *word = &c->seen[table][nr / 64];
	return !(*word & bit) && !(__sync_fetch_and_or(word, bit) & bit);
}

/* A full map, or a want of memory. */
static __noinline int missed(__u32 table, __u32 nr)
{
	__u32 zero = 0;
	struct calls *c = bpf_map_lookup_elem(&roomless, &zero);
	if (c && table < TABLES && nr < CALLS && first(c, table, nr))
		emit_lost(LOSS_STATE);
	return 0;
}

/* Every entry is zero at first; on the stack it would leave the verifier little room. */
static const struct calls none;

/* Before the call is made, after ptrace and seccomp had their say: what seccomp refuses does not come here. Kernel threads
 * make no calls and have no executable. PR_SET_MM_EXE_FILE, which needs a privilege, gives a process another executable.
 * If there is no scratch or ring space the call is not told again, and the loss is counted. */
SEC("tp_btf/sys_enter") int BPF_PROG(syscall_enter, struct pt_regs *regs, long id)
{
	__u32 nr = (__u32)id & ~0x40000000u; /* x32's bit */
	if (nr >= CALLS || !in_scope())
		return 0;
	struct task_struct *task = bpf_get_current_task_btf();
	struct mm_struct *mm = task->mm;
	struct file *file = mm ? mm->exe_file : 0;
	struct inode *inode = file ? file->f_inode : 0;
	if (!inode)
		return 0;
	struct executable exe = { .inode = inode->i_ino, .device = inode->i_sb->s_dev, .generation = inode->i_generation };
	__u32 table = task->thread_info.status & TS_COMPAT ? TABLE_I386 : TABLE_AMD64;
	struct calls *c = bpf_map_lookup_elem(&executables, &exe);
	if (!c) {
		bpf_map_update_elem(&executables, &exe, &none, BPF_NOEXIST);
		c = bpf_map_lookup_elem(&executables, &exe);
		if (!c)
			return missed(table, nr);
	}
	if (!first(c, table, nr))
		return 0;
	struct slot *s = emit_begin(KIND_SYSCALL, EV_TRACEPOINT, sizeof(struct first_call));
	if (!s)
		return 0;
	struct first_call *f = emit_body(s);
	f->number = nr;
	f->table = table;
	emit_end(s);
	return 0;
}

/* Names types for the generator. */
const struct first_call *unused_first_call __attribute__((unused));
