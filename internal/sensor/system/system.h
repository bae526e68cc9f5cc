/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the system sensor's records hold after struct record. */
#pragma once

/* A system call: what was asked for and what came of it. Strings follow, by call: see each program. */
struct call {
	__u64 args[6];
	__s64 result;
	__u32 number; /* x86-64's; i386 calls have COMPAT set */
	__u32 compat;
};
struct signal {
	__u64 target_start_ns;
	__u32 target_pid, number;
	char target_comm[16];
};
struct credential {
	__u64 capabilities;
	__u32 euid, egid;
	__u32 number, compat;
};
struct namespaces {
	__u64 flags;
	__u32 number, compat;
	__u32 mnt, pid, net, user, uts, ipc, cgroup, pad;
};
struct bpf_call {
	__u32 command, type;
	char name[16];
};
/* Then: the module's name, the path of the file that it was read from or nothing. */
struct module_load {
	__u32 from_file, pad;
};
struct capability {
	__u32 number;
	__u32 granted;
};
struct oom {
	__u64 start_ns, resident_pages;
	__u32 pid, pad;
	char comm[16];
};
