//go:build ignore

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files: every way to use one is judged before the kernel does it. */
#include "kernel.h"
#include "path.h"
#include "file_judge.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define FMODE_READ 1
#define FMODE_WRITE 2
#define FMODE_NOACCOUNT 0x20000000 /* overlayfs opening the layer's file for itself, on all kernels from 6.1 to 7.2 */

/* Opening. */
SEC("lsm/file_open") int BPF_PROG(enforce_file_open, struct file *file)
{
	struct judging j;
	if (file->f_mode & FMODE_NOACCOUNT || !judging(&j, ASK_READ | ASK_WRITE))
		return 0;
	struct use u = { .letters = file->f_mode & 3 };
	struct object_ref o = { KREAD(file, file, f_path.mnt), KREAD(file, file, f_path.dentry), KREAD(file, file, f_inode) };
	if (!u.letters || nameless(o.dentry))
		return 0;
	struct denying d = { .kind = KIND_FILE_OPEN, .body = { .op = OP_FILE } };
	return decide_object(&j, &o, &u, &d) ? -EPERM : 0;
}

const struct denial *unused_denial __attribute__((unused));
const struct setting *unused_settings __attribute__((unused));
enum reason unused_reason __attribute__((unused));
enum evidence unused_evidence __attribute__((unused));
enum denial_action unused_action __attribute__((unused));
enum op unused_op __attribute__((unused));
