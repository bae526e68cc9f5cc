//go:build linux

package kernel

import (
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/stockade-security/stockade/event"
)

// Rung is a way of attaching: what the kernel lets us do decides which one a sensor stands on.
type Rung int

// The rungs. A hook on BothRungs is attached on either.
const (
	BothRungs Rung = iota
	// Trampolines: BPF LSM, fentry and fexit work here, so nothing is attached to all system calls.
	Trampolines
	// Tracepoints: they do not; ends of system calls come through one dispatcher at sys_exit.
	Tracepoints
)

// Sensor is one family of programs with their decoder. Packages under internal/sensor make them; nothing registers itself.
type Sensor struct {
	// Name is what --sensors selects, one word.
	Name string
	// OnRequest says that the sensor costs too much, or tells too much, to be there unless it is named.
	OnRequest bool
	// Spec loads the sensor's object. Maps named ring, slots, stats and watched_pids are replaced by the shared ones.
	Spec func() (*ebpf.CollectionSpec, error)
	// Hooks are its programs. A program that no hook of the rung names is not loaded.
	Hooks []Hook
	// Kinds are the events it makes; Decode turns a record of such a kind into the event's detail.
	// Decode must copy what it keeps of the record, and is called from one goroutine.
	Kinds  []event.Kind
	Decode func(*Record, *event.Event) error
	// Folds names the object's maps of one map, a hash whose values begin as records do. Programs add to them; Drain hands
	// them to user space.
	Folds []string
	// Constants are load-time constants of the object by their C name.
	Constants map[string]any
}

// Hook attaches one program.
type Hook struct {
	// Program is its C function. Its section says where it is attached, unless Syscalls does.
	Program string
	Rung    Rung
	// Syscalls are the calls at whose end the program runs: by fexit of each, or by the dispatcher.
	Syscalls []Syscall
	// When says whether this variant fits the kernel's types; nil: always. Of two variants exactly one should.
	When func(*btf.Spec) bool
	// Cgroup attaches to the root of the cgroup v2 tree.
	Cgroup bool
}

// Syscall is a system call with its number in the two tables of x86-64; -1: absent there.
type Syscall struct {
	Name         string
	Native, IA32 int
}

// compat is the i386 number's place in the dispatcher's table; -1: none.
func (c Syscall) compat() int {
	if c.IA32 < 0 {
		return -1
	}
	return compatBase + c.IA32
}

// Attached says where a hook ended up.
type Attached struct {
	Sensor  string `json:"sensor"`
	Program string `json:"program"`
	// Target is the hook: lsm/file_open, fexit/__x64_sys_openat, tp_btf/sched_process_exec, sys_exit/openat …
	Target string `json:"target"`
	// Missing says why it is not attached; empty: it is.
	Missing string `json:"missing,omitempty"`
}

// Evidence is the kind of evidence that the hook gives; empty when it is not attached.
func (a Attached) Evidence() event.Evidence {
	kind, _, _ := strings.Cut(a.Target, "/")
	switch {
	case a.Missing != "":
		return ""
	case kind == "lsm":
		return event.EvidenceLSM
	case kind == "fentry", kind == "fexit":
		return event.EvidenceTrampoline
	case kind == "sys_exit":
		return event.EvidenceDescriptor
	case kind == "cgroup":
		return event.EvidenceCgroup
	default:
		return event.EvidenceTracepoint
	}
}
