/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Minimal CO-RE declarations: just the types and fields that Stockade reads. Offsets come from the running kernel's BTF;
 * a field that moved between kernels is handled where it is read, with the kernel versions named there. */
#pragma once

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_LOCAL_STORAGE_GET_F_CREATE = 1, BPF_F_NO_PREALLOC = 1, BPF_F_CLONE = 512, BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2, BPF_RB_AVAIL_DATA = 0, BPF_RB_RING_SIZE = 1 };

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};
struct qstr {
	union {
		struct { __u32 hash, len; };
		__u64 hash_len;
	};
	const unsigned char *name;
};
struct hlist_head { void *first; };
struct hlist_node { struct hlist_node *next, **pprev; };
struct super_block { __u32 s_dev; unsigned long s_flags, s_magic; void *s_bdev; char s_id[32]; };
typedef struct { __u32 val; } kuid_t;
typedef struct { __u32 val; } kgid_t;
struct inode {
	__u16 i_mode;
	kuid_t i_uid;
	struct super_block *i_sb;
	unsigned long i_ino;
	__u32 i_generation;
	const unsigned int i_nlink;
	__s64 i_ctime_sec; /* since 6.11; i_ctime before 6.6, __i_ctime between */
	__u32 i_ctime_nsec;
	struct hlist_head i_dentry; /* its names in memory */
};
struct timespec64 { __s64 tv_sec; long tv_nsec; };
struct inode___before66 { struct timespec64 i_ctime; };
struct inode___before611 { struct timespec64 __i_ctime; };
struct hlist_bl_node { struct hlist_bl_node *next, **pprev; };
struct dentry {
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
	union { struct hlist_node d_alias; } d_u;
};
struct dentry___flat { struct hlist_node d_alias; }; /* in newer kernels, such as 7.2 */
struct vfsmount { struct dentry *mnt_root; struct super_block *mnt_sb; };
struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	struct mnt_namespace *mnt_ns;
};
struct path { struct vfsmount *mnt; struct dentry *dentry; };
struct llist_node { struct llist_node *next; };
struct callback_head { struct callback_head *next; };
struct file { struct llist_node f_llist; struct path f_path; struct inode *f_inode; unsigned int f_flags; unsigned int f_mode; void *private_data; };
struct fdtable { unsigned int max_fds; struct file **fd; };
struct files_struct { struct fdtable *fdt; };
struct fs_struct { int umask; struct path root, pwd; };
struct iattr { unsigned int ia_valid; __u16 ia_mode; __s64 ia_size; };
struct cred {
	kuid_t uid;
	kgid_t gid;
	kuid_t euid;
	kgid_t egid;
	struct user_namespace *user_ns;
	struct { __u64 bits; } cap_permitted, cap_effective; /* two __u32 before 6.3, one __u64 since: the same eight bytes */
};
struct ns_common { unsigned int inum; };
struct uts_namespace { struct ns_common ns; };
struct ipc_namespace { struct ns_common ns; };
struct mnt_namespace { struct ns_common ns; };
struct pid_namespace { struct ns_common ns; };
struct net { struct ns_common ns; };
struct cgroup_namespace { struct ns_common ns; };
struct user_namespace { struct ns_common ns; };
struct nsproxy {
	struct uts_namespace *uts_ns;
	struct ipc_namespace *ipc_ns;
	struct mnt_namespace *mnt_ns;
	struct pid_namespace *pid_ns_for_children;
	struct net *net_ns;
	struct cgroup_namespace *cgroup_ns;
};
struct mm_struct {
	struct file *exe_file;
	unsigned long arg_start, arg_end;
};
typedef struct { int counter; } atomic_t;
struct signal_struct { atomic_t live; int group_exit_code; unsigned int flags; };
struct thread_info { __u32 status; };
struct kernfs_node { __u64 id; const char *name; struct kernfs_node *__parent; };
struct kernfs_node___before615 { struct kernfs_node *parent; };
struct cgroup { struct kernfs_node *kn; };
struct css_set { struct cgroup *dfl_cgrp; }; /* the one in the v2 tree */
struct task_struct {
	struct thread_info thread_info;
	unsigned int flags;
	struct mm_struct *mm;
	int exit_code;
	int pid, tgid;
	struct task_struct *real_parent, *group_leader;
	__u64 start_boottime;
	const struct cred *real_cred, *cred;
	kuid_t loginuid;
	unsigned int sessionid;
	char comm[16];
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct callback_head *task_works;
	struct css_set *cgroups;
};
struct kernel_siginfo { int si_code; };
struct module { char name[56]; };
struct linux_binprm { struct file *file; const char *filename, *interp; struct mm_struct *mm; struct cred *cred; };
struct bpf_iter__task { struct task_struct *task; };

#pragma clang attribute pop

extern void *bpf_rdonly_cast(const void *p, __u32 type) __ksym __weak;

/* A field of a kernel structure behind a pointer that the verifier knows nothing of. Since 6.2 that is a load of a few
 * instructions, which gives 0 where it faults; before, a call of a helper. An open needs some thirty of them. */
#define KREAD(type, p, field)                                                                                          \
	({                                                                                                             \
		typeof(({ ((struct type *)0)->field; })) v_;                                                           \
		if (&bpf_rdonly_cast)                                                                                  \
			v_ = ((struct type *)bpf_rdonly_cast(p, bpf_core_type_id_kernel(struct type)))->field;         \
		else                                                                                                   \
			bpf_core_read(&v_, sizeof(v_), &((struct type *)(p))->field);                                  \
		v_;                                                                                                    \
	})

/* Eight bytes of kernel memory and a pointer in it, under the names of types that begin so. */
#define KWORD(p) ((__u64)KREAD(timespec64, p, tv_sec))
#define KPOINTER(p) KREAD(hlist_head, p, first)

/* A pointer in a structure as a number: functions that are verified by themselves take no kernel pointers. */
#define KNUMBER(type, p, field) KWORD((void *)(p) + bpf_core_field_offset(struct type, field))

#define S_IFMT 0170000
#define PF_KTHREAD 0x200000
