package verdict

import (
	"math"
	"net/netip"

	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

// Op is what a task wants to do.
type Op uint8

// The operations, with the fields of an Access that each one reads.
const (
	OpExec       Op = iota + 1 // Path, Truncated, Interpreter, GainsPrivilege
	OpFile                     // Path, Truncated, Letters
	OpConnect                  // Path of a UNIX socket; or Peer, Protocol, Names; or none of them: a packet socket
	OpSend                     // the same
	OpBind                     // Peer: the own address; or none: a packet socket
	OpListen                   // Peer: the own address
	OpResolve                  // Name
	OpSyscall                  // Number, I386
	OpCapability               // Number
	OpSignal                   // Target
	OpPtrace                   // Target
	OpModule                   // Name
	OpBPF
	OpMount // Path: what is mounted
	OpIoctl // Path of the device
	OpSettime
	OpPrctl // Number
	OpKeyring
	OpIOUring
	OpMemory    // Value: bytes
	OpCPU       // Value: percent of one CPU
	OpProcesses // Value: how many
	OpIngress   // Interface, Protocol; Peer: the sender's address and the own port; of ICMP Number: the type
	OpEgress    // Peer, Protocol, Names
)

// Access is one operation on one object. Fields that its Op does not read are ignored.
type Access struct {
	Op Op
	// Path is cleaned before it is matched: of double slashes, of . and .. by text, and of the words (deleted) that the
	// kernel puts behind the name of a removed file. One that is not absolute is matched as it is, which no pattern that
	// starts with / does. One of more than compile.MaxPath bytes, or Truncated, is not matched: it is denied for a subject
	// that has any rule for this use of paths, and no business of the host's rules. Names of abstract UNIX sockets start with @.
	Path      string
	Truncated bool // some of Path is missing
	// Interpreter is what really runs, when Path is a script.
	Interpreter string
	// GainsPrivilege: the program is set-user-id, set-group-id or has file capabilities.
	GainsPrivilege bool
	// Letters is how OpFile uses the file. Each letter is judged by itself.
	Letters policy.Access
	// Peer may be an IPv4-mapped or NAT64 address.
	Peer netip.AddrPort
	// Protocol is as in event.Flow.
	Protocol string
	// Name is the host name that is asked for, or a kernel module's.
	Name string
	// Names are the host names that are known to have led to Peer. Upper and lower case are the same in host names, and a
	// last dot says nothing.
	Names []string
	// Number is a system call's, a capability's, prctl option's, or ICMP type's; 256 more of ICMPv6.
	Number uint32
	// I386: Number is of the table of 32-bit programs.
	I386 bool
	// Target is the subject of the process that is reached for.
	Target    uint32
	Value     uint64
	Interface string
}

// Task is what the policy calls a task: its entry, and the lists of executables that it stands in. The zero value is a
// task that no entry claims, with an executable that no list holds. See Identify.
type Task struct {
	Subject uint32
	Grants  compile.Grants
}

// Syscall is the access of a call by its name on x86-64. A name that there is not gets a number that stands in no list.
func Syscall(name string) Access {
	number, ok := syscalls.Number(name, false)
	if !ok {
		number = math.MaxUint32
	}
	return Access{Op: OpSyscall, Number: number}
}
