/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the host judges by a text: kernel modules by their names, mounts by their sources. */
#pragma once
#include "system_call.h"

/* Refuses what is denied by the text in scratch, as refuse does. */
__noinline int refuse_text(const struct judging *j, struct denying *d, const struct scratch *t, verdict v)
{
	image img = j ? image_of(j->slot) : 0;
	if (!img || !d || !(v & DENIED))
		return 0;
	struct slot *s = deny_begin(j, img, v, d);
	if (s) {
		if (t)
			deny_text(s, t);
		deny_end(s);
	}
	return d->refuse;
}

/* Judges the text in scratch by a table of the host. Without scratch the answer is no: the text would have been needed. */
static __always_inline int judge_text(const struct judging *j, struct denying *d, const struct scratch *t, enum host_table which)
{
	d->body.reason = !t ? REASON_SCRATCH : t->too_long ? REASON_TOO_LONG : REASON_RULE;
	return refuse_text(j, d, t, t ? judge_host(j->slot, &j->who, t, which) : DENIED);
}

/* ---- texts are written from their ends: what is read stands at the beginning of scratch ---- */

/* Bytes at the beginning of scratch, on their way to its end. The state of the copy lies behind the text: to the verifier, which
 * would follow every value of a local, that is memory it knows nothing of. */
struct copy { struct scratch *t; __u32 bytes; };
struct copied { __u32 component, dots, skip; };

static __always_inline struct copied *copied_of(struct scratch *t) { return (void *)(t->text + TEXT_END); }

static __always_inline void copy_begin(struct scratch *t)
{
	struct copied *c = copied_of(t);
	c->component = c->dots = c->skip = 0;
	t->from = TEXT_END;
	t->too_long = 0;
}

static __always_inline __u8 copy_byte(const struct copy *c, __u32 i) { return c->t->text[(c->bytes - 1 - i) & (TEXT_END - 1)]; }

static __always_inline void copy_put(struct scratch *t, __u8 b)
{
	t->from--;
	t->text[t->from & (TEXT_END - 1)] = b;
}

/* Module names have _ where file names may have -. */
static long copy_module(__u32 i, struct copy *c)
{
	__u8 b = copy_byte(c, i);
	copy_put(c->t, b == '-' ? '_' : b);
	return 0;
}

/* Ends a component of a path: drops one that says nothing, or that is taken back by a .. behind it. Returns whether it stays. */
static __always_inline int copy_component(struct scratch *t)
{
	struct copied *s = copied_of(t);
	__u32 n = s->component, dots = s->dots;
	s->component = s->dots = 0;
	if (!n)
		return 0;
	if (dots == n && n <= 2) {
		t->from += n;
		s->skip += n - 1;
		return 0;
	}
	if (s->skip) {
		t->from += n;
		s->skip--;
		return 0;
	}
	return 1;
}

/* Paths lose double slashes and dots, by text, as in package verdict. */
static long copy_path(__u32 i, struct copy *c)
{
	__u8 b = copy_byte(c, i);
	struct copied *s = copied_of(c->t);
	if (b == '/') {
		if (copy_component(c->t))
			copy_put(c->t, '/');
		return 0;
	}
	s->component++;
	s->dots += b == '.';
	copy_put(c->t, b);
	return 0;
}

static __always_inline void write_path(struct scratch *t, __u32 bytes)
{
	struct copy c = { .t = t, .bytes = bytes };
	int absolute = t->text[0] == '/';
	copy_begin(t);
	bpf_loop(bytes, copy_path, &c, 0);
	copy_component(t); /* of a relative one the first */
	if (t->from >= TEXT_END) {
		t->from = TEXT_END;
		copy_put(t, absolute ? '/' : '.');
	}
}

/* ---- modules ---- */

enum kernel_read_file_id { READING_MODULE = 2, READING_MODULE_COMPRESSED = 7 /* since 7.0, or somewhat before */ };
enum kernel_load_data_id { LOADING_MODULE = 2 };

struct elf_header { __u32 magic; __u8 rest[36]; __u64 sections; __u32 flags; __u16 bytes, program_bytes, programs, section_bytes, count, names; };
struct elf_section { __u32 name, type; __u64 flags, address, offset, bytes; __u32 link, info; __u64 align, entry; };
_Static_assert(sizeof(struct elf_header) == 64 && sizeof(struct elf_section) == 64, "ELF64");
#define ELF_MAGIC 0x464c457f
#define SHF_ALLOC 2

/* What the search needs, in scratch, because stacks are small. */
struct elf { struct elf_header header; struct elf_section section; char name[32]; __u64 at, names, found; };

static __always_inline struct elf *elf_of(struct scratch *t) { return (void *)(t->text + TEXT_END / 2); }

/* The section that is to become struct module, found as the kernel does (find_sec in kernel/module/main.c). */
static long elf_section(__u32 i, struct copy *c)
{
	struct elf *e = elf_of(c->t);
	bpf_probe_read_kernel(&e->section, sizeof(e->section), (void *)(e->at + e->header.sections + (i + 1) * sizeof(e->section)));
	if (!(e->section.flags & SHF_ALLOC))
		return 0;
	bpf_probe_read_kernel_str(e->name, sizeof(e->name), (void *)(e->at + e->names + e->section.name));
	if (__builtin_memcmp(e->name, ".gnu.linkonce.this_module", sizeof(".gnu.linkonce.this_module")))
		return 0;
	e->found = e->section.offset;
	return 1;
}

/* What is to be loaded, as numbers: the memory that it is in, and struct file where it was read from one. */
struct module_source { __u64 at, file; };

/* Reads the name out of the module itself to the beginning of scratch, and returns how many bytes; 0: it is no ELF. */
static __always_inline __u32 read_module(struct scratch *t, const struct module_source *m)
{
	struct elf *e = elf_of(t);
	struct copy c = { .t = t };
	e->at = m->at;
	e->found = 0;
	if (bpf_probe_read_kernel(&e->header, sizeof(e->header), (void *)m->at) || e->header.magic != ELF_MAGIC)
		return 0;
	bpf_probe_read_kernel(&e->section, sizeof(e->section), (void *)(m->at + e->header.sections + e->header.names * sizeof(e->section)));
	e->names = e->section.offset;
	bpf_loop(e->header.count, elf_section, &c, 0);
	long n = e->found ? bpf_probe_read_kernel_str(t->text, 64, (void *)(m->at + e->found + bpf_core_field_offset(struct module, name))) : 0;
	return n > 1 ? n - 1 : 0;
}

static __always_inline int ends(const struct scratch *t, __u32 bytes, const char *with, __u32 n)
{
	for (__u32 i = 0; i < n; i++)
		if (t->text[(bytes - n + i) & (TEXT_END - 1)] != with[i])
			return 0;
	return bytes > n;
}
#define ENDS(t, n, with) (ends(t, n, with, sizeof(with) - 1) ? sizeof(with) - 1 : 0)

/* Reads the file's name without what says that it is a module. */
static __always_inline __u32 read_file_name(struct scratch *t, const struct module_source *m)
{
	struct file *file = (void *)m->file;
	if (!file)
		return 0;
	struct dentry *d = KREAD(file, file, f_path.dentry);
	long n = bpf_probe_read_kernel_str(t->text, 256, KREAD(dentry, d, d_name.name));
	if (n <= 1)
		return 0;
	n--;
	__u32 cut = ENDS(t, n, ".ko") + ENDS(t, n, ".ko.xz") + ENDS(t, n, ".ko.gz") + ENDS(t, n, ".ko.zst");
	return n - cut;
}

/* Judges a module by the name that it will have. Of a compressed one, which the kernel has yet to unpack, the file's name must do;
 * what has neither is judged as an empty name, which no list allows. */
__noinline int decide_module(const struct judging *j, const struct module_source *m, struct denying *d)
{
	struct spare *spare;
	if (!j || !m || !d)
		return 0;
	struct scratch *t = scratch_take(&spare);
	if (t) {
		struct copy c = { .t = t, .bytes = read_module(t, m) };
		if (!c.bytes)
			c.bytes = read_file_name(t, m);
		copy_begin(t);
		bpf_loop(c.bytes, copy_module, &c, 0);
	}
	int refused = judge_text(j, d, t, HOST_MODULE);
	scratch_free(spare);
	return refused;
}

static __always_inline int judge_module(const void *at, const struct file *file)
{
	struct judging j;
	if (!judging(&j, ASK_MODULE))
		return 0;
	struct module_source m = { .at = (__u64)at, .file = (__u64)file };
	struct denying d = { .kind = KIND_MODULE_LOAD, .body = { .op = OP_MODULE } };
	return decide_module(&j, &m, &d) ? -EPERM : 0;
}

static __always_inline int reads_module(enum kernel_read_file_id id)
{
	return id == bpf_core_enum_value(enum kernel_read_file_id, READING_MODULE) ||
	       (bpf_core_enum_value_exists(enum kernel_read_file_id, READING_MODULE_COMPRESSED) &&
		id == bpf_core_enum_value(enum kernel_read_file_id, READING_MODULE_COMPRESSED));
}

/* Once the module is in the kernel's memory, where nobody changes it any more, and before anything is done with it. */
SEC("lsm/kernel_post_read_file") int BPF_PROG(enforce_modread, struct file *file, char *buf, long size, enum kernel_read_file_id id)
{
	return reads_module(id) ? judge_module(buf, file) : 0;
}
SEC("lsm/kernel_post_load_data") int BPF_PROG(enforce_moddata, char *buf, long size, enum kernel_load_data_id id)
{
	return id == LOADING_MODULE ? judge_module(buf, 0) : 0;
}

/* The calls that load modules and kernels, before anything is read. */
SEC("lsm/kernel_read_file") int BPF_PROG(enforce_kread) { return judge_call(HOOK_LOAD, NONE); }
SEC("lsm/kernel_load_data") int BPF_PROG(enforce_kload) { return judge_call(HOOK_LOAD, NONE); }

/* ---- mounts ---- */

enum { MS_REMOUNT = 0x20, MS_BIND = 0x1000, MS_MOVE = 0x2000, MS_PROPAGATION = 0x1e0000 };

/* A name for what is to be mounted: a text of the kernel's, from the task's working directory or not. */
struct mount_source { __u64 text; __u32 relative, device; };

/* Writes the working directory to the beginning of scratch, and returns how many bytes. */
static __always_inline __u32 read_directory(struct scratch *t)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fs_struct *fs = task->fs;
	if (!fs)
		return 0;
	struct object_ref o = { .mnt = KREAD(fs_struct, fs, pwd.mnt), .dentry = KREAD(fs_struct, fs, pwd.dentry) };
	name_seen(t, &o, task);
	__u32 from = t->from & (TEXT_END - 1), n = (TEXT_END - from) & (TEXT_END - 1);
	bpf_probe_read_kernel(t->text, n, t->text + from);
	t->text[n] = '/';
	return n + 1;
}

__noinline int decide_mount(const struct judging *j, const struct mount_source *m, struct denying *d)
{
	struct spare *spare;
	if (!j || !m || !d)
		return 0;
	struct scratch *t = scratch_take(&spare);
	if (t) {
		__u32 at = 0;
		if (m->device)
			at = bpf_probe_read_kernel_str(t->text, 8, "/dev/") - 1;
		else if (m->relative)
			at = read_directory(t);
		at &= TEXT_END - 1;
		long n = bpf_probe_read_kernel_str(t->text + at, NAME_MAX, (void *)m->text);
		write_path(t, at + (n > 0 ? n - 1 : 0));
		t->too_long = n == NAME_MAX;
	}
	int refused = judge_text(j, d, t, HOST_MOUNT);
	scratch_free(spare);
	return refused;
}

static __always_inline int judge_mount(const struct judging *j, const struct mount_source *m)
{
	struct denying d = { .kind = KIND_MOUNT, .body = { .op = OP_MOUNT } };
	return decide_mount(j, m, &d);
}

/* mount(): by the source, as the task has written it. What changes or moves a mount has none. */
SEC("lsm/sb_mount") int BPF_PROG(enforce_mount, const char *source, const struct path *path, const char *type, unsigned long flags)
{
	struct judging j;
	struct mount_source m = { .text = (__u64)source };
	char begin = 0;
	if (!judging(&j, ASK_MOUNT | ASK_SYSCALL))
		return 0;
	bpf_probe_read_kernel(&begin, 1, source);
	int bind = (flags & (MS_REMOUNT | MS_BIND)) == MS_BIND;
	m.relative = bind && begin != '/';
	if (begin && (bind || !(flags & (MS_REMOUNT | MS_MOVE | MS_PROPAGATION))) && judge_mount(&j, &m))
		return -EPERM;
	return refuse_call(&j, HOOK_MOUNT, NONE) ? -EPERM : 0;
}

/* Every way to mount a block device, by the name that the kernel has for it: through links, nodes elsewhere and fsopen too. */
SEC("lsm/sb_kern_mount") int BPF_PROG(enforce_sb, struct super_block *sb)
{
	struct judging j;
	if (!KREAD(super_block, sb, s_bdev) || !judging(&j, ASK_MOUNT))
		return 0;
	struct mount_source m = { .text = (__u64)sb->s_id, .device = 1 };
	return judge_mount(&j, &m) ? -EPERM : 0;
}

/* Where a copy of a part of the tree (open_tree) comes from: its canonical name. A mount that stands somewhere already is only
 * moved. */
__noinline int decide_copy(const struct judging *j, const struct route *from, struct denying *d)
{
	struct spare *spare;
	if (!j || !from || !d)
		return 0;
	struct object_ref o = { .mnt = (void *)from->mnt, .dentry = (void *)from->dentry };
	struct host_mount *host = host_mount_of(o.dentry);
	if (!host)
		return 0; /* a file system of its own, which fsopen made: see enforce_sb */
	struct scratch *t = scratch_take(&spare);
	int refused = t && !name_canonical(t, &o, host) ? 0 : judge_text(j, d, t, HOST_MOUNT);
	scratch_free(spare);
	return refused;
}

SEC("lsm/move_mount") int BPF_PROG(enforce_move, const struct path *from, const struct path *to)
{
	struct judging j;
	if (!judging(&j, ASK_MOUNT | ASK_SYSCALL))
		return 0;
	struct vfsmount *mnt = KREAD(path, from, mnt);
	struct mount *m = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
	if (KREAD(mount, m, mnt_parent) == m) {
		struct route r = { .mnt = (__u64)mnt, .dentry = (__u64)KREAD(path, from, dentry) };
		struct denying d = { .kind = KIND_MOUNT, .body = { .op = OP_MOUNT } };
		if (decide_copy(&j, &r, &d))
			return -EPERM;
	}
	return refuse_call(&j, HOOK_MOVE, NONE) ? -EPERM : 0;
}
