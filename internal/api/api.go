// Package api is how the verbs talk to a running guard: JSON over HTTP under /v1 on a unix socket, for root alone.
// The server asks the kernel who is at the other end of a connection and refuses everybody else; it never waits for a
// slow reader of events, and it holds no state of the guard but what its Daemon tells.
package api

import (
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
)

// Daemon is the guard as the server needs it. All methods may be called from many goroutines at once.
type Daemon interface {
	// Status returns the state at this moment. It returns soon and its maps belong to the caller.
	Status() Status
	// Stop asks the guard to end and returns at once. It may be called more than once.
	Stop()
	// Apply puts the policy at a path in force, if it is the one with that digest. An error that the caller can do something
	// about is a *Refusal.
	Apply(path, digest string, by Peer) error
	// SetMode replaces the modes of the policy in force; empty: they hold again.
	SetMode(mode policy.Mode, by Peer) error
	// Release ends what is enforced, and leaves nothing pinned.
	Release(by Peer) error
	// Subscribe returns a new reader of the live events that holds up to buffer of them. See Hub.
	Subscribe(buffer int) *Subscription
}

// Status is what a running guard says about itself.
type Status struct {
	Version string `json:"version"`
	// Instance is the name given with --instance; empty for the default one.
	Instance  string    `json:"instance,omitempty"`
	PID       int       `json:"pid"`
	StartedAt time.Time `json:"started_at"`
	// Mode is audit, alert or enforce.
	Mode   string `json:"mode"`
	Policy Policy `json:"policy"`
	// Enforcement is absent where nothing is refused.
	Enforcement *Enforcement `json:"enforcement,omitempty"`
	Sensors     []Sensor     `json:"sensors"`
	// Events counts what was recorded, by kind; Violations what the policy said of it.
	Events     map[event.Kind]uint64 `json:"events"`
	Violations Violations            `json:"violations"`
	// Produced = Delivered + what Lost counts under the kernel's causes, once no record is on its way. Its other causes
	// are of events that were delivered and could not be written.
	Produced  uint64 `json:"produced"`
	Delivered uint64 `json:"delivered"`
	// Lost counts records by cause, with the causes of docs/events.md.
	Lost map[string]uint64 `json:"lost"`
	// Gaps counts what events lack, or were not compared with, because a bounded part of the guard was full or had no
	// answer. None of it is a lost record. Its keys are in docs/events.md.
	Gaps map[string]uint64 `json:"gaps,omitempty"`
	// CPUSeconds and RSSBytes are the guard's own process; KernelMapBytes is what its maps hold besides.
	CPUSeconds     float64 `json:"cpu_seconds"`
	RSSBytes       uint64  `json:"rss_bytes"`
	KernelMapBytes uint64  `json:"kernel_map_bytes"`
	Streams        Streams `json:"streams"`
}

// Policy names the policy in force.
type Policy struct {
	// Path is the file; empty for the built-in policy.
	Path string `json:"path,omitempty"`
	// Digest is the SHA-256 of what was loaded, in hexadecimal.
	Digest string `json:"digest"`
}

// Enforcement is what is in force in the kernel. It outlives the guard, and ends with `stockade stop --release`.
type Enforcement struct {
	// Digest is that of the policy in force, and Since is when it came to be.
	Digest string    `json:"digest,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	// Programs are what decides; Adopted counts those of an earlier guard that nobody has replaced yet.
	Programs []Program `json:"programs,omitempty"`
	Adopted  int       `json:"adopted,omitempty"`
	// Denied counts refusals by reason, and what break-glass let pass.
	Denied map[string]uint64 `json:"denied,omitempty"`
	// Undecided counts addresses that only rules by host name could mean, and that passed; Unlabelled tasks that there was no
	// memory to label in full.
	Undecided  uint64 `json:"undecided,omitempty"`
	Unlabelled uint64 `json:"unlabelled,omitempty"`
	// Lacks says what of the policy this kernel cannot hold.
	Lacks []string `json:"lacks,omitempty"`
}

// Program is one that is attached, and since when.
type Program struct {
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
}

// Change is the policy that a client asks to put in force.
type Change struct {
	// Policy is the absolute path of a file, and Digest that of what the client has read there.
	Policy string `json:"policy,omitempty"`
	Digest string `json:"digest,omitempty"`
}

// ModeChange is the mode that a client asks for, instead of the policy's own; empty: they hold.
type ModeChange struct {
	Mode policy.Mode `json:"mode"`
}

// Refusal is an error that whoever asked can do something about.
type Refusal struct{ Err error }

func (r *Refusal) Error() string { return r.Err.Error() }
func (r *Refusal) Unwrap() error { return r.Err }

// Sensor is one family of observation and how it observes.
type Sensor struct {
	Name string `json:"name"`
	// Evidence is the rung in use; empty for a sensor that is off.
	Evidence event.Evidence `json:"evidence,omitempty"`
	// Note says why it is off or not on its best rung.
	Note string `json:"note,omitempty"`
}

// Violations counts them by severity; WouldDeny is how many of them enforce mode would have refused.
type Violations struct {
	BySeverity map[event.Severity]uint64 `json:"by_severity"`
	WouldDeny  uint64                    `json:"would_deny"`
}

// Total returns the number of violations of every severity.
func (v Violations) Total() uint64 {
	var n uint64
	for _, count := range v.BySeverity {
		n += count
	}
	return n
}

// Streams counts the readers of live events.
type Streams struct {
	Open int `json:"open"`
	// Cut counts those that were ended because they did not keep up.
	Cut uint64 `json:"cut"`
}

// Health answers whether the guard serves at all.
type Health struct {
	Status string `json:"status"`
}

// StreamEnd is the last record of an event stream, in place of an event: {"end": ...}. A stream without one broke off.
type StreamEnd struct {
	Reason EndReason `json:"reason"`
	// Delivered is how many events went before.
	Delivered uint64 `json:"delivered"`
}

// EndReason says why a stream ended.
type EndReason string

// The reasons.
const (
	// EndStopped: the guard stops.
	EndStopped EndReason = "stopped"
	// EndTooSlow: the reader did not keep up, and what came after the last event of the stream was not sent to it.
	EndTooSlow EndReason = "too_slow"
)
