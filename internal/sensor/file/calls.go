//go:build linux

package file

import "github.com/stockade-security/stockade/internal/kernel"

// Numbers are those of arch/x86/entry/syscalls: x86-64 first, then i386.

// openCalls see opens where LSM programs cannot.
func openCalls() []kernel.Hook {
	return onTracepoints(
		one(bpfProgFileS_open, "open", 2, 5),
		one(bpfProgFileS_creat, "creat", 85, 8),
		one(bpfProgFileS_openat, "openat", 257, 295),
		one(bpfProgFileS_openat, "open_by_handle_at", 304, 342),
		one(bpfProgFileS_openat2, "openat2", 437, 437),
	)
}

// nameCalls see names made and removed where LSM programs cannot.
func nameCalls() []kernel.Hook {
	return onTracepoints(
		one(bpfProgFileS_mkdir, "mkdir", 83, 39),
		one(bpfProgFileS_mkdirat, "mkdirat", 258, 296),
		one(bpfProgFileS_mknod, "mknod", 133, 14),
		one(bpfProgFileS_mknodat, "mknodat", 259, 297),
		one(bpfProgFileS_symlink, "symlink", 88, 83),
		one(bpfProgFileS_symlinkat, "symlinkat", 266, 304),
		one(bpfProgFileS_unlink, "unlink", 87, 10),
		one(bpfProgFileS_rmdir, "rmdir", 84, 40),
		one(bpfProgFileS_unlinkat, "unlinkat", 263, 301),
		one(bpfProgFileS_rename, "rename", 82, 38),
		one(bpfProgFileS_renamat, "renameat", 264, 302),
		one(bpfProgFileS_renamat2, "renameat2", 316, 353),
		one(bpfProgFileS_link, "link", 86, 9),
		one(bpfProgFileS_linkat, "linkat", 265, 303),
	)
}

// attributeCalls see changes of attributes and length where LSM programs cannot.
func attributeCalls() []kernel.Hook {
	return onTracepoints(
		one(bpfProgFileS_chmod, "chmod", 90, 15),
		one(bpfProgFileS_fchmodat, "fchmodat", 268, 306),
		one(bpfProgFileS_fchmodat, "fchmodat2", 452, 452),
		one(bpfProgFileS_fchmod, "fchmod", 91, 94),
		one(bpfProgFileS_chown, "chown", 92, 212),
		one(bpfProgFileS_chown, "lchown", 94, 198),
		one(bpfProgFileS_fchownat, "fchownat", 260, 298),
		one(bpfProgFileS_fchown, "fchown", 93, 207),
		one(bpfProgFileS_chown, "chown16", -1, 182),
		one(bpfProgFileS_chown, "lchown16", -1, 16),
		one(bpfProgFileS_fchown, "fchown16", -1, 95),
		one(bpfProgFileS_truncate, "truncate", 76, 92),
		one(bpfProgFileS_truncate, "truncate64", -1, 193),
		one(bpfProgFileS_ftrunc, "ftruncate", 77, 93),
		one(bpfProgFileS_ftrunc, "ftruncate64", -1, 194),
	)
}

func xattrCalls() []kernel.Hook {
	return []kernel.Hook{
		one(bpfProgFileSetxattr, "setxattr", 188, 226),
		one(bpfProgFileSetxattr, "lsetxattr", 189, 227),
		one(bpfProgFileFsetxattr, "fsetxattr", 190, 228),
		one(bpfProgFileSetxattrat, "setxattrat", 463, 463),
		one(bpfProgFileRmxattr, "removexattr", 197, 235),
		one(bpfProgFileRmxattr, "lremovexattr", 198, 236),
		one(bpfProgFileFrmxattr, "fremovexattr", 199, 237),
		one(bpfProgFileRmxattrat, "removexattrat", 466, 466),
	}
}

func volumeCalls() []kernel.Hook {
	return []kernel.Hook{
		one(bpfProgFileRead, "read", 0, 3),
		one(bpfProgFileRead, "pread64", 17, 180),
		one(bpfProgFileRead, "readv", 19, 145),
		one(bpfProgFileRead, "preadv", 295, 333),
		one(bpfProgFileRead, "preadv2", 327, 378),
		one(bpfProgFileWrite, "write", 1, 4),
		one(bpfProgFileWrite, "pwrite64", 18, 181),
		one(bpfProgFileWrite, "writev", 20, 146),
		one(bpfProgFileWrite, "pwritev", 296, 334),
		one(bpfProgFileWrite, "pwritev2", 328, 379),
		one(bpfProgFileSendfile, "sendfile", -1, 187),
		one(bpfProgFileSendfile, "sendfile64", 40, 239),
		one(bpfProgFileCopy, "copy_file_range", 326, 377),
		one(bpfProgFileCopy, "splice", 275, 313),
	}
}

func one(program, name string, native, ia32 int) kernel.Hook {
	return kernel.Hook{Program: program, Syscalls: []kernel.Syscall{{Name: name, Native: native, IA32: ia32}}}
}

func onTracepoints(hooks ...kernel.Hook) []kernel.Hook {
	for i := range hooks {
		hooks[i].Rung = kernel.Tracepoints
	}
	return hooks
}
