//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files: what is opened, changed, named and removed, and how much is read and written. */
#include "kernel.h"
#include "emit.h"
#include "path.h"
#include "scope.h"
#include "syscall.h"
#include "file.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#include "open.h"
#include "calls.h"
#include "xattr.h"
#include "hooks.h"
#include "volume.h"

/* open_how, of which openat2 has the flags first (include/uapi/linux/openat2.h). The task may change it meanwhile. */
SYSCALL_PROG(file_s_openat2)
{
	__u64 flags = 0;
	if (ret >= 0)
		bpf_probe_read_user(&flags, sizeof(flags), (void *)arg(regs, 2));
	return opened_fd(ret, flags);
}
SYSCALL_PROG(file_s_open) { return opened_fd(ret, arg(regs, 1)); }
SYSCALL_PROG(file_s_openat) { return opened_fd(ret, arg(regs, 2)); }
SYSCALL_PROG(file_s_creat) { return opened_fd(ret, O_WRONLY | O_CREAT | O_TRUNC); }

/* Name types for the generator. */
const struct change *unused_change __attribute__((unused));
const struct volume *unused_volume __attribute__((unused));
