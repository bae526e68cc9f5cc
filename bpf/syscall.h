/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs at the end of a system call. The arguments (regs, ret) are the same for tp_btf/sys_exit and for fexit of
 * __x64_sys_NAME, so one program serves both rungs; the loader decides where it is attached. At the exit the argument
 * registers still hold what the task passed. Memory behind them may have changed since. */
#pragma once

#define SYSCALL_PROG(name) SEC("tp_btf/sys_exit") int BPF_PROG(name, struct pt_regs *regs, long ret)
#define TS_COMPAT 2 /* arch/x86/include/asm/thread_info.h: the task is in a 32-bit system call */

static __always_inline int is_compat(void)
{
	return bpf_get_current_task_btf()->thread_info.status & TS_COMPAT;
}

/* The n-th argument, from 0; n is a constant. */
static __always_inline __u64 arg(struct pt_regs *r, int n)
{
	if (is_compat()) {
		switch (n) {
		case 0: return (__u32)r->bx;
		case 1: return (__u32)r->cx;
		case 2: return (__u32)r->dx;
		case 3: return (__u32)r->si;
		case 4: return (__u32)r->di;
		default: return (__u32)r->bp;
		}
	}
	switch (n) {
	case 0: return r->di;
	case 1: return r->si;
	case 2: return r->dx;
	case 3: return r->r10;
	case 4: return r->r8;
	default: return r->r9;
	}
}

/* The number of the call, without x32's bit. */
static __always_inline __u32 syscall_number(struct pt_regs *r)
{
	return (__u32)r->orig_ax & ~0x40000000u;
}

/* The kernel's file behind a descriptor of the current task, or NULL. Not referenced: another thread may close it, and
 * then its memory may be another file's; every read of it is a probe read. */
static __always_inline struct file *file_of(int fd)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct file **fds = 0;
	unsigned int max = 0;
	struct files_struct *files = t->files;
	struct fdtable *fdt = files ? KREAD(files_struct, files, fdt) : 0;
	if (!fdt || fd < 0)
		return 0;
	max = KREAD(fdtable, fdt, max_fds);
	if ((unsigned int)fd >= max)
		return 0;
	fds = KREAD(fdtable, fdt, fd);
	return KPOINTER(fds + fd);
}
