//go:build linux

package enforcer

import (
	"github.com/cilium/ebpf/btf"

	"github.com/stockade-security/stockade/policy/layout"
)

func fileFamily() family {
	f := family{name: "file", spec: loadFile}
	const write = layout.AskWrite
	for _, h := range []hook{
		{program: "enforce_file_open", asks: layout.AskRead | write | layout.AskMap, without: "opening files"},
		{program: "enforce_file_receive", asks: layout.AskRead | write, without: "taking descriptors that others have opened"},
		{program: "enforce_mknod", asks: write, without: "creating files"},
		{program: "enforce_mkdir", asks: write, without: "making directories"},
		{program: "enforce_symlink", asks: write, without: "making symbolic links"},
		{program: "enforce_unlink", asks: write, without: "removing files"},
		{program: "enforce_rmdir", asks: write, without: "removing directories"},
		{program: "enforce_rename", asks: write, without: "renaming"},
		{program: "enforce_link", asks: write, without: "making hard links"},
		{program: "enforce_chmod", asks: write, without: "chmod"},
		{program: "enforce_chown", asks: write, without: "chown"},
		{program: "enforce_truncate", asks: write, without: "truncate"},
		{program: "enforce_ftruncate", asks: write}, // since 6.2; before, enforce_truncate sees all
		{program: "enforce_setxattr", asks: write, without: "setting extended attributes"},
		{program: "enforce_rmxattr", asks: write, without: "removing extended attributes"},
		{program: "enforce_set_acl", asks: write}, // since 6.2; before, ACLs are extended attributes
		{program: "enforce_rm_acl", asks: write},
		{program: "enforce_flags", asks: write}, // of file_setattr(2), which came with it
		{program: "enforce_times", asks: write, when: setattrHasIdmap, without: "setting times"},
		{program: "enforce_times_61", asks: write, when: setattrLacksIdmap, without: "setting times"},
		{program: "enforce_ioctl", asks: layout.AskDevice | write, without: "ioctl"},
		{program: "enforce_ioctl32", asks: layout.AskDevice | write}, // since 6.8; before, 32-bit programs pass enforce_ioctl
	} {
		h.rung = withLSM
		f.hooks = append(f.hooks, h)
	}
	return f
}

// setattrHasIdmap tells how the hook inode_setattr gets its arguments: since 6.9 the mount's mapping of ids comes first.
func setattrHasIdmap(types *btf.Spec) bool { return parameters(types, "bpf_lsm_inode_setattr") == 3 }

func setattrLacksIdmap(types *btf.Spec) bool { return parameters(types, "bpf_lsm_inode_setattr") == 2 }

// parameters counts those of a kernel function; 0: there is none of that name.
func parameters(types *btf.Spec, name string) int {
	var fn *btf.Func
	if types.TypeByName(name, &fn) != nil {
		return 0
	}
	proto, ok := fn.Type.(*btf.FuncProto)
	if !ok {
		return 0
	}
	return len(proto.Params)
}
