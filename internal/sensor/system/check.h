/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Checks that the kernel makes by itself: capabilities, and memory that runs out. */
#pragma once

/* Whether granted checks are reported too; a host makes thousands a second. */
const volatile __u8 capability_granted = 0;

/* Which checks of which process have been reported: a process asks the same again and again, and the first answer says
 * it. The least recently asked is forgotten when it is full, and then reported again: more records, never fewer. */
struct check { __u64 start_ns; __u32 pid; __u16 capability, granted; };
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 16384); __type(key, struct check); __type(value, __u8); } checks SEC(".maps");

static __always_inline int capability_check(int number, int refused, enum evidence evidence)
{
	if ((!refused && !capability_granted) || !in_scope())
		return 0;
	struct task_struct *t = bpf_get_current_task_btf();
	struct check key = { .start_ns = t->group_leader->start_boottime, .pid = t->tgid, .capability = number, .granted = !refused };
	__u8 one = 1;
	if (bpf_map_update_elem(&checks, &key, &one, BPF_NOEXIST))
		return 0; /* known */
	struct slot *s = emit_begin(KIND_CAPABILITY, evidence, sizeof(struct capability));
	if (!s)
		return 0;
	struct capability *c = emit_body(s);
	c->number = number;
	c->granted = !refused;
	emit_end(s);
	return 0;
}

/* The tracepoint exists since 6.14 and tells of every check. */
SEC("tp_btf/cap_capable") int BPF_PROG(system_capable, const struct cred *cred, struct user_namespace *target, const struct user_namespace *capable, int number, int ret)
{
	return capability_check(number, ret != 0, EV_TRACEPOINT);
}

/* Before, the function itself. The LSM hook will not do: it is not called once another module has refused. */
SEC("fexit/cap_capable") int BPF_PROG(system_capfn, const struct cred *cred, struct user_namespace *target, int number, unsigned int options, int ret)
{
	return capability_check(number, ret != 0, EV_TRAMPOLINE);
}

/* Pages of a process in memory: of files, anonymous, shared; 2 counts what is swapped out (include/linux/mm_types_task.h).
 * What CPUs (before 6.2 threads) have not added up yet is missing: some 32 pages of each kind, more above 16 CPUs. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct percpu_counter { __s64 count; };
struct mm_struct___percpu { struct percpu_counter rss_stat[4]; };
struct mm_rss_stat { struct { __s64 counter; } count[4]; };
struct mm_struct___before62 { struct mm_rss_stat rss_stat; };
#pragma clang attribute pop

#define PAGES(i)                                                                                                       \
	(bpf_core_field_exists(mm->rss_stat[i].count) ? BPF_CORE_READ(mm, rss_stat[i].count) :                         \
							BPF_CORE_READ((struct mm_struct___before62 *)memory, rss_stat.count[i].counter))

static __always_inline __u64 resident_pages(struct mm_struct *memory)
{
	struct mm_struct___percpu *mm = (void *)memory;
	if (!mm)
		return 0;
	__s64 files = PAGES(0), anonymous = PAGES(1), shared = PAGES(3);
	return (files > 0 ? files : 0) + (anonymous > 0 ? anonymous : 0) + (shared > 0 ? shared : 0);
}

static __always_inline int oom(__u32 pid, struct task_struct *victim)
{
	if (!in_scope())
		return 0;
	struct slot *s = emit_begin(KIND_OOM_KILL, EV_TRACEPOINT, sizeof(struct oom));
	if (!s)
		return 0;
	struct oom *o = emit_body(s);
	o->pid = pid;
	if (victim) {
		o->pid = victim->tgid;
		o->start_ns = victim->group_leader->start_boottime;
		o->resident_pages = resident_pages(victim->mm);
		bpf_probe_read_kernel(o->comm, sizeof(o->comm), victim->comm);
	}
	emit_end(s);
	return 0;
}

/* The task in whose allocation memory ran out is current. The tracepoint gave a bare pid until 6.8. */
SEC("tp_btf/mark_victim") int BPF_PROG(system_oom, struct task_struct *victim)
{
	return oom(0, victim);
}
SEC("tp_btf/mark_victim") int BPF_PROG(system_oom_pid, int pid)
{
	return oom(pid, 0);
}
