// Package audit keeps what the guard saw and decided, in two forms. Log is the audit log: one JSON record a line for
// every decision, posture fact, loss and act of the guard, each holding the hash of the one before, so that Verify finds
// what was altered, removed or reordered. Segments holds every event, packed. Scan reads either back.
//
// It refuses to rewrite a record, to write into a file that is not its own, to share a file with another process, to block
// whoever hands it an event, and to drop an event without counting it. It cannot tell whether the end of a log was
// cut off, or a whole log replaced by another that is consistent in itself: that takes a signature kept elsewhere.
package audit

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/stockade-security/stockade/event"
)

// The causes under which events are counted that were handed over and did not reach a file.
const (
	CauseLogQueueFull      = "audit_queue_full"
	CauseLogWriteError     = "audit_write_error"
	CauseSegmentQueueFull  = "segment_queue_full"
	CauseSegmentWriteError = "segment_write_error"
)

// Config says where a Log is kept and how much of it. Path is required; every other zero value means its default.
type Config struct {
	// Path is the file being written. Rotated files stand beside it.
	Path string
	// Host and BootID go into every record. Host defaults to the host's name.
	Host, BootID string
	// PolicyDigest names the policy in force at first; see Log.SetPolicyDigest.
	PolicyDigest string
	// RotateBytes and RotateAge end a file, whichever comes first: 64 MiB and 24 hours.
	RotateBytes int64
	RotateAge   time.Duration
	// TotalBytes bounds the log with its rotated files, at least twice RotateBytes: 1 GiB. While a file
	// is being packed its copy comes on top.
	TotalBytes int64
	// SyncInterval is the time from write to fsync, and between attempts after a failed write: 1 s.
	SyncInterval time.Duration
	// QueueLen is how many events wait at most: 16,384.
	QueueLen int
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Logger gets one line when writing starts to fail and one when it works again; nil: none.
	Logger *slog.Logger

	// wrap stands between the log and its file in tests.
	wrap func(file) file
}

func (c *Config) complete() error {
	if c.Path == "" {
		return fmt.Errorf("open audit log: no path")
	}
	if c.Host == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("open audit log: %w", err)
		}
		c.Host = name
	}
	c.RotateBytes = cmp.Or(c.RotateBytes, 64<<20)
	c.RotateAge = cmp.Or(c.RotateAge, 24*time.Hour)
	c.TotalBytes = cmp.Or(c.TotalBytes, max(1<<30, 2*c.RotateBytes))
	c.SyncInterval = cmp.Or(c.SyncInterval, time.Second)
	c.QueueLen = cmp.Or(c.QueueLen, 16384)
	if c.TotalBytes < 2*c.RotateBytes {
		return fmt.Errorf("open audit log %s: a total of %d bytes is less than two files of %d", c.Path, c.TotalBytes, c.RotateBytes)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.wrap == nil {
		c.wrap = func(f file) file { return f }
	}
	return nil
}

// Recorded reports whether an event belongs into the audit log: a decision, a posture fact, a loss, or an act of the guard.
func Recorded(e *event.Event) bool {
	switch e.Kind {
	case event.KindPosture, event.KindLoss, event.KindGuard, event.KindRetention:
		return true
	default:
		return len(e.Violations) > 0
	}
}
