package event

// File is a file system object and what was done to it: the detail of the KindFile kinds, KindLibrary and KindFileVolume.
type File struct {
	// Path is resolved by the kernel, from the task's root. Where Evidence is EvidenceArgument it is the task's own
	// string, joined to the directory that it was relative to; symbolic links in it are not followed.
	Path string `json:"path"`
	// PathTruncated: Path or Target was too long or could not be read whole. The beginning is missing from a name that the
	// kernel resolved, the end from one that the task passed.
	PathTruncated bool   `json:"path_truncated,omitempty"`
	Inode         uint64 `json:"inode,omitempty"`
	// Device is major:minor of the file system's superblock.
	Device string `json:"device,omitempty"`
	// Type is file, directory, symlink, fifo, socket, block, char or anonymous.
	Type string `json:"type,omitempty"`
	// Access holds r, w, x, for an open: read, write (or append, truncate), execute.
	Access string `json:"access,omitempty"`
	// Flags are the open flags beyond the access mode, such as O_CREAT.
	Flags []string `json:"flags,omitempty"`
	// Target is the other name: the new one of a rename or hard link, the text of a symbolic link.
	Target string `json:"target,omitempty"`
	// Mode is permission bits, in octal: those that chmod asked for, or that a new file has got.
	Mode string `json:"mode,omitempty"`
	// UID and GID are what chown asked for; absent: left alone.
	UID *uint32 `json:"uid,omitempty"`
	GID *uint32 `json:"gid,omitempty"`
	// Size is the new length in bytes, for truncate.
	Size *int64 `json:"size_bytes,omitempty"`
	// Xattr is the attribute's name; XattrOp is set or remove.
	Xattr   string `json:"xattr,omitempty"`
	XattrOp string `json:"xattr_op,omitempty"`
}

// Flow is one end of a conversation: the detail of the network kinds and of KindFlowVolume.
type Flow struct {
	// Family is inet, inet6, unix, packet or the number of another.
	Family string `json:"family"`
	// Protocol is tcp, mptcp, udp, icmp, raw, sctp, stream, dgram, seqpacket or a number. A raw socket is raw whatever it speaks.
	Protocol string `json:"protocol,omitempty"`
	// Source and Destination are addresses without port. IPv4-mapped IPv6 addresses are written as IPv4.
	Source          string `json:"src_ip,omitempty"`
	SourcePort      uint16 `json:"src_port,omitempty"`
	Destination     string `json:"dst_ip,omitempty"`
	DestinationPort uint16 `json:"dst_port,omitempty"`
	// Path is a UNIX socket's name; an abstract one starts with @.
	Path string `json:"path,omitempty"`
	// IPProtocol is the number that a raw socket was opened for.
	IPProtocol uint8 `json:"ip_protocol,omitempty"`
	// Interface is the index that a packet socket is bound to; 0: all.
	Interface uint32 `json:"interface,omitempty"`
	// DurationNS is how long a connect by TCP took; 0 for others, which wait for nobody, and where the mechanism cannot tell.
	DurationNS uint64 `json:"duration_ns,omitempty"`
	// AnyPort: bind asked for any free port, and SourcePort is the one that it got.
	AnyPort bool `json:"any_port,omitempty"`
	// Backlog is listen's.
	Backlog int `json:"backlog,omitempty"`
	// Cookie identifies the socket within one boot.
	Cookie uint64 `json:"cookie,omitempty"`
}

// Volume is traffic, folded: the detail of the KindVolume kinds.
type Volume struct {
	ReadBytes  uint64 `json:"read_bytes,omitempty"`
	WriteBytes uint64 `json:"write_bytes,omitempty"`
	Reads      uint64 `json:"reads,omitempty"`
	Writes     uint64 `json:"writes,omitempty"`
	// RTTMicroseconds is the smoothed round-trip time at the end of a TCP connection.
	RTTMicroseconds uint32 `json:"rtt_us,omitempty"`
	// DurationNS is how long the flow lasted.
	DurationNS uint64 `json:"duration_ns,omitempty"`
	// User and Day are the key of KindExecCount; Unit that of KindUnitRestart.
	User string `json:"user,omitempty"`
	Day  string `json:"day,omitempty"`
	Unit string `json:"unit,omitempty"`
	// Total counts executions or restarts so far under that key.
	Total uint64 `json:"total,omitempty"`
}
