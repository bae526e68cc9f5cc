// Package layout lays a compiled policy out as the kernel holds it: one array of 32-bit words, so that a program that has
// its address has the whole policy, and nothing but that one.
//
// bpf/image.h reads what this package writes; its structures and those here are the same, field by field, and a test where
// the programs are loaded compares them. The package decides nothing, and asks the host nothing: what only the host knows
// comes in by Options.
package layout

import "github.com/stockade-security/stockade/policy/compile"

// Magic is the first word of every image; it changes with the layout.
const Magic = 0x53544b31

// None is the index of what is absent.
const None = ^uint32(0)

// Head is the beginning of an image. Places are indices of words, unless said otherwise.
type Head struct {
	Magic, Words uint32
	// Generation tells images of one guard apart.
	Generation uint32
	// Digest is the policy's SHA-256.
	Digest [8]uint32
	// HostAsks is what the rules of the host ask about, and AnyAsks what any rule does.
	HostAsks, AnyAsks       uint32
	Subjects, SubjectCount  uint32
	Decisions, DecisionMask uint32 // as many as a power of two
	Automata                uint32
	// Ranges are spans of Ports, by number.
	Networks, Ranges, Ports uint32
	Members                 uint32
	Syscalls, Capabilities  uint32
	ActorSets, Claims       uint32
	// Stable is a hash table of pairs: a subject's stable number and its index plus one; StableMask is its size less one.
	Stable, StableMask             uint32
	BPF, Settime, Keyring, IOUring uint32 // decisions
	Prctl                          Range  // of pairs: option and decision
	Metadata                       uint32
	Actors                         Table
	Exec, Read, Write              Table
	Device, Mount, Module          Table
}

// Range is Count elements from First on.
type Range struct{ First, Count uint32 }

// Table is as compile.Table.
type Table struct{ First, Count, Base, Miss, Long uint32 }

// Condition is a table that may be absent.
type Condition struct {
	Present uint32
	Table   Table
}

// Subject is as compile.Subject.
type Subject struct {
	// Stable is the same number in every policy that has an entry of this name.
	Stable          uint32
	Flags           uint32
	Asks            uint32
	Paths           [compile.ClassCount]Table
	Peers, Listen   uint32 // numbers of networks
	Packet          uint32
	Syscalls        uint32 // number of a table
	Capabilities    uint32
	NoSudo          uint32
	Signals, Ptrace Guard
	Processes       Limit
}

// Guard and Limit are as in package compile.
type (
	Guard struct{ First, Count, Decision uint32 }
	Limit struct{ Value, Decision uint32 }
)

// Flags of a subject.
const (
	Enforces  = 1 << iota // its mode is enforce
	Inherits              // children stay in it
	Contained             // it is claimed by container, so its allow lists are about names inside of one
)

// What rules ask about, as bits: a program has nothing to judge where nobody asks.
const (
	AskExec = 1 << iota
	AskRead
	AskWrite
	AskMap
	AskUnix
	AskPeers
	AskListen
	AskPacket
	AskSyscall
	AskCapability
	AskNoSudo
	AskSignal // of those who are reached for
	AskPtrace // the same
	AskProcesses
	AskDevice
	AskMount
	AskModule
	AskBPF
	AskSettime
	AskKeyring
	AskIOUring
	AskPrctl
	AskMetadata
	AskIdentity    // some entry other than the default one, or some list of executables
	AskSyscallKill // of calls that no LSM hook judges
)

// Decision bits. The grant that exempts from a denial is above them, by GrantShift.
const (
	Denies     = 1
	Unlisted   = 2
	GrantShift = 8
)

// Automaton is where one lies: Cells in units of two words from the image's beginning, Classes in bytes.
type Automaton struct{ Start, Final, Reverse, Cells, Classes, Pad uint32 }

// Network is as compile.Network. V4 and V6 are numbers of automata over half-bytes of addresses, whose values are
// numbers of ranges of ports; Names is the first of the ranges that the values of Hosts stand for.
type Network struct {
	V4, V6, Miss uint32
	Unnamed      Range
	Hosts        Table
	Names        uint32
}

// Port is a range of ports of one protocol: the protocol is in the upper half of First and Last.
type Port struct{ First, Last, Decision uint32 }

// ActorSet is as compile.ActorSet.
type ActorSet struct {
	Grants [compile.MaxGrants / 32]uint32
	Claims Range // of words
}

// Claim is as compile.Claim. Users is a range of words, SHA256 one of digests of eight words each.
type Claim struct {
	Subject                       uint32
	Flags                         uint32 // WithUsers …
	Users, SHA256                 Range
	Name, Unit, Cgroup, Container Condition
}

// Flags of a claim: conditions that hold for those in a list only.
const (
	WithUsers = 1 << iota
	WithSHA256
)

// StableOf is the stable number of a process entry (FNV-1a).
func StableOf(name string) uint32 {
	h := uint32(2166136261)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return h
}
