// Package api is how the verbs talk to a running guard: JSON over HTTP under /v1 on a unix socket, for root alone.
// The server asks the kernel who is at the other end of a connection and refuses everybody else; it never waits for a
// slow reader of events, and it holds no state of the guard but what its Daemon tells.
package api

import (
	"time"

	"github.com/stockade-security/stockade/event"
)

// Daemon is the guard as the server needs it. All methods may be called from many goroutines at once.
type Daemon interface {
	// Status returns the state at this moment. It returns soon and its maps belong to the caller.
	Status() Status
	// Stop asks the guard to end and returns at once. It may be called more than once.
	Stop()
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
	Mode    string   `json:"mode"`
	Policy  Policy   `json:"policy"`
	Sensors []Sensor `json:"sensors"`
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
