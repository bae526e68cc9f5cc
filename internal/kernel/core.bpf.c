//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps that all sensors share, and the dispatcher of the rung without trampolines. */
#include "kernel.h"
#include "emit.h"
#include "scope.h"
#include "syscall.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define HANDLERS 2048
#define COMPAT_BASE 1024

/* System call number → program: x86-64 numbers from 0, i386 numbers from COMPAT_BASE. An empty entry falls through. */
struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, HANDLERS); __type(key, __u32); __type(value, __u32); } handlers SEC(".maps");

/* One program at sys_exit for all sensors: a call that nobody asked for costs one failed tail call. It is attached only
 * while a handler is, because any program here puts every task on the slow path of every system call. It cannot fail. */
SEC("tp_btf/sys_exit") int BPF_PROG(kernel_sys_exit, struct pt_regs *regs, long ret)
{
	__u32 nr = syscall_number(regs);
	if (nr >= COMPAT_BASE)
		return 0;
	if (is_compat())
		nr += COMPAT_BASE;
	bpf_tail_call(ctx, &handlers, nr);
	return 0;
}

/* Names types for the generator. */
const struct record *unused_record __attribute__((unused));
enum kind unused_kind __attribute__((unused));
enum loss unused_loss __attribute__((unused));
enum evidence unused_evidence __attribute__((unused));
