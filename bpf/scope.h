/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whom to watch. Fixed at load, so that an unlimited guard pays nothing and an unwatched task pays one comparison. */
#pragma once

/* The cgroup whose subtree is watched, and its depth; 0: all. */
const volatile __u64 scope_cgroup = 0;
const volatile __u32 scope_level = 0;
/* Whether only the thread groups in watched_pids, and their descendants, are watched. */
const volatile __u32 scope_pids = 0;

/* Bounded: a descendant that finds no room is counted as LOSS_STATE and not watched. Kept by the process sensor. */
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 65536); __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, __u32); __type(value, __u8); } watched_pids SEC(".maps");

/* Whether the current task is watched. In interrupts the current task is anybody: decide by other means there. */
static __always_inline int in_scope(void)
{
	if (scope_cgroup && bpf_get_current_ancestor_cgroup_id(scope_level) != scope_cgroup)
		return 0;
	if (scope_pids) {
		__u32 pid = bpf_get_current_pid_tgid() >> 32;
		if (!bpf_map_lookup_elem(&watched_pids, &pid))
			return 0;
	}
	return 1;
}
