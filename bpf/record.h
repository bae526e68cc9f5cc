/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What crosses from the kernel to user space. C owns these layouts; the Go types are generated from them. */
#pragma once

enum kind {
	KIND_EXEC = 1, KIND_FORK, KIND_EXIT,
	KIND_FILE_OPEN = 16, KIND_FILE_CREATE, KIND_FILE_DELETE, KIND_FILE_RENAME, KIND_FILE_LINK, KIND_FILE_CHMOD, KIND_FILE_CHOWN,
	KIND_FILE_TRUNCATE, KIND_FILE_XATTR,
	KIND_CONNECT = 32, KIND_ACCEPT, KIND_BIND, KIND_LISTEN, KIND_SEND,
	KIND_SIGNAL = 48, KIND_PTRACE, KIND_BPF, KIND_MODULE_LOAD, KIND_MODULE_UNLOAD, KIND_MOUNT, KIND_UMOUNT, KIND_CREDENTIAL,
	KIND_CAPABILITY, KIND_NAMESPACE, KIND_MEMORY_EXEC, KIND_LIBRARY, KIND_KEXEC, KIND_SETTIME, KIND_PRCTL, KIND_KEYRING,
	KIND_IO_URING, KIND_XFRM, KIND_IPC, KIND_OOM_KILL, KIND_SYSCALL,
	KIND_FILE_VOLUME = 80, KIND_FLOW_VOLUME,
};

/* Which mechanism saw it. EV_RUNG is replaced by the rung that the program was attached on. */
enum evidence { EV_RUNG = 0, EV_LSM, EV_TRAMPOLINE, EV_TRACEPOINT, EV_DESCRIPTOR, EV_ARGUMENT, EV_CGROUP };

/* Why a record was not delivered. Each is a metric and a field of the loss event. */
enum loss {
	LOSS_RING_FULL = 0, /* the reader is behind */
	LOSS_SCRATCH,       /* every scratch slot of this CPU was in use by preempted programs */
	LOSS_STATE,         /* a map that joins two hooks was full */
	LOSSES,
};

/* Every record begins with this. Then the kind's own structure, then its strings, each with a struct text before it. */
struct record {
	__u64 time_ns;     /* since boot, suspend included */
	__u64 seq;         /* of this CPU, from 1; a missing number is a counted loss */
	__u64 lost_before; /* records lost on this CPU so far */
	__u64 start_ns;    /* of the task's thread group, since boot */
	__u64 cgroup;
	__u32 pid, tid;
	__u32 uid, gid;
	__u32 subject, rule;
	__u16 kind;
	__u8 evidence, action;
	__u16 cpu, flags;  /* RECORD_… */
	__s32 error;       /* positive errno; 0: it succeeded, or is not known at this hook */
	__u32 body_bytes;  /* of the kind's own structure */
	char comm[16];
};

enum { RECORD_KTHREAD = 1 };

struct text {
	__u16 bytes;     /* that follow */
	__u16 truncated; /* how it was cut: TEXT_… */
};
enum { TEXT_WHOLE = 0, TEXT_CUT = 1, TEXT_UNREADABLE = 2 };

/* A file's identity, as in struct inode. */
struct object {
	__u64 inode;
	__u32 device; /* the kernel's own encoding: major << 20 | minor */
	__u32 generation;
	__u16 mode, unlinked;
	__u32 links;
};

_Static_assert(sizeof(struct record) == 96, "struct record");
_Static_assert(sizeof(struct object) == 24, "struct object");
