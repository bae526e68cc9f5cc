/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the process sensor's records hold after struct record. */
#pragma once

#define CLONE_THREAD 0x10000
#define SIGNAL_GROUP_EXIT 4

/* What is known of the file that was asked for, where an interpreter runs it. */
enum script { SCRIPT_NONE = 0, SCRIPT_NAME, SCRIPT_FILE };

/* Then: path; unless script is SCRIPT_NONE, the file asked for: its name as the task gave it, or its path; working directory;
 * argv (NUL-separated). */
struct exec {
	__u64 capabilities;
	__u64 parent_start_ns;
	__s64 changed_ns; /* the file's ctime since 1970 */
	__u32 parent_pid, session;
	__u32 euid, egid;
	__u32 ns_mnt, ns_pid, ns_net, ns_user, ns_uts, ns_ipc, ns_cgroup, script;
	struct object file;
	struct object asked; /* SCRIPT_FILE: the script's */
};
struct fork {
	__u64 start_ns, parent_start_ns, flags;
	__u32 pid, parent_pid;
};
struct exit {
	__u64 duration_ns;
	__u32 code, pad; /* as wait(2) gives it */
};
