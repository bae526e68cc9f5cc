package event

// Kind names what happened.
type Kind string

// The kinds, by family. Kinds lists them all.
const (
	KindExec Kind = "exec"
	KindFork Kind = "fork"
	KindExit Kind = "exit"

	KindFileOpen     Kind = "file_open"
	KindFileCreate   Kind = "file_create"
	KindFileDelete   Kind = "file_delete"
	KindFileRename   Kind = "file_rename"
	KindFileLink     Kind = "file_link"
	KindFileChmod    Kind = "file_chmod"
	KindFileChown    Kind = "file_chown"
	KindFileTruncate Kind = "file_truncate"
	KindFileXattr    Kind = "file_xattr"

	KindConnect Kind = "connect"
	KindAccept  Kind = "accept"
	KindBind    Kind = "bind"
	KindListen  Kind = "listen"
	KindSend    Kind = "send"

	KindSignal       Kind = "signal"
	KindPtrace       Kind = "ptrace"
	KindBPF          Kind = "bpf"
	KindModuleLoad   Kind = "module_load"
	KindModuleUnload Kind = "module_unload"
	KindMount        Kind = "mount"
	KindUmount       Kind = "umount"
	KindCredential   Kind = "credential"
	KindCapability   Kind = "capability"
	KindNamespace    Kind = "namespace"
	KindMemoryExec   Kind = "memory_exec"
	KindLibrary      Kind = "library"
	KindKexec        Kind = "kexec"
	KindSettime      Kind = "settime"
	KindPrctl        Kind = "prctl"
	KindKeyring      Kind = "keyring"
	KindIOUring      Kind = "io_uring"
	KindXfrm         Kind = "xfrm"
	KindIPC          Kind = "ipc"
	KindOOMKill      Kind = "oom_kill"
	KindSyscall      Kind = "syscall"

	KindFileVolume  Kind = "file_volume"
	KindFlowVolume  Kind = "flow_volume"
	KindExecCount   Kind = "exec_count"
	KindUnitRestart Kind = "unit_restart"

	KindPosture   Kind = "posture"
	KindLoss      Kind = "loss"
	KindRetention Kind = "retention"
	KindGuard     Kind = "guard"
)

// Kinds lists every kind once, in the order of docs/events.md.
func Kinds() []Kind {
	return []Kind{
		KindExec, KindFork, KindExit,
		KindFileOpen, KindFileCreate, KindFileDelete, KindFileRename, KindFileLink, KindFileChmod, KindFileChown, KindFileTruncate, KindFileXattr,
		KindConnect, KindAccept, KindBind, KindListen, KindSend,
		KindSignal, KindPtrace, KindBPF, KindModuleLoad, KindModuleUnload, KindMount, KindUmount, KindCredential, KindCapability, KindNamespace,
		KindMemoryExec, KindLibrary, KindKexec, KindSettime, KindPrctl, KindKeyring, KindIOUring, KindXfrm, KindIPC, KindOOMKill, KindSyscall,
		KindFileVolume, KindFlowVolume, KindExecCount, KindUnitRestart,
		KindPosture, KindLoss, KindRetention, KindGuard,
	}
}
