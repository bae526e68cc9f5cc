/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Areas of the current task's address space. */
#pragma once

#define PROT_READ 1 /* as VM_READ, and so on */
#define PROT_WRITE 2
#define PROT_EXEC 4
#define VM_SHARED 8 /* include/linux/mm.h */
#define MAP_SHARED 1
#define MAP_ANONYMOUS 0x20
#define SHM_RDONLY 010000
#define SHM_EXEC 0100000
#define READ_IMPLIES_EXEC 0x0400000 /* include/uapi/linux/personality.h */
#define S_PRIVATE 0x200             /* include/linux/fs.h */
#define FMODE_NOACCOUNT 0x20000000  /* include/linux/fs.h; the same from 6.1 to 7.2 */
#define NR_PKEY_MPROTECT 329
#define NR_PKEY_MPROTECT_IA32 380
#define EBUSY 16

/* Areas of a range that are looked at, tries for a lock included. */
#define AREAS 256

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct vm_area_struct {
	unsigned long vm_start, vm_end, vm_flags;
	struct file *vm_file;
	struct anon_vma *anon_vma;
};
struct task_struct___personality { unsigned int personality; };
struct inode___flags { unsigned int i_flags; };
struct backing_file { struct path user_path; }; /* since 6.8 */

#pragma clang attribute pop

struct area {
	struct file *file;  /* NULL: none that a name could lead to. Unreferenced: see file_of */
	__u64 bytes, flags; /* VM_… */
	__u32 known;        /* found, and executable */
	__u32 suspicious;   /* memory that no file backs, or that could be or was written */
};

/* Whether memory mapped or protected so can be executed: a program may have asked to have all that is readable so. */
static __always_inline int executable(__u64 prot)
{
	if (prot & PROT_EXEC)
		return 1;
	struct task_struct___personality *t = (void *)bpf_get_current_task_btf();
	return prot & PROT_READ && t->personality & READ_IMPLIES_EXEC;
}

/* The kernel's own files behind shared anonymous memory and System V segments; a memfd is a file with a name of its own. */
static __always_inline int unnamed(struct file *file)
{
	struct inode___flags *inode = (void *)BPF_CORE_READ(file, f_inode);
	return BPF_CORE_READ(inode, i_flags) & S_PRIVATE;
}

/* The file as the task knows it. A stacked file system, such as overlayfs, has mapped a file of its layers instead, opened for
 * itself. Its name is the task's own before 6.8, and stands beside it since. */
static __always_inline const struct path *name_of(struct file *file)
{
	if (bpf_core_field_exists(struct backing_file, user_path) && BPF_CORE_READ(file, f_mode) & FMODE_NOACCOUNT)
		return &((struct backing_file *)file)->user_path;
	return &file->f_path;
}

struct range {
	__u64 at, end;
	struct area found; /* the first suspicious area, or the first */
	__u32 copies;      /* whether copies of a file's pages, made when they were written, are suspicious */
	__u32 done;
};

struct seen {
	struct file *file;
	__u64 start, end, flags, copies;
};

static long look(struct task_struct *task, struct vm_area_struct *vma, struct seen *v)
{
	(void)task;
	v->file = vma->vm_file;
	v->start = vma->vm_start;
	v->end = vma->vm_end;
	v->flags = vma->vm_flags;
	v->copies = !(vma->vm_flags & VM_SHARED) && vma->anon_vma;
	return 0;
}

/* bpf_find_vma only tries for the lock of the address space: while another thread maps something, ask again. */
static long next_area(__u32 i, struct range *r)
{
	struct seen v = {};
	(void)i;
	long err = bpf_find_vma(bpf_get_current_task_btf(), r->at, look, &v, 0);
	if (err == -EBUSY)
		return 0;
	if (err)
		return 1; /* unmapped meanwhile */
	r->at = v.end;
	r->done = r->at >= r->end;
	if (!(v.flags & PROT_EXEC))
		return r->done;
	struct file *file = v.file;
	struct area a = { .bytes = v.end - v.start, .flags = v.flags, .known = 1 };
	if (file && !unnamed(file))
		a.file = file;
	a.suspicious = !a.file || v.flags & PROT_WRITE || (r->copies && v.copies);
	if (!r->found.known || a.suspicious)
		r->found = a;
	return r->done || a.suspicious;
}

/* The executable area in a range. A range of too many areas is suspicious by itself. */
static __noinline int find_area(struct range *r)
{
	bpf_loop(AREAS, next_area, r, 0);
	if (!r->done)
		r->found.suspicious = 1;
	return 0;
}

/* The executable area at an address. */
static __always_inline struct area area_at(__u64 at)
{
	struct range r = { .at = at, .end = at + 1 };
	find_area(&r);
	return r.found;
}
