/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Extended attributes, ACLs among them, on both rungs from the end of the system call: the kernel has no hook that knows
 * the mount by which the file was named. So io_uring's are not seen. */
#pragma once

static __always_inline int xattr_done(struct slot *s, const void *attribute, __u32 flags)
{
	if (!s)
		return 0;
	((struct change *)emit_body(s))->flags = flags;
	emit_user_string(s, attribute);
	emit_end(s);
	return 0;
}
static __always_inline int xattr_named(long ret, int dirfd, const void *name, const void *attribute, __u32 flags)
{
	struct slot *s = changed_name(KIND_FILE_XATTR, ret);
	if (s)
		emit_argument(s, dirfd, name);
	return xattr_done(s, attribute, flags);
}
SYSCALL_PROG(file_setxattr) { return xattr_named(ret, AT_FDCWD, (void *)arg(regs, 0), (void *)arg(regs, 1), 0); }
SYSCALL_PROG(file_setxattrat) { return xattr_named(ret, arg(regs, 0), (void *)arg(regs, 1), (void *)arg(regs, 3), 0); }
SYSCALL_PROG(file_fsetxattr) { return xattr_done(changed_fd(KIND_FILE_XATTR, ret, arg(regs, 0)), (void *)arg(regs, 1), 0); }
SYSCALL_PROG(file_rmxattr) { return xattr_named(ret, AT_FDCWD, (void *)arg(regs, 0), (void *)arg(regs, 1), XATTR_REMOVED); }
SYSCALL_PROG(file_rmxattrat) { return xattr_named(ret, arg(regs, 0), (void *)arg(regs, 1), (void *)arg(regs, 3), XATTR_REMOVED); }
SYSCALL_PROG(file_frmxattr) { return xattr_done(changed_fd(KIND_FILE_XATTR, ret, arg(regs, 0)), (void *)arg(regs, 1), XATTR_REMOVED); }
