//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What code a process maps after exec. All of it comes through system calls, at whose end the kernel's own map of the
 * address space tells what came of them: the same on both rungs. The LSM hooks of these calls would not do: mmap_file
 * runs before there is an address, file_mprotect once for every area, and both before the outcome is known. exec maps the
 * program and its interpreter without a system call, so these are not seen here.
 *
 * A call that failed mapped nothing and is no event. */
#include "kernel.h"
#include "emit.h"
#include "path.h"
#include "scope.h"
#include "syscall.h"
#include "library.h"
#include "area.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* One event: code from a file, or memory that is nobody's code until it is written. */
static __noinline int mapped(const struct area *a, enum operation operation, __u64 bytes)
{
	struct slot *s = emit_begin(a->suspicious ? KIND_MEMORY_EXEC : KIND_LIBRARY, EV_RUNG, sizeof(struct mapping));
	if (!s)
		return 0;
	struct mapping *m = emit_body(s);
	m->bytes = bytes;
	m->protection = a->flags & (PROT_READ | PROT_WRITE | PROT_EXEC);
	m->operation = operation;
	struct file *file = a->file;
	if (file) {
		const struct path *path = name_of(file);
		struct dentry *dentry = BPF_CORE_READ(path, dentry);
		object_of(&m->object, dentry, BPF_CORE_READ(dentry, d_inode));
		emit_path(s, path);
	} else {
		emit_no_string(s);
	}
	emit_end(s);
	return 0;
}

/* The address space is looked at only for a call that asks for executable memory. If it cannot be (see next_area), or if
 * another thread has changed it already, the event says what was asked for. */
static __always_inline int mmapped(long ret, __u64 bytes, __u64 prot, __u64 flags, int fd)
{
	if (ret < 0 || !in_scope())
		return 0;
	struct area a = area_at(ret);
	if (!a.known) {
		if (!(prot & PROT_EXEC))
			return 0; /* a file on a file system without exec */
		a.flags = prot;
		a.file = file_of(fd);
		a.suspicious = !a.file || prot & PROT_WRITE;
	}
	if (flags & MAP_ANONYMOUS) { /* the kernel makes a file for huge pages */
		a.file = 0;
		a.suspicious = 1;
	}
	return mapped(&a, BY_MMAP, bytes);
}

SYSCALL_PROG(library_mmap)
{
	__u64 prot = arg(regs, 2);
	return executable(prot) ? mmapped(ret, arg(regs, 1), prot, arg(regs, 3), arg(regs, 4)) : 0;
}

/* i386's first mmap, with its arguments in memory (arch/x86/kernel/sys_ia32.c). The task may change them meanwhile. */
SYSCALL_PROG(library_mmap1)
{
	struct { __u32 at, bytes, prot, flags, fd, offset; } a = {};
	if (bpf_probe_read_user(&a, sizeof(a), (void *)arg(regs, 0)) || !executable(a.prot))
		return 0;
	return mmapped(ret, a.bytes, a.prot, a.flags, a.fd);
}

/* mprotect, pkey_mprotect: a range of many areas makes one event, of the first suspicious one if there is any. Code that
 * was written before is: SELinux asks the same of a private mapping for its execmod. */
SYSCALL_PROG(library_protect)
{
	__u64 prot = arg(regs, 2);
	if (!executable(prot) || ret < 0 || !in_scope())
		return 0;
	__u64 at = arg(regs, 0), bytes = arg(regs, 1);
	if (!bytes)
		return 0;
	struct range r = { .at = at, .end = at + bytes, .copies = 1 };
	find_area(&r);
	if (!r.found.known) {
		if (!(prot & PROT_EXEC))
			return 0;
		r.found.flags = prot;
		r.found.suspicious = 1; /* not known to be a file */
	}
	__u32 nr = syscall_number(regs);
	return mapped(&r.found, nr == NR_PKEY_MPROTECT || nr == NR_PKEY_MPROTECT_IA32 ? BY_PKEY_MPROTECT : BY_MPROTECT, bytes);
}

/* shmat with SHM_EXEC. */
static __always_inline int attached(long ret, __u64 flags, __u64 at)
{
	if (!executable(flags & SHM_EXEC ? PROT_EXEC : PROT_READ) || ret < 0 || !in_scope())
		return 0;
	struct area a = area_at(at);
	if (!a.known) {
		a.flags = PROT_EXEC | PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE);
		a.suspicious = 1;
	}
	return mapped(&a, BY_SHMAT, a.bytes);
}

/* i386's ipc(SHMAT) is not seen. */
SYSCALL_PROG(library_shmat) { return attached(ret, arg(regs, 2), ret); }

/* With trampolines it is, as both calls come here. */
SEC("fexit/do_shmat") int BPF_PROG(library_doshmat, int id, char *addr, int flags, unsigned long *to, unsigned long align, long ret)
{
	unsigned long at = 0;
	bpf_probe_read_kernel(&at, sizeof(at), to);
	return attached(ret, flags, at);
}

/* Name types for the generator. */
const struct mapping *unused_mapping __attribute__((unused));
