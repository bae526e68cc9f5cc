// Package event is Stockade's vocabulary: what was seen, who did it, what the policy said of it.
// It holds plain data with JSON names and imports only the standard library; it never looks anything up.
// docs/events.md documents every field, unit and meaning, and a test holds the two together.
package event

import "time"

// Schema is the version of the JSON form. It rises when a field changes its meaning or goes; added fields keep it.
const Schema = 1

// Event is one observation, with at most one detail: the pointer that belongs to its Kind.
// An Event is immutable once it has been published; its Process may be shared between events.
type Event struct {
	// Seq numbers the events of one run of the guard, from 1, without gaps.
	Seq uint64 `json:"seq"`
	// ID is unique on a host across boots and restarts of the guard.
	ID string `json:"id"`
	// Time is when the kernel saw it, wall clock.
	Time     time.Time `json:"time"`
	Kind     Kind      `json:"kind"`
	Evidence Evidence  `json:"evidence"`
	// Process is who did it; nil for what no process did, such as a loss record.
	Process *Process `json:"process,omitempty"`
	// Errno is the positive error number of an operation that failed; 0: it succeeded, or the hook runs before the result is known.
	Errno int `json:"errno,omitempty"`
	// Count is above 1 for folded events: that many of the same from Time on to Until.
	Count uint64    `json:"count,omitempty"`
	Until time.Time `json:"until,omitzero"`

	Exec       *Exec       `json:"exec,omitempty"`
	Fork       *Fork       `json:"fork,omitempty"`
	Exit       *Exit       `json:"exit,omitempty"`
	File       *File       `json:"file,omitempty"`
	Flow       *Flow       `json:"flow,omitempty"`
	Signal     *Signal     `json:"signal,omitempty"`
	Ptrace     *Ptrace     `json:"ptrace,omitempty"`
	BPF        *BPF        `json:"bpf,omitempty"`
	Module     *Module     `json:"module,omitempty"`
	Mount      *Mount      `json:"mount,omitempty"`
	Credential *Credential `json:"credential,omitempty"`
	Capability *Capability `json:"capability,omitempty"`
	Namespace  *Namespace  `json:"namespace,omitempty"`
	Memory     *Memory     `json:"memory,omitempty"`
	Call       *Call       `json:"call,omitempty"`
	OOM        *OOM        `json:"oom,omitempty"`
	Volume     *Volume     `json:"volume,omitempty"`
	Posture    *Posture    `json:"posture,omitempty"`
	Loss       *Loss       `json:"loss,omitempty"`
	Guard      *Guard      `json:"guard,omitempty"`
	// Violations holds what the policy said, when it had something to say.
	Violations []Violation `json:"violations,omitempty"`
}

// Evidence says which mechanism saw the event, and so how far its fields can be trusted.
type Evidence string

// The mechanisms. The names of paths differ in strength: see docs/events.md.
const (
	// EvidenceLSM: a BPF LSM hook, on the kernel's own objects, past the kernel's ordinary permission checks.
	EvidenceLSM Evidence = "lsm"
	// EvidenceTrampoline: fentry or fexit of a kernel function.
	EvidenceTrampoline Evidence = "trampoline"
	// EvidenceTracepoint: a typed tracepoint, on the kernel's own objects.
	EvidenceTracepoint Evidence = "tracepoint"
	// EvidenceDescriptor: the exit of a system call, resolved from a descriptor's kernel object.
	EvidenceDescriptor Evidence = "descriptor"
	// EvidenceArgument: the exit of a system call, with names as the task passed them; another thread may have changed them meanwhile.
	EvidenceArgument Evidence = "argument"
	// EvidenceCgroup: a cgroup socket hook.
	EvidenceCgroup Evidence = "cgroup"
	// EvidenceInventory: read from /proc, /sys or a kernel iterator when the guard started.
	EvidenceInventory Evidence = "inventory"
	// EvidenceGuard: the guard's own record about itself.
	EvidenceGuard Evidence = "guard"
	// EvidencePoller: sampled from a list of processes, where no kernel sensor exists.
	EvidencePoller Evidence = "poller"
)
