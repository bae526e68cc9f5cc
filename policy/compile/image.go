// Package compile turns a policy into an image: automata, address tables and sets that package verdict and the kernel
// programs execute alike. It decides nothing itself, and refuses a policy that is over the image's bounds.
package compile

import (
	"net/netip"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
)

// Image is a compiled policy. Numbers in it are indices into its own slices. It is immutable and safe for concurrent
// use; the same policy makes the same image, byte for byte.
type Image struct {
	// Digest is the policy's; SHA-256 in hexadecimal.
	Digest string
	Mode   policy.Mode
	// Rules are what decisions name.
	Rules []Rule
	// Decisions hold NoDecision first. Within one table a smaller number has precedence.
	Decisions []Decision
	// Subjects hold DefaultSubject first, then the policy's entries in the file's order. Inherits: one of them is inherited;
	// it follows from them, and the binary form does not hold it.
	Subjects []Subject
	Inherits bool
	Automata []automaton.Automaton
	// Actors yields, for the path of an executable, an index into ActorSets in each of its automata: together they are
	// what the executable is to the policy.
	Actors    Table
	ActorSets []ActorSet
	// Claims are the conditions under which a subject claims a task, in order of precedence.
	Claims   []Claim
	Networks []Network
	// Ports holds the port ranges of all networks and host names, sorted within each Range.
	Ports []Port
	// NameSets yields what the values of a Network's Hosts table stand for.
	NameSets []Range
	Syscalls []Syscalls
	// Capabilities holds for each capability's number the decision that denies it, or NoDecision.
	Capabilities [][64]uint32
	// Members holds the subjects of Guards, sorted within each Range.
	Members  []uint32
	Host     Host
	Firewall Firewall
	Settings Settings
}

// The fixed numbers.
const (
	// NoDecision: the policy says nothing.
	NoDecision = 0
	// DefaultSubject is the subject of tasks that no entry claims.
	DefaultSubject = 0
	// NoTable is the index of a table that is absent.
	NoTable = ^uint32(0)
)

// Rule is a line of the policy: an entry of a list, or a key.
type Rule struct {
	Text string
	Pos  policy.Position
}

// Decision is what one rule, or the absence of one, says.
type Decision struct {
	Deny bool
	// Unlisted: the Rule is a list's key, and nothing in the list matched: an allow list's, or about a text that is too long
	// a block list's.
	Unlisted bool
	Type     Type
	Severity event.Severity // of a denial
	Rule     uint32
	// Grant exempts the actors that have it from Deny; 0 exempts nobody.
	Grant uint32
}

// Type is the type field of a violation.
type Type string

// The types. The first five are those of guards before Stockade.
const (
	TypeExec       Type = "exec"
	TypeFile       Type = "file"
	TypeNetwork    Type = "network"
	TypeSyscall    Type = "syscall"
	TypeResource   Type = "resource"
	TypeCapability Type = "capability"
	TypeProcess    Type = "process" // signals and ptrace
	TypeKernel     Type = "kernel"  // modules, bpf, mounts, devices, time, prctl, keyrings, io_uring
	TypeDNS        Type = "dns"
	TypeFirewall   Type = "firewall"
)

// Table is some automata over the same text; Base and the smallest of their values decide, and Miss if that is
// automaton.None. The zero Table says nothing. The sum is a decision unless said otherwise.
type Table struct {
	Automata Range
	// Base lets tables whose rules differ in their decisions alone share their automata.
	Base uint32
	Miss uint32
	// Long decides instead of all of them about a text over MaxPath. In a subject's Paths with any rule it denies, and names
	// the key of a list that is there; elsewhere it is NoDecision.
	Long uint32
}

// MaxPath is how many bytes a path may have to be matched: Linux's PATH_MAX without its zero byte.
const MaxPath = 4095

// Range is Count elements from First on.
type Range struct{ First, Count uint32 }

// Class is a way to use a path, each with a table of its own.
type Class uint8

// The classes.
const (
	ClassExec  Class = iota
	ClassRead        // letter r
	ClassWrite       // letter w
	ClassMap         // letter x: map as executable
	ClassUnix        // connect to a UNIX socket
	ClassCount
)

// Subject is a process entry.
type Subject struct {
	Name    string
	Mode    policy.Mode // never empty
	Inherit bool
	Paths   [ClassCount]Table
	// Peers and Listen are indices into Networks or NoTable. Peers is absent only if the entry has no network keys.
	// Listen is about own addresses and ports.
	Peers, Listen uint32
	// Packet is the decision about sockets below IP.
	Packet uint32
	// Syscalls and Capabilities are indices or NoTable.
	Syscalls, Capabilities uint32
	// NoSudo is the decision about an exec that gains privilege.
	NoSudo          uint32
	Signals, Ptrace Guard
	MemoryMB        Limit
	CPUPercent      Limit
	Processes       Limit
	OnLimit         policy.LimitAction
}

// Guard lets Members and the subject itself through, and says Decision of everybody else; NoDecision guards nothing.
type Guard struct {
	Members  Range
	Decision uint32
}

// Limit is a number and the decision about what goes beyond; NoDecision: no limit.
type Limit struct {
	Value    uint32
	Decision uint32
}

// Grants is a set of grant numbers; number 0 is never in it.
type Grants [MaxGrants / 64]uint64

// Has reports whether g is in the set.
func (s *Grants) Has(g uint32) bool { return s[g/64%uint32(len(s))]&(1<<(g%64)) != 0 }

// ActorSet is what matching executables are to the policy.
type ActorSet struct {
	Grants Grants
	// Claims are the indices of claims whose conditions on the executable's path hold, sorted.
	Claims []uint32
}

// Claim is a process entry's match. Conditions on the executable's path are in Actors; of those here each must hold,
// and an absent one always does.
type Claim struct {
	Subject uint32
	// Name is over the executable's path; it is here only if match has exe too, of which both must hold. The tables of
	// conditions yield 1 on a match.
	Name, Unit, Cgroup, Container Condition
	Users                         []string
	SHA256                        []string
}

// Condition is a table that may be absent.
type Condition struct {
	Present bool
	Table   Table
}

// Network answers an address, and the names that are known to stand for it. The longest prefix that holds the address
// speaks for all, because its ports hold what shorter ones say too. Of what it and each name says of a port, the
// smallest decision but NoDecision has precedence.
type Network struct {
	// Prefixes are sorted: IPv4 before IPv6, then longer before shorter, then by address.
	Prefixes []Prefix
	// Hosts yields, for the symbols of a host name (see automaton.NameSymbols), an index into Names in each of its automata:
	// what they say holds together. automaton.None says nothing.
	Hosts Table
	// Names are in NameSets.
	Names Range
	// Unnamed holds the ports of all allowed host names, each with the decision of one of them: as long as nobody knows the
	// name of an address, what Prefixes do not list of it is not decided.
	Unnamed Range
	// Miss is the decision about addresses, names and ports that nothing speaks of.
	Miss uint32
}

// Prefix is one network and what is said of its ports.
type Prefix struct {
	Prefix netip.Prefix
	Ports  Range
}

// Port is a range of ports of one protocol, and what is said of it.
type Port struct {
	Protocol    Protocol
	First, Last uint16
	Decision    uint32
}

// Protocol is what stands above IP.
type Protocol uint8

// The protocols. Each one's port ranges are listed apart: there is no wildcard.
const (
	ProtocolTCP Protocol = iota
	ProtocolUDP
	ProtocolOther
	ProtocolCount
)

// Syscalls holds decisions by number, and Miss for numbers beyond. The calls of x32 are AMD64's, without bit 30; those from
// 512 on are its own.
type Syscalls struct {
	AMD64 [548]uint32
	I386  [512]uint32
	Miss  uint32
}

// Host is what holds for every task.
type Host struct {
	// Exec, Read, Write and Device yield decisions with a Grant; those without a match are left to the subject.
	Exec, Read, Write, Device Table
	// Mount is over the source, Module over the module's name.
	Mount, Module Table
	// BPF, Settime, Keyring and IOUring are decisions with a Grant.
	BPF, Settime, Keyring, IOUring uint32
	// Prctl holds decisions with a Grant by option, sorted.
	Prctl []Option
	// Metadata is the index of the Network for tasks without network keys, or NoTable.
	Metadata uint32
	// Names yields decisions over the symbols of host names that nobody may resolve.
	Names Table
}

// Option is a number of prctl and what is said of it.
type Option struct {
	Number   uint32
	Decision uint32
}

// Firewall judges packets.
type Firewall struct {
	// Zones are in the file's order; the first whose Interfaces match judges. ZoneMiss is for other interfaces.
	Zones    []Zone
	ZoneMiss uint32
	// Egress is an index into Networks or NoTable.
	Egress uint32
}

// Zone is the ports and ICMP types that are open on some interfaces.
type Zone struct {
	Name       string
	Interfaces Table // yields 1
	// Peers is an index into Networks: the sender's address, and the own port.
	Peers uint32
	// ICMP holds the types of ICMPv4 and, from 256 on, of ICMPv6 that are allowed, sorted.
	ICMP []Option
	Miss uint32
}

// Settings are what no decision depends on: they pass through to who acts on them.
type Settings struct {
	BreakGlass policy.BreakGlass
	Lease      policy.Lease
	Resolvers  []netip.Prefix
	Anomaly    policy.Anomaly
	Alerts     policy.Alerts
	Sinks      []policy.Sink
}
