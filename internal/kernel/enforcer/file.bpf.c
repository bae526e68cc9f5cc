//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files: every way to use one is judged before the kernel does it.
 *
 * The path_* hooks know the mount, and so the name that the task sees; they run before the directory's permissions are checked,
 * so what is denied here might have failed anyway. A new name has no inode yet. Errors on the way (no memory, a name that is
 * too long or cannot be found) are answered by decide_object and judge_names. Kernel threads are judged nowhere.
 *
 * What needs no program here: fallocate, FICLONE and the other ioctls that share blocks need descriptors that are open for
 * writing or reading; binding a UNIX socket makes its file by path_mknod; memfd, pipes and sockets have no name. */
#include "kernel.h"
#include "path.h"
#include "file_judge.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#include "file_inner.h"

/* Bits of f_flags and f_mode (include/linux/fs.h; the same from 6.1 to 7.2). */
#define FMODE_READ 1
#define FMODE_WRITE 2
#define FMODE_EXEC 0x20 /* in f_flags: exec's own open */
#define O_TRUNC 0x200
#define S_IFCHR 0020000
#define S_IFBLK 0060000

enum letter { READ = 1, WRITE = 2, MAP = 4 };

/* Using an object that may have a name. */
static __always_inline int use_object(struct judging *j, const struct object_ref *o, __u32 letters, enum kind kind)
{
	struct use u = { .letters = letters };
	struct denying d = { .kind = kind, .body = { .op = OP_FILE } };
	return decide_object(j, o, &u, &d) ? -EPERM : 0;
}

/* Opening, also through /proc, by handle and by io_uring. Without the letters of f_mode (O_PATH) nothing can be done with the
 * descriptor but to open it again. exec's own open is no reading: the letter x, as the events have it. */
SEC("lsm/file_open") int BPF_PROG(enforce_file_open, struct file *file)
{
	struct judging j;
	__u32 flags = file->f_flags, letters = file->f_mode & (READ | WRITE);
	if (flags & O_TRUNC)
		letters |= WRITE;
	if (flags & FMODE_EXEC)
		letters = MAP;
	if (!letters || !judging(&j, ASK_READ | ASK_WRITE | ASK_MAP))
		return 0;
	struct object_ref o = { KREAD(file, file, f_path.mnt), KREAD(file, file, f_path.dentry), KREAD(file, file, f_inode) };
	if (nameless(o.dentry))
		return 0;
	if (opened_inside(file, o.mnt))
		return open_inside(&j, file, &o, letters);
	return use_object(&j, &o, letters, KIND_FILE_OPEN);
}

/* A descriptor that another process has opened: by SCM_RIGHTS or pidfd_getfd. Refused, it is not installed. */
SEC("lsm/file_receive") int BPF_PROG(enforce_file_receive, struct file *file)
{
	struct judging j;
	__u32 letters = file->f_mode & (READ | WRITE);
	if (!letters || !judging(&j, ASK_READ | ASK_WRITE))
		return 0;
	struct object_ref o = { KREAD(file, file, f_path.mnt), KREAD(file, file, f_path.dentry), KREAD(file, file, f_inode) };
	return nameless(o.dentry) ? 0 : use_object(&j, &o, letters, KIND_FILE_OPEN);
}

/* Changing what has a name, or is about to get one. */
static __always_inline int change(struct vfsmount *mnt, struct dentry *dentry, enum kind kind)
{
	struct judging j;
	if (!judging(&j, ASK_WRITE))
		return 0;
	struct object_ref o = { mnt, dentry, KREAD(dentry, dentry, d_inode) };
	return nameless(dentry) ? 0 : use_object(&j, &o, WRITE, kind);
}

/* An open that creates, mknod, and the file of a UNIX socket. */
SEC("lsm/path_mknod") int BPF_PROG(enforce_mknod, const struct path *dir, struct dentry *dentry) { return change(dir->mnt, dentry, KIND_FILE_CREATE); }
SEC("lsm/path_mkdir") int BPF_PROG(enforce_mkdir, const struct path *dir, struct dentry *dentry) { return change(dir->mnt, dentry, KIND_FILE_CREATE); }
/* The text of a symbolic link is nobody's business: who follows it is judged by what it leads to. */
SEC("lsm/path_symlink") int BPF_PROG(enforce_symlink, const struct path *dir, struct dentry *dentry) { return change(dir->mnt, dentry, KIND_FILE_CREATE); }
SEC("lsm/path_unlink") int BPF_PROG(enforce_unlink, const struct path *dir, struct dentry *dentry) { return change(dir->mnt, dentry, KIND_FILE_DELETE); }
SEC("lsm/path_rmdir") int BPF_PROG(enforce_rmdir, const struct path *dir, struct dentry *dentry) { return change(dir->mnt, dentry, KIND_FILE_DELETE); }
/* chmod, fchmod, fchmodat2, and chown with its kin. */
SEC("lsm/path_chmod") int BPF_PROG(enforce_chmod, const struct path *path) { return change(path->mnt, path->dentry, KIND_FILE_CHMOD); }
SEC("lsm/path_chown") int BPF_PROG(enforce_chown, const struct path *path) { return change(path->mnt, path->dentry, KIND_FILE_CHOWN); }
/* truncate; on 6.1 also what file_truncate sees later. */
SEC("lsm/path_truncate") int BPF_PROG(enforce_truncate, const struct path *path) { return change(path->mnt, path->dentry, KIND_FILE_TRUNCATE); }
/* ftruncate and open with O_TRUNC, since 6.2. */
SEC("lsm/file_truncate") int BPF_PROG(enforce_ftruncate, struct file *file)
{
	return change(KREAD(file, file, f_path.mnt), KREAD(file, file, f_path.dentry), KIND_FILE_TRUNCATE);
}

/* What has two names is judged by either, for writing. The record names the one that decided. */
static __always_inline int change_two(struct vfsmount *from, struct dentry *old, struct vfsmount *to, struct dentry *new, enum kind kind)
{
	struct judging j;
	if (!judging(&j, ASK_WRITE))
		return 0;
	struct object_ref o = { from, old, KREAD(dentry, old, d_inode) };
	if (use_object(&j, &o, WRITE, kind))
		return -EPERM;
	o = (struct object_ref){ to, new, KREAD(dentry, new, d_inode) };
	return use_object(&j, &o, WRITE, kind);
}

/* Both ends; what is replaced or exchanged is one of them. Of a directory the names are its own: what lies below is not looked at.
 * So a directory above blocked files can be moved by who may write to its own two names; files that are blocked by their exact
 * path stay so, because they are bound; those that a pattern blocks are what their new path says. To forbid it, block writing to
 * the directory itself beside what is in it (/srv/keys with the letter w), and to those above that the subject could move. */
SEC("lsm/path_rename") int BPF_PROG(enforce_rename, const struct path *from, struct dentry *old, const struct path *to, struct dentry *new)
{
	return change_two(from->mnt, old, to->mnt, new, KIND_FILE_RENAME);
}
/* The kernel links within one mount only. */
SEC("lsm/path_link") int BPF_PROG(enforce_link, struct dentry *old, const struct path *to, struct dentry *new)
{
	return change_two(to->mnt, old, to->mnt, new, KIND_FILE_LINK);
}

/* The hooks below know no mount. The one by which the task came is taken to be that of its root, or of its working directory, or
 * the host's: whichever shows that file system. */
static __always_inline struct vfsmount *some_mount(struct dentry *dentry)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct fs_struct *fs = task->fs;
	__u64 sb = (__u64)KREAD(dentry, dentry, d_sb);
	if (fs) {
		struct vfsmount *root = KREAD(fs_struct, fs, root.mnt), *pwd = KREAD(fs_struct, fs, pwd.mnt);
		if ((__u64)KREAD(vfsmount, root, mnt_sb) == sb)
			return root;
		if ((__u64)KREAD(vfsmount, pwd, mnt_sb) == sb)
			return pwd;
	}
	struct host_mount *host = host_mount_of(dentry);
	return host ? (struct vfsmount *)host->mount : 0;
}

/* Extended attributes; those that are ACLs have their own hooks since 6.2; and flags (chattr) since 6.17. */
SEC("lsm/inode_setxattr") int BPF_PROG(enforce_setxattr, void *idmap, struct dentry *dentry) { return change(some_mount(dentry), dentry, KIND_FILE_XATTR); }
SEC("lsm/inode_removexattr") int BPF_PROG(enforce_rmxattr, void *idmap, struct dentry *dentry) { return change(some_mount(dentry), dentry, KIND_FILE_XATTR); }
SEC("lsm/inode_set_acl") int BPF_PROG(enforce_set_acl, void *idmap, struct dentry *dentry) { return change(some_mount(dentry), dentry, KIND_FILE_XATTR); }
SEC("lsm/inode_remove_acl") int BPF_PROG(enforce_rm_acl, void *idmap, struct dentry *dentry) { return change(some_mount(dentry), dentry, KIND_FILE_XATTR); }
SEC("lsm/inode_file_setattr") int BPF_PROG(enforce_flags, struct dentry *dentry) { return change(some_mount(dentry), dentry, KIND_FILE_XATTR); }

/* Setting times, which no path_* hook sees. Other changes of attributes come here too: they have been judged, or are the file
 * system's own, as taking set-user-id off what is written to. */
#define TIMES (1 << 16 | 1 << 17) /* ATTR_TIMES_SET, ATTR_TOUCH */
static __always_inline int change_times(struct dentry *dentry, struct iattr *attr)
{
	return KREAD(iattr, attr, ia_valid) & TIMES ? change(some_mount(dentry), dentry, KIND_FILE_XATTR) : 0;
}
SEC("lsm/inode_setattr") int BPF_PROG(enforce_times, void *idmap, struct dentry *dentry, struct iattr *attr) { return change_times(dentry, attr); }
SEC("lsm/inode_setattr") int BPF_PROG(enforce_times_61, struct dentry *dentry, struct iattr *attr) { return change_times(dentry, attr); }

/* Controlling a device. And the ioctls that change a file's flags: any descriptor of the owner's will do. */
#define FS_IOC_SETFLAGS 0x40086602
#define FS_IOC32_SETFLAGS 0x40046602
#define FS_IOC_FSSETXATTR 0x401c5820
static __always_inline int control(struct file *file, __u32 request)
{
	struct inode *inode = KREAD(file, file, f_inode);
	__u32 type = KREAD(inode, inode, i_mode) & S_IFMT;
	if (request == FS_IOC_SETFLAGS || request == FS_IOC32_SETFLAGS || request == FS_IOC_FSSETXATTR)
		return change(KREAD(file, file, f_path.mnt), KREAD(file, file, f_path.dentry), KIND_FILE_XATTR);
	struct judging j;
	if ((type != S_IFCHR && type != S_IFBLK) || !judging(&j, ASK_DEVICE))
		return 0;
	struct object_ref o = { KREAD(file, file, f_path.mnt), KREAD(file, file, f_path.dentry), inode };
	struct use u = { .letters = USE_CONTROL };
	struct denying d = { .kind = KIND_FILE_OPEN, .body = { .op = OP_IOCTL, .number = request } };
	return decide_object(&j, &o, &u, &d) ? -EPERM : 0;
}
SEC("lsm/file_ioctl") int BPF_PROG(enforce_ioctl, struct file *file, unsigned int request) { return control(file, request); }
/* Of 32-bit programs, since 6.8. */
SEC("lsm/file_ioctl_compat") int BPF_PROG(enforce_ioctl32, struct file *file, unsigned int request) { return control(file, request); }

const struct denial *unused_denial __attribute__((unused));
const struct setting *unused_settings __attribute__((unused));
enum reason unused_reason __attribute__((unused));
enum evidence unused_evidence __attribute__((unused));
enum denial_action unused_action __attribute__((unused));
enum op unused_op __attribute__((unused));
