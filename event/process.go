package event

import "time"

// Ref names a process for ever: a pid alone is reused, a pid with its start time is not.
type Ref struct {
	PID int `json:"pid"`
	// StartNS is the start of the thread group's leader, in nanoseconds since boot (suspend included).
	StartNS uint64 `json:"start_ns,omitempty"`
	// Name is the task's comm: at most 15 bytes, chosen by the process itself.
	Name string `json:"name,omitempty"`
	// Exe is the resolved path of the executable.
	Exe string `json:"exe,omitempty"`
}

// Process is who did something, as it was at the time. Shared and never changed after publication.
type Process struct {
	Ref
	// ExeInode, ExeDevice and SHA256 identify the executable's file. SHA256 is empty until it has been computed.
	ExeInode  uint64 `json:"exe_inode,omitempty"`
	ExeDevice string `json:"exe_device,omitempty"`
	SHA256    string `json:"sha256,omitempty"`
	// Argv is what exec was given, bounded and with secrets redacted; ArgvTruncated says that some of it is missing.
	Argv          []string `json:"argv,omitempty"`
	ArgvTruncated bool     `json:"argv_truncated,omitempty"`
	CWD           string   `json:"cwd,omitempty"`
	// UID and GID are the real ids, EUID and EGID the effective ones.
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
	EUID uint32 `json:"euid"`
	EGID uint32 `json:"egid"`
	// User is the name of UID in the host's user database; empty when it has none.
	User string `json:"user,omitempty"`
	// LoginUID is who logged in at first, whatever was become since; absent: nobody did.
	LoginUID *uint32 `json:"login_uid,omitempty"`
	// Capabilities is the effective set, as CAP_ names in kernel order; the full set is ALL.
	Capabilities []string `json:"capabilities,omitempty"`
	// Cgroup is the path in the cgroup v2 tree; CgroupID its inode there.
	Cgroup    string     `json:"cgroup,omitempty"`
	CgroupID  uint64     `json:"cgroup_id,omitempty"`
	Unit      string     `json:"unit,omitempty"`
	Container *Container `json:"container,omitempty"`
	// Namespaces holds the inode numbers of the namespaces by type.
	Namespaces *Namespaces `json:"namespaces,omitempty"`
	// Parents goes from the parent up, at most MaxParents long.
	Parents []Ref `json:"parents,omitempty"`
	// KernelThread: it has no executable and never will.
	KernelThread bool `json:"kernel_thread,omitempty"`
	// Existing: it ran before the guard did, so what it did earlier is unknown.
	Existing bool `json:"existing,omitempty"`
	// Started is StartNS as wall clock.
	Started time.Time `json:"started,omitzero"`
}

// MaxParents bounds Process.Parents.
const MaxParents = 8

// Container is what a runtime calls the container of a process; the names come later than the id and may stay empty.
type Container struct {
	// ID is the full id as it stands in the cgroup's name.
	ID string `json:"id"`
	// Runtime is docker, containerd, podman or cri-o; empty when only the id is known.
	Runtime   string `json:"runtime,omitempty"`
	Name      string `json:"name,omitempty"`
	Image     string `json:"image,omitempty"`
	Pod       string `json:"pod,omitempty"`
	Namespace string `json:"namespace,omitempty"`
}

// Namespaces holds namespace inode numbers as in /proc/PID/ns.
type Namespaces struct {
	Mnt    uint32 `json:"mnt,omitempty"`
	PID    uint32 `json:"pid,omitempty"`
	Net    uint32 `json:"net,omitempty"`
	User   uint32 `json:"user,omitempty"`
	UTS    uint32 `json:"uts,omitempty"`
	IPC    uint32 `json:"ipc,omitempty"`
	Cgroup uint32 `json:"cgroup,omitempty"`
}

// Exec is the detail of KindExec: the process of the event is the new image.
type Exec struct {
	// File is what is really running: for a script, the interpreter.
	File File `json:"file"`
	// Script is the file that was asked for, when an interpreter runs it: its path with inode and device; without them the
	// name that the task gave, made absolute.
	Script          string `json:"script,omitempty"`
	ScriptInode     uint64 `json:"script_inode,omitempty"`
	ScriptDevice    string `json:"script_device,omitempty"`
	ScriptTruncated bool   `json:"script_truncated,omitempty"`
	// Caller is the resolved path of what the process ran before: the program that asked for this one.
	Caller string `json:"caller_exe,omitempty"`
	// Memfd and Unlinked say that no directory held the executable's file when it started.
	Memfd    bool `json:"memfd,omitempty"`
	Unlinked bool `json:"unlinked,omitempty"`
	// Setuid: the exec changed the effective user or group id.
	Setuid bool `json:"setuid,omitempty"`
}

// Fork is the detail of KindFork: the process of the event is the parent.
type Fork struct {
	Child Ref `json:"child"`
	// Parent is the child's parent when that is not the process of the event, as with CLONE_PARENT.
	Parent Ref `json:"parent"`
	// Flags are the clone flags that make a namespace, such as CLONE_NEWNS.
	Flags []string `json:"flags,omitempty"`
}

// Exit is the detail of KindExit.
type Exit struct {
	// Code is the exit status; meaningless when Signal is set. -1: not known, as with EvidencePoller.
	Code int `json:"code"`
	// Signal ended it, when not 0.
	Signal     int    `json:"signal,omitempty"`
	SignalName string `json:"signal_name,omitempty"`
	CoreDumped bool   `json:"core_dumped,omitempty"`
	// DurationNS is the life of the process from fork to exit.
	DurationNS uint64 `json:"duration_ns"`
}
