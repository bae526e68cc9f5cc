/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names of files as a task passed them to a system call. */
#pragma once
#include "path.h"
#include "syscall.h"

#define AT_FDCWD (-100)

/* Two strings: the name, and what it is relative to: nothing, the working directory, or a descriptor's file. The latter
 * is itself the object where the name is empty (AT_EMPTY_PATH). kernel.Argument joins them.
 * A function of its own, as it is long. */
static __noinline void emit_argument(struct slot *s, int dirfd, const void *name)
{
	struct text *t = text_begin(s);
	struct path *base = 0;
	struct task_struct *task = bpf_get_current_task_btf();
	emit_user_string(s, name);
	if (t->bytes && *(char *)(t + 1) == '/') {
		emit_no_string(s);
		return;
	}
	if (dirfd == AT_FDCWD) {
		struct fs_struct *fs = task->fs;
		base = fs ? &fs->pwd : 0;
	} else {
		struct file *file = file_of(dirfd);
		base = file ? &file->f_path : 0;
	}
	if (base)
		emit_path(s, base);
	else
		text_end(s, text_begin(s), -1, 0); /* another thread has closed it */
}
