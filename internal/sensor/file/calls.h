/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rung without trampolines: what successful system calls did. A call with a descriptor is resolved from the kernel's
 * file behind it; one with a name reports that name, as the task's memory has it after the call, with the directory that
 * it is relative to. A call that failed changed nothing and is no event. Calls made through io_uring are not seen here. */
#pragma once
#include "argument.h"

#define AT_REMOVEDIR 0x200
#define NR_LCHOWN16 16 /* of i386 */
#define NR_FCHOWN16 95
#define NR_CHOWN16 182
#define NR_TRUNCATE64_IA32 193
#define NR_FTRUNCATE64_IA32 194

static __noinline struct slot *changed_name(enum kind kind, long ret)
{
	if (ret || !in_scope())
		return 0;
	struct slot *s = emit_begin(kind, EV_ARGUMENT, sizeof(struct change));
	if (s)
		((struct change *)emit_body(s))->argued = 1;
	return s;
}

static __noinline struct slot *changed_fd(enum kind kind, long ret, int fd)
{
	if (ret || !in_scope())
		return 0;
	struct file *file = file_of(fd);
	struct slot *s = file ? emit_begin(kind, EV_DESCRIPTOR, sizeof(struct change)) : 0;
	if (!s)
		return 0;
	struct change *c = emit_body(s);
	object_of(&c->object, BPF_CORE_READ(file, f_path.dentry), BPF_CORE_READ(file, f_inode));
	emit_path(s, &file->f_path);
	return s;
}

/* The permission bits that a new file gets. A directory's default ACL would replace the umask; that is not looked up. */
static __always_inline __u32 masked(__u32 mode)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fs_struct *fs = task->fs;
	return fs ? mode & ~(__u32)BPF_CORE_READ(fs, umask) : mode;
}

static __always_inline int made(long ret, int dirfd, const void *name, __u32 mode)
{
	struct slot *s = changed_name(KIND_FILE_CREATE, ret);
	if (!s)
		return 0;
	((struct change *)emit_body(s))->mode = masked(mode & S_IFMT ? mode : mode | S_IFREG);
	emit_argument(s, dirfd, name);
	emit_end(s);
	return 0;
}
SYSCALL_PROG(file_s_mkdir) { return made(ret, AT_FDCWD, (void *)arg(regs, 0), (arg(regs, 1) & 07777) | S_IFDIR); }
SYSCALL_PROG(file_s_mkdirat) { return made(ret, arg(regs, 0), (void *)arg(regs, 1), (arg(regs, 2) & 07777) | S_IFDIR); }
SYSCALL_PROG(file_s_mknod) { return made(ret, AT_FDCWD, (void *)arg(regs, 0), arg(regs, 1)); }
SYSCALL_PROG(file_s_mknodat) { return made(ret, arg(regs, 0), (void *)arg(regs, 1), arg(regs, 2)); }

static __always_inline int symlinked(long ret, const void *to, int dirfd, const void *name)
{
	struct slot *s = changed_name(KIND_FILE_CREATE, ret);
	if (!s)
		return 0;
	((struct change *)emit_body(s))->mode = S_IFLNK;
	emit_argument(s, dirfd, name);
	emit_user_string(s, to);
	emit_end(s);
	return 0;
}
SYSCALL_PROG(file_s_symlink) { return symlinked(ret, (void *)arg(regs, 0), AT_FDCWD, (void *)arg(regs, 1)); }
SYSCALL_PROG(file_s_symlinkat) { return symlinked(ret, (void *)arg(regs, 0), arg(regs, 1), (void *)arg(regs, 2)); }

static __always_inline int removed(long ret, int dirfd, const void *name, int directory)
{
	struct slot *s = changed_name(KIND_FILE_DELETE, ret);
	if (!s)
		return 0;
	((struct change *)emit_body(s))->object.mode = directory ? S_IFDIR : 0;
	emit_argument(s, dirfd, name);
	emit_end(s);
	return 0;
}
SYSCALL_PROG(file_s_unlink) { return removed(ret, AT_FDCWD, (void *)arg(regs, 0), 0); }
SYSCALL_PROG(file_s_rmdir) { return removed(ret, AT_FDCWD, (void *)arg(regs, 0), 1); }
SYSCALL_PROG(file_s_unlinkat) { return removed(ret, arg(regs, 0), (void *)arg(regs, 1), arg(regs, 2) & AT_REMOVEDIR); }

static __always_inline int two_names(enum kind kind, long ret, int from, const void *old, int to, const void *name, __u32 flags)
{
	struct slot *s = changed_name(kind, ret);
	if (!s)
		return 0;
	((struct change *)emit_body(s))->flags = flags;
	emit_argument(s, from, old);
	emit_argument(s, to, name);
	emit_end(s);
	return 0;
}
SYSCALL_PROG(file_s_rename) { return two_names(KIND_FILE_RENAME, ret, AT_FDCWD, (void *)arg(regs, 0), AT_FDCWD, (void *)arg(regs, 1), 0); }
SYSCALL_PROG(file_s_renamat) { return two_names(KIND_FILE_RENAME, ret, arg(regs, 0), (void *)arg(regs, 1), arg(regs, 2), (void *)arg(regs, 3), 0); }
SYSCALL_PROG(file_s_renamat2) { return two_names(KIND_FILE_RENAME, ret, arg(regs, 0), (void *)arg(regs, 1), arg(regs, 2), (void *)arg(regs, 3), arg(regs, 4)); }
SYSCALL_PROG(file_s_link) { return two_names(KIND_FILE_LINK, ret, AT_FDCWD, (void *)arg(regs, 0), AT_FDCWD, (void *)arg(regs, 1), 0); }
SYSCALL_PROG(file_s_linkat) { return two_names(KIND_FILE_LINK, ret, arg(regs, 0), (void *)arg(regs, 1), arg(regs, 2), (void *)arg(regs, 3), 0); }

static __always_inline int chmod_to(struct slot *s, __u32 mode)
{
	if (!s)
		return 0;
	((struct change *)emit_body(s))->mode = mode & 07777;
	emit_end(s);
	return 0;
}
static __always_inline int chmodded(long ret, int dirfd, const void *name, __u32 mode)
{
	struct slot *s = changed_name(KIND_FILE_CHMOD, ret);
	if (s)
		emit_argument(s, dirfd, name);
	return chmod_to(s, mode);
}
SYSCALL_PROG(file_s_chmod) { return chmodded(ret, AT_FDCWD, (void *)arg(regs, 0), arg(regs, 1)); }
SYSCALL_PROG(file_s_fchmodat) { return chmodded(ret, arg(regs, 0), (void *)arg(regs, 1), arg(regs, 2)); }
SYSCALL_PROG(file_s_fchmod) { return chmod_to(changed_fd(KIND_FILE_CHMOD, ret, arg(regs, 0)), arg(regs, 1)); }

static __always_inline int chown_to(struct slot *s, __u32 uid, __u32 gid)
{
	if (!s)
		return 0;
	struct change *c = emit_body(s);
	c->uid = uid;
	c->gid = gid;
	emit_end(s);
	return 0;
}
static __always_inline int chowned(long ret, int dirfd, const void *name, __u32 uid, __u32 gid)
{
	struct slot *s = changed_name(KIND_FILE_CHOWN, ret);
	if (s)
		emit_argument(s, dirfd, name);
	return chown_to(s, uid, gid);
}
/* An id that a chown call was given. i386's first ones have 16 bits, of which all set mean all set (include/linux/highuid.h). */
static __always_inline __u32 chown_id(struct pt_regs *regs, int n)
{
	__u32 id = arg(regs, n), nr = syscall_number(regs);
	if (!is_compat() || (nr != NR_LCHOWN16 && nr != NR_FCHOWN16 && nr != NR_CHOWN16))
		return id;
	return (__u16)id == 0xffff ? -1 : (__u16)id;
}
SYSCALL_PROG(file_s_chown) { return chowned(ret, AT_FDCWD, (void *)arg(regs, 0), chown_id(regs, 1), chown_id(regs, 2)); }
SYSCALL_PROG(file_s_fchownat) { return chowned(ret, arg(regs, 0), (void *)arg(regs, 1), arg(regs, 2), arg(regs, 3)); }
SYSCALL_PROG(file_s_fchown) { return chown_to(changed_fd(KIND_FILE_CHOWN, ret, arg(regs, 0)), chown_id(regs, 1), chown_id(regs, 2)); }

/* i386 passes the 64-bit length of its newer calls in two registers. */
static __always_inline int truncate_to(struct slot *s, struct pt_regs *regs)
{
	if (!s)
		return 0;
	__u32 nr = syscall_number(regs);
	__s64 size = arg(regs, 1);
	if (is_compat())
		size = nr == NR_TRUNCATE64_IA32 || nr == NR_FTRUNCATE64_IA32 ? (__u64)size | arg(regs, 2) << 32 : (__s32)size;
	((struct change *)emit_body(s))->size = size;
	emit_end(s);
	return 0;
}
SYSCALL_PROG(file_s_truncate)
{
	struct slot *s = changed_name(KIND_FILE_TRUNCATE, ret);
	if (s)
		emit_argument(s, AT_FDCWD, (void *)arg(regs, 0));
	return truncate_to(s, regs);
}
SYSCALL_PROG(file_s_ftrunc) { return truncate_to(changed_fd(KIND_FILE_TRUNCATE, ret, arg(regs, 0)), regs); }
