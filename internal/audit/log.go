package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stockade-security/stockade/event"
)

// Log is the audit log. Its methods are safe for concurrent use and, but for Sync and Close, never wait.
//
// A file that cannot be written costs the records meant for it: they are counted, the log tries again after every
// SyncInterval, and once it succeeds the file holds a loss record with the exact count. What was handed over is what
// the file holds plus what its loss records say.
type Log struct {
	cfg    Config
	digest atomic.Pointer[string]
	queue  *queue[entry]
	losses *ledger
	syncs  chan chan error
	stop   chan struct{}
	done   chan struct{}
	once   sync.Once
	err    error
	writer writer
}

// entry is an event on its way into the log, with the policy in force when it was handed over.
type entry struct {
	event  *event.Event
	digest string
}

// Open opens or creates the audit log at cfg.Path, and its directory with mode 0700. The chain goes on where the
// existing file, or the newest rotated one, ends. A text cut off at the end of the file stays; a record says how long it is.
// Others' access to the file is taken away, with a record of it. A symbolic link, another user's file, a file with
// several names and a file that is not an audit log are errors; a log that is open elsewhere is ErrLocked.
func Open(cfg Config) (*Log, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	dir, base := filepath.Split(cfg.Path)
	dir = filepath.Clean(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	held, err := lock(filepath.Join(dir, "."+base+".lock"))
	if err != nil {
		return nil, fmt.Errorf("open audit log %s: %w", cfg.Path, err)
	}
	l := &Log{
		cfg:    cfg,
		queue:  newQueue[entry](cfg.QueueLen, 1),
		losses: newLedger(cfg.Now),
		syncs:  make(chan chan error),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	l.SetPolicyDigest(cfg.PolicyDigest)
	l.writer = writer{
		cfg:    cfg,
		parts:  series{dir: dir, stem: strings.TrimSuffix(base, plainExt)},
		losses: l.losses,
		digest: l.digest.Load,
		ids:    strconv.FormatInt(time.Now().UnixNano(), 36),
		held:   held,
		kept:   make(chan kept, 1),
	}
	if err := l.writer.resume(); err != nil {
		return nil, errors.Join(fmt.Errorf("open audit log %s: %w", cfg.Path, err), held.Close())
	}
	l.writer.keep()
	go l.run()
	return l, nil
}

// Append hands an event to the log; one that is not Recorded is left out. A full queue costs the event and counts it.
// The log keeps e until it is written. An event without an ID gets one in the record.
func (l *Log) Append(e *event.Event) {
	if Recorded(e) && l.queue.push(entry{e, *l.digest.Load()}) > 0 {
		l.losses.add(CauseLogQueueFull, 1)
	}
}

// AppendBatch is Append for many events at once. The log does not keep the slice.
func (l *Log) AppendBatch(events []*event.Event) {
	digest := *l.digest.Load()
	entries := make([]entry, 0, len(events))
	for _, e := range events {
		if Recorded(e) {
			entries = append(entries, entry{e, digest})
		}
	}
	l.losses.add(CauseLogQueueFull, l.queue.push(entries...))
}

// SetPolicyDigest names the policy in force from now on.
func (l *Log) SetPolicyDigest(digest string) { l.digest.Store(&digest) }

// Losses returns what was lost since Open, one entry for each cause, sorted by cause. The log records these by itself.
func (l *Log) Losses() []event.Loss { return l.losses.totals() }

// Sync waits until what was handed over before is in the file and on the disk, or is known to be lost.
func (l *Log) Sync() error {
	reply := make(chan error, 1)
	select {
	case l.syncs <- reply:
		return <-reply
	case <-l.done:
		return fmt.Errorf("sync audit log: %w", os.ErrClosed)
	}
}

// Close writes what waits and closes the log. It returns an error when something could not be written, recorded or synced.
// It may be called more than once. What is appended after it is counted as lost.
func (l *Log) Close() error {
	l.once.Do(func() { close(l.stop) })
	<-l.done
	return l.err
}

func (l *Log) run() {
	defer close(l.done)
	tick := time.NewTicker(l.cfg.SyncInterval)
	defer tick.Stop()
	var batch []entry
	for {
		select {
		case <-l.queue.wake:
			batch = l.queue.take(batch)
			l.writer.write(batch)
		case <-tick.C:
			l.writer.tick()
		case result := <-l.writer.kept:
			l.writer.finishKeeping(result)
		case reply := <-l.syncs:
			batch = l.queue.take(batch)
			l.writer.retry = true
			l.writer.write(batch)
			reply <- l.writer.sync()
		case <-l.stop:
			l.queue.close()
			batch = l.queue.take(batch)
			l.writer.retry = true
			l.writer.write(batch)
			l.err = l.writer.close()
			return
		}
	}
}
