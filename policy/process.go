package policy

import (
	"net/netip"

	"github.com/stockade-security/stockade/policy/glob"
)

// Process is what the policy says of one subject: the tasks that its Match claims. Default has the same keys, for the
// tasks that no entry claims.
type Process struct {
	Name        string
	Pos         Position
	Description string
	// Mode is empty where the policy's own holds.
	Mode  Mode
	Match Match
	// Inherit: children stay in this subject unless another entry claims them.
	Inherit bool

	AllowedExec    List[PathRule]
	BlockedExec    List[PathRule]
	AllowedFiles   List[PathRule]
	BlockedFiles   List[PathRule]
	AllowedNetwork List[NetworkRule]
	BlockedNetwork List[NetworkRule]
	// AllowedListen names own ports, with or without an own address.
	AllowedListen List[NetworkRule]
	// AllowSharedSuffix lets AllowedNetwork hold patterns such as *.github.io, below which anybody may get a name.
	AllowSharedSuffix   Flag
	AllowedSyscalls     List[SyscallRule]
	BlockedSyscalls     List[SyscallRule]
	BlockedCapabilities List[NameRule]
	Protect             Protect

	MaxMemoryMB   Limit
	MaxCPUPercent Limit // of one CPU
	MaxProcesses  Limit
	OnLimit       LimitAction
	// NoSudo: no exec may gain privilege by set-user-id, set-group-id or file capabilities.
	NoSudo Flag
}

// Match says which tasks an entry claims: those for which every condition that is present holds. Of the rules of one
// condition any may hold.
type Match struct {
	Pos Position
	// Exe is over the resolved path of the executable. An entry without Exe and Name has the Name of its key unless
	// another condition is present.
	Exe       List[PathRule]
	Name      List[NameRule] // base names of the executable
	Unit      List[GlobRule] // systemd's unit, such as nginx.service
	Cgroup    List[GlobRule] // the path in the cgroup v2 tree
	Container List[GlobRule] // id, name or image
	User      List[NameRule] // name or number of the real user id
	SHA256    List[NameRule] // of the executable, 64 hexadecimal digits in lower case
}

// Protect names the subjects that may reach into this one; an absent list leaves it open.
type Protect struct {
	Signals List[NameRule]
	Ptrace  List[NameRule]
}

// Limit is a number of a policy; 0 means no limit.
type Limit struct {
	Value int
	Pos   Position
}

// Flag is a switch that is off unless Set; Pos is where it was set.
type Flag struct {
	Set bool
	Pos Position
}

// LimitAction is what happens to a subject beyond a limit.
type LimitAction string

// The limit actions; the empty one means record.
const (
	LimitRecord LimitAction = "record"
	LimitKill   LimitAction = "kill"
)

// List is a list of rules. A list that is absent says nothing; one that is present and empty names nothing.
type List[R any] struct {
	Present bool
	// Pos is the key's, or the zero value when absent.
	Pos   Position
	Rules []R
}

// PathRule names executables or files.
type PathRule struct {
	// Text is the entry as written.
	Text   string
	Pos    Position
	Glob   *glob.Glob
	Access Access
}

// GlobRule is a pattern over a name that is no path of a file.
type GlobRule struct {
	Text string
	Pos  Position
	Glob *glob.Glob
}

// NameRule names a capability, a subject, an action or the like, in its canonical form.
type NameRule struct {
	Text string
	Pos  Position
}

// SyscallRule names a system call, or with Text @group the ones that systemd's table gives it.
type SyscallRule struct {
	Text  string
	Pos   Position
	Names []string // sorted; at least one
}

// NetworkRule names peers: exactly one of Prefixes, Host and Path is set.
type NetworkRule struct {
	Text string
	Pos  Position
	// Prefixes are normalised: no IPv4-mapped and no NAT64 address. A class such as @private has several; ports to listen on
	// without an address have 0.0.0.0/0 and ::/0.
	Prefixes []netip.Prefix
	// Host is a name, or *. or **. and a name, in lower case.
	Host string
	// Path matches names of UNIX sockets; those of abstract ones start with @.
	Path *glob.Glob
	// Ports is empty for all ports, else sorted and without overlap.
	Ports []PortRange
	// Protocol is tcp or udp; empty for every protocol.
	Protocol string
}

// PortRange is First to Last, both included.
type PortRange struct{ First, Last uint16 }
