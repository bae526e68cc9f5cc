//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs: who may start what, by exec and by what comes to the same; and code that is mapped from files. */
#include "kernel.h"
#include "path.h"
#include "file_judge.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PROT_EXEC 4
#define VM_EXEC 4

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct vm_area_struct { unsigned long vm_flags; struct file *vm_file; };
struct task_struct___executing { unsigned in_execve : 1; };
#pragma clang attribute pop

static __always_inline struct object_ref ref_of(struct file *file)
{
	return (struct object_ref){ KREAD(file, file, f_path.mnt), KREAD(file, file, f_path.dentry), KREAD(file, file, f_inode) };
}

/* Once for the file that was asked for, and again for each interpreter that a script or binfmt_misc names: the first by all
 * rules, the others by those that block, because nobody lists the interpreters of what he allows. It is the kernel's own open
 * file, whatever its path has become since: so a file in memory is /memfd:NAME, and one that is unlinked has its last name;
 * neither is the host's, nor bound. exec can still fail, and does with -EPERM. The task is still who it was before. */
SEC("lsm/bprm_check_security") int BPF_PROG(enforce_exec, struct linux_binprm *bprm)
{
	struct judging j;
	if (!judging(&j, ASK_EXEC))
		return 0;
	struct object_ref o = ref_of(bprm->file);
	struct use u = { .blocks_only = bprm->interp != bprm->filename };
	struct denying d = { .kind = KIND_EXEC, .body = { .op = OP_EXEC } };
	return decide_object(&j, &o, &u, &d) ? -EPERM : 0;
}

/* Refuses what needs no name to be judged, with the file's name in the record. */
static __always_inline int refuse_named(struct judging *j, struct file *file, verdict v, struct denying *d)
{
	struct object_ref o = ref_of(file);
	struct spare *spare;
	image img = image_of(j->slot);
	if (!img)
		return 0;
	object_of(&d->body.object, o.dentry, o.inode);
	struct slot *s = deny_begin(j, img, v, d);
	if (!s)
		return d->refuse;
	struct scratch *t = scratch_take(&spare);
	if (t) {
		name_seen(t, &o, bpf_get_current_task_btf());
		deny_text(s, t);
	}
	scratch_free(spare);
	deny_end(s);
	return d->refuse;
}

/* A set-user-id, set-group-id or privileged program, when its credentials are known (after security/commoncap.c, which is
 * always first) and before anything has changed: -EPERM ends the exec. Programs without such bits change neither id; root's
 * capabilities that come back are a gain. */
SEC("lsm/bprm_creds_from_file") int BPF_PROG(enforce_no_sudo, struct linux_binprm *bprm, struct file *file)
{
	struct judging j;
	const struct cred *now = bpf_get_current_task_btf()->cred, *then = bprm->cred;
	__u64 had = 0, gets = 0;
	image img = judging(&j, ASK_NO_SUDO);
	if (!img)
		return 0;
	bpf_probe_read_kernel(&had, sizeof(had), (void *)now + bpf_core_field_offset(struct cred, cap_permitted));
	bpf_probe_read_kernel(&gets, sizeof(gets), (void *)then + bpf_core_field_offset(struct cred, cap_permitted));
	if (now->euid.val == then->euid.val && now->egid.val == then->egid.val && !(gets & ~had))
		return 0;
	verdict v = says(img, &j.who, FIELD(img, j.subject, subject, no_sudo));
	if (!(v & DENIED))
		return 0;
	struct denying d = { .kind = KIND_EXEC, .body = { .op = OP_EXEC } };
	return refuse_named(&j, bprm->file, v, &d) ? -EPERM : 0;
}

/* Whether exec maps the program itself: that has been judged. */
static __always_inline int executing(struct task_struct *t)
{
	struct task_struct___executing *e = (void *)t;
	return bpf_core_field_exists(e->in_execve) ? BPF_CORE_READ_BITFIELD_PROBED(e, in_execve) : 0;
}

/* Code from a file that is mapped, by the letter x. */
static __always_inline int map_code(struct file *file)
{
	struct judging j;
	if (!file || executing(bpf_get_current_task_btf()) || !judging(&j, ASK_MAP))
		return 0;
	struct object_ref o = ref_of(file);
	struct use u = { .letters = 4 };
	struct denying d = { .kind = KIND_LIBRARY, .body = { .op = OP_FILE } };
	return decide_object(&j, &o, &u, &d) ? -EPERM : 0;
}

/* The same as a program, by what blocks programs: ld.so PROGRAM maps what exec would have refused. But not the one that the task
 * runs, whatever it has been allowed as. */
static __always_inline int map_program(struct file *file)
{
	struct task_struct *t = bpf_get_current_task_btf();
	struct mm_struct *mm = t->mm;
	struct judging j;
	if (!file || !mm || executing(t) || !judging(&j, ASK_EXEC))
		return 0;
	struct object_ref o = ref_of(file);
	struct file *exe = KREAD(mm_struct, mm, exe_file);
	if (KREAD(file, exe, f_inode) == o.inode)
		return 0;
	struct use u = { .blocks_only = 1 };
	struct denying d = { .kind = KIND_EXEC, .body = { .op = OP_EXEC } };
	return decide_object(&j, &o, &u, &d) ? -EPERM : 0;
}

/* mmap. prot is what the kernel will do, which personality(READ_IMPLIES_EXEC) makes more than what was asked for. The two
 * questions are two programs: one has not the stack for both. */
SEC("lsm/mmap_file") int BPF_PROG(enforce_mmap, struct file *file, unsigned long asked, unsigned long prot)
{
	return prot & PROT_EXEC ? map_code(file) : 0;
}

SEC("lsm/mmap_file") int BPF_PROG(enforce_mmap_run, struct file *file, unsigned long asked, unsigned long prot)
{
	return prot & PROT_EXEC ? map_program(file) : 0;
}

/* A mapping of a file that becomes code: else mapping it without PROT_EXEC first would be the way round. */
SEC("lsm/file_mprotect") int BPF_PROG(enforce_mprotect, struct vm_area_struct *vma, unsigned long asked, unsigned long prot)
{
	return prot & PROT_EXEC && !(vma->vm_flags & VM_EXEC) ? map_code(vma->vm_file) : 0;
}

SEC("lsm/file_mprotect") int BPF_PROG(enforce_mprotect_run, struct vm_area_struct *vma, unsigned long asked, unsigned long prot)
{
	return prot & PROT_EXEC && !(vma->vm_flags & VM_EXEC) ? map_program(vma->vm_file) : 0;
}
