/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A file that has been opened, or is about to be. */
#pragma once

/* Bits of f_mode (include/linux/fs.h; the same from 6.1 to 7.2). */
#define FMODE_PATH 0x4000
#define FMODE_CREATED 0x100000
#define FMODE_NOACCOUNT 0x20000000 /* opened by a file system for itself, as overlayfs does in its layers */
/* Bits of f_flags and of open(2)'s argument. */
#define O_ACCMODE 3
#define FMODE_EXEC 0x20 /* never the task's: exec sets it */
#define O_WRONLY 1
#define O_CREAT 0x40
#define O_TRUNC 0x200
#define O_TMPFILE_BIT 0x400000

/* One event for one open: a creation if the open made the file, be it with a name or (O_TMPFILE) without. */
static __noinline void opened(struct file *file, __u32 flags, enum evidence evidence)
{
	__u32 mode = KREAD(file, file, f_mode);
	int created = mode & FMODE_CREATED || flags & O_TMPFILE_BIT;
	struct slot *s = emit_begin(created ? KIND_FILE_CREATE : KIND_FILE_OPEN, evidence, sizeof(struct change));
	if (!s)
		return;
	struct change *c = emit_body(s);
	object_of(&c->object, KREAD(file, file, f_path.dentry), KREAD(file, file, f_inode));
	c->flags = flags;
	c->access = mode & (ACCESS_READ | ACCESS_WRITE); /* FMODE_READ and FMODE_WRITE */
	if (flags & O_TRUNC)
		c->access |= ACCESS_WRITE;
	if (flags & FMODE_EXEC)
		c->access = ACCESS_EXEC;
	if (created)
		c->mode = c->object.mode;
	emit_path(s, &file->f_path);
	emit_end(s);
}

/* The end of an open that gave a descriptor. Those that did not, or are no open for reading or writing (O_PATH), are no
 * event. The flags are the task's argument, as the kernel has taken O_CREAT and O_TRUNC off f_flags by now. */
static __always_inline int opened_fd(long fd, __u64 flags)
{
	if (fd < 0 || !in_scope())
		return 0;
	struct file *file = file_of(fd);
	if (file && !(KREAD(file, file, f_mode) & FMODE_PATH))
		opened(file, flags & ~(__u64)FMODE_EXEC, EV_DESCRIPTOR);
	return 0;
}
