/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the file sensor's records hold after struct record. */
#pragma once

#define S_IFDIR 0040000
#define S_IFBLK 0060000
#define S_IFREG 0100000
#define S_IFLNK 0120000

/* One thing done to a file. Then its names: each one text with the resolved path, or, where argued is set, two: what the
 * task passed, and the directory that is relative to (empty for an absolute one). A rename and a link have two names.
 * A symbolic link's name is followed by its text, that of an xattr event by the attribute's name. */
struct change {
	struct object object; /* zero where only a name is known; then mode may still hold the type */
	__s64 size;           /* truncate: the new length */
	__u32 flags;          /* open(2)'s, renameat2(2)'s; XATTR_REMOVED */
	__u32 access;         /* open: ACCESS_… */
	__u32 mode;           /* chmod: the bits asked for; create: type and bits after the umask */
	__u32 uid, gid;       /* chown; -1: left alone */
	__u32 argued;
};

enum { ACCESS_READ = 1, ACCESS_WRITE = 2, ACCESS_EXEC = 4 };
enum { XATTR_REMOVED = 1 };

/* Reads and writes of one file by one process since the last time that user space took them. Then the path, cut to its
 * last PATH_KEPT bytes. */
struct volume {
	struct object object;
	__u64 read_bytes, write_bytes, reads, writes;
	__u64 last_ns; /* as record.time_ns, which is that of the first */
};

#define PATH_KEPT 252

struct volume_key {
	__u64 start_ns, inode;
	__u32 pid, device;
};

/* A value of the map of volumes is a whole record. */
struct volume_record {
	struct record record;
	struct volume volume;
	struct text text;
	__u8 path[PATH_KEPT];
};

_Static_assert(sizeof(struct change) == 56, "struct change");
_Static_assert(sizeof(struct volume_record) == 96 + 64 + 256, "struct volume_record");
