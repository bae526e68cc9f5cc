//go:build linux

// Package file sees what is done to files: opened, created, removed, renamed, linked, changed, and how much each process
// reads and writes of each. It reads no file and follows no name itself.
//
// With trampolines, what it tells has passed the kernel's permission checks; creating, removing, renaming and linking can
// then still fail in the file system, and so can an open. Attributes, and everything without trampolines, are told when
// they have succeeded. Without trampolines a name in the event may be the task's own string (event.EvidenceArgument), and
// two things are not seen: the opens of exec itself, and what is done through io_uring.
// The opens of kernel threads are left out, and the file that a UNIX socket is bound to is the network sensor's.
// Volumes and extended attributes come from system calls in both cases; of io_uring and mapped memory they know nothing.
package file

import (
	"github.com/cilium/ebpf/btf"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
)

// New returns the sensor.
func New() *kernel.Sensor {
	var hooks []kernel.Hook
	for _, h := range [][]kernel.Hook{lsmHooks(), openCalls(), nameCalls(), attributeCalls(), xattrCalls(), volumeCalls()} {
		hooks = append(hooks, h...)
	}
	return &kernel.Sensor{
		Name:  "file",
		Spec:  loadBpf,
		Hooks: hooks,
		Kinds: []event.Kind{
			event.KindFileOpen, event.KindFileCreate, event.KindFileDelete, event.KindFileRename, event.KindFileLink,
			event.KindFileChmod, event.KindFileChown, event.KindFileTruncate, event.KindFileXattr, event.KindFileVolume,
		},
		Decode: decode,
		Folds:  []string{bpfMapVolumes},
	}
}

func lsmHooks() []kernel.Hook {
	var hooks []kernel.Hook
	for _, program := range []string{
		bpfProgFileOpen,
		bpfProgFileP_mkdir, bpfProgFileI_mkdir,
		bpfProgFileP_mknod, bpfProgFileI_mknod, bpfProgFileI_create,
		bpfProgFileP_symlink, bpfProgFileI_symlink,
		bpfProgFileP_unlink, bpfProgFileI_unlink,
		bpfProgFileP_rmdir, bpfProgFileI_rmdir,
		bpfProgFileP_rename, bpfProgFileI_rename,
		bpfProgFileP_link, bpfProgFileI_link,
		bpfProgFileP_chmod, bpfProgFileP_chown, bpfProgFileP_trunc, bpfProgFileSetattr,
	} {
		hooks = append(hooks, kernel.Hook{Program: program, Rung: kernel.Trampolines})
	}
	// Linux 6.1 has path_truncate alone, and calls it where later ones call file_truncate.
	return append(hooks, kernel.Hook{Program: bpfProgFileF_trunc, Rung: kernel.Trampolines, When: hasFileTruncate})
}

func hasFileTruncate(types *btf.Spec) bool {
	var fn *btf.Func
	return types.TypeByName("bpf_lsm_file_truncate", &fn) == nil
}
