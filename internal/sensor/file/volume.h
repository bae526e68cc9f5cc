/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How much each process reads and writes of each file, from the ends of the calls that do so on descriptors; on both
 * rungs, so both miss mapped memory and io_uring. Regular files and block devices only. */
#pragma once

/* {process, file} → a record that grows until user space takes it. Bounded: a pair that finds no room is sent at once, a
 * record for each call. User space puts a fresh map in place of the full one (the kernel then waits for the programs that still hold that), so
 * no count is lost or told twice. */
struct volumes {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct volume_key)); /* not __type: clang leaves types behind an inner map undefined */
	__uint(value_size, sizeof(struct volume_record));
};
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 1); __type(key, __u32); __array(values, struct volumes); } volumes SEC(".maps");

static __always_inline void volume_add(struct volume *v, long bytes, int write)
{
	v->last_ns = bpf_ktime_get_boot_ns();
	__sync_fetch_and_add(write ? &v->writes : &v->reads, 1);
	__sync_fetch_and_add(write ? &v->write_bytes : &v->read_bytes, bytes);
}

/* Enters a file that the process has not touched since the map was new. */
static __always_inline void volume_begin(void *map, const struct volume_key *key, struct file *file, long bytes, int write)
{
	struct slot *s = emit_begin(KIND_FILE_VOLUME, EV_RUNG, sizeof(struct volume));
	if (!s)
		return; /* counted */
	struct volume *v = emit_body(s);
	object_of(&v->object, KREAD(file, file, f_path.dentry), KREAD(file, file, f_inode));
	struct text *t = text_begin(s);
	emit_path(s, &file->f_path);
	__u32 n = t->bytes;
	if (n > PATH_KEPT && n <= TEXT_MAX) {
		/* Forwards, in words: the two may overlap. */
		bpf_probe_read_kernel(t + 1, PATH_KEPT, (void *)(t + 1) + (n - PATH_KEPT));
		t->bytes = PATH_KEPT;
		t->truncated = TEXT_CUT;
		s->bytes -= n - PATH_KEPT;
	}
	struct volume_record *r = emit_fold(s, map, key);
	if (r) {
		volume_add(&r->volume, bytes, write);
		return;
	}
	volume_add(v, bytes, write);
	emit_end(s);
}

static __noinline int moved_of(struct file *file, long bytes, int write)
{
	struct inode *inode = KREAD(file, file, f_inode);
	__u16 type = KREAD(inode, inode, i_mode) & S_IFMT;
	if ((type != S_IFREG && type != S_IFBLK) || !in_scope())
		return 0;
	struct super_block *sb = KREAD(inode, inode, i_sb);
	__u32 zero = 0;
	void *map = bpf_map_lookup_elem(&volumes, &zero);
	if (!map)
		return 0;
	struct task_struct *task = bpf_get_current_task_btf();
	struct volume_key key = {
		.start_ns = task->group_leader->start_boottime,
		.inode = KREAD(inode, inode, i_ino),
		.pid = task->tgid,
		.device = KREAD(super_block, sb, s_dev),
	};
	struct volume_record *r = bpf_map_lookup_elem(map, &key);
	if (r)
		volume_add(&r->volume, bytes, write);
	else
		volume_begin(map, &key, file, bytes, write);
	return 0;
}
static __always_inline int moved(int fd, long bytes, int write)
{
	struct file *file = bytes < 0 ? 0 : file_of(fd);
	return file ? moved_of(file, bytes, write) : 0;
}
/* read, pread64, readv, preadv, preadv2 */
SYSCALL_PROG(file_read) { return moved(arg(regs, 0), ret, 0); }
/* write, pwrite64, writev, pwritev, pwritev2 */
SYSCALL_PROG(file_write) { return moved(arg(regs, 0), ret, 1); }
/* sendfile(out, in, …) */
SYSCALL_PROG(file_sendfile) { moved(arg(regs, 1), ret, 0); return moved(arg(regs, 0), ret, 1); }
/* copy_file_range(in, …, out, …), splice(in, …, out, …) */
SYSCALL_PROG(file_copy) { moved(arg(regs, 0), ret, 0); return moved(arg(regs, 2), ret, 1); }
