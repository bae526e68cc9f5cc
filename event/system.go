package event

// Signal is one sent by a process to a process: the detail of KindSignal.
type Signal struct {
	Number int    `json:"number"`
	Name   string `json:"name"`
	Target Ref    `json:"target"`
}

// Ptrace is the detail of KindPtrace.
type Ptrace struct {
	// Request is the PTRACE_ name, process_vm_readv or process_vm_writev.
	Request string `json:"request"`
	Target  Ref    `json:"target"`
}

// BPF is a bpf(2) command: the detail of KindBPF.
type BPF struct {
	// Command is BPF_PROG_LOAD and the like.
	Command string `json:"command"`
	// Type is the program's or map's type number's name; Name what its maker called it.
	Type string `json:"type,omitempty"`
	Name string `json:"name,omitempty"`
}

// Module is a kernel module: the detail of KindModuleLoad and KindModuleUnload.
type Module struct {
	Name string `json:"name,omitempty"`
	// Path is the file it was read from, when it came from one.
	Path string `json:"path,omitempty"`
}

// Mount is the detail of KindMount and KindUmount.
type Mount struct {
	// Operation is mount, bind, remount, move, propagation, open_tree, fsmount, setattr, pivot_root or umount.
	Operation  string   `json:"operation"`
	Source     string   `json:"source,omitempty"`
	Target     string   `json:"target,omitempty"`
	Filesystem string   `json:"filesystem,omitempty"`
	Flags      []string `json:"flags,omitempty"`
}

// Credential is a change of ids or capabilities: the detail of KindCredential. The event's process has the old ones.
type Credential struct {
	// Operation is the name of the call: setuid, setresgid, setgroups, capset and so on.
	Operation string `json:"operation"`
	UID       uint32 `json:"uid"`
	GID       uint32 `json:"gid"`
	EUID      uint32 `json:"euid"`
	EGID      uint32 `json:"egid"`
	// Gained and Dropped are effective capabilities.
	Gained  []string `json:"gained,omitempty"`
	Dropped []string `json:"dropped,omitempty"`
}

// Capability is a check that the kernel made: the detail of KindCapability.
type Capability struct {
	Name    string `json:"name"`
	Granted bool   `json:"granted"`
}

// Namespace is the making or entering of namespaces: the detail of KindNamespace.
type Namespace struct {
	// Operation is unshare or setns; namespaces made with a process are in Fork.Flags.
	Operation string   `json:"operation"`
	Types     []string `json:"types"`
}

// Memory is executable memory that no file backs, or that was writable: the detail of KindMemoryExec.
type Memory struct {
	// Operation is mmap, mprotect, pkey_mprotect or shmat.
	Operation  string `json:"operation"`
	Protection string `json:"protection"`
	Bytes      uint64 `json:"bytes"`
	// Path is the mapped file's, when there is one; PathTruncated says that its beginning is missing.
	Path          string `json:"path,omitempty"`
	PathTruncated bool   `json:"path_truncated,omitempty"`
}

// Call is a system call that matters by itself: the detail of KindKexec, KindSettime, KindPrctl, KindKeyring,
// KindIOUring, KindXfrm, KindIPC and KindSyscall.
type Call struct {
	// Syscall is its name, as in the kernel's table; its number where the table has no name for it.
	Syscall string `json:"syscall"`
	// ABI is i386 for a call through the table of 32-bit programs, which 64-bit ones can use as well; empty: x86-64's own.
	// Of the kinds only KindSyscall tells.
	ABI string `json:"abi,omitempty"`
	// Operation names what it was asked for, such as PR_SET_DUMPABLE.
	Operation string `json:"operation,omitempty"`
	// Argument is the value that matters, as text.
	Argument string `json:"argument,omitempty"`
}

// OOM is a process that the kernel ended for want of memory: the detail of KindOOMKill.
type OOM struct {
	Victim Ref `json:"victim"`
	// ResidentBytes is what it held in memory; 0: not known.
	ResidentBytes uint64 `json:"resident_bytes,omitempty"`
}
