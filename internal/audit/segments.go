package audit

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/stockade-security/stockade/event"
)

// SegmentsConfig says where Segments are kept and how much of them. Dir is required; other zero values mean their defaults.
type SegmentsConfig struct {
	// Dir holds the segments and nothing else.
	Dir string
	// Host and BootID go into every segment's first line.
	Host, BootID string
	// SegmentBytes ends a segment: 64 MiB, packed. TotalBytes bounds all of them, at least twice that: 2 GiB.
	SegmentBytes, TotalBytes int64
	// FlushInterval is how long an event waits at most until the kernel has it: 1 s. A power cut costs more: segments
	// are synced only when they end.
	FlushInterval time.Duration
	// QueueLen is how many events wait at most: 32,768.
	QueueLen int
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Report gets an event for each deleted segment, and for each cause of loss at most one in a FlushInterval. It is
	// called by one goroutine at a time and must not wait; a Log's Append fits. nil: nobody is told.
	Report func(*event.Event)
	// Logger gets one line when writing starts to fail and one when it works again; nil: none.
	Logger *slog.Logger

	// wrap stands between the segments and their files in tests.
	wrap func(segmentFile) segmentFile
}

func (c *SegmentsConfig) complete() error {
	if c.Dir == "" {
		return errors.New("open segments: no directory")
	}
	c.SegmentBytes = cmp.Or(c.SegmentBytes, 64<<20)
	c.TotalBytes = cmp.Or(c.TotalBytes, max(2<<30, 2*c.SegmentBytes))
	c.FlushInterval = cmp.Or(c.FlushInterval, time.Second)
	c.QueueLen = cmp.Or(c.QueueLen, 32768)
	if c.TotalBytes < 2*c.SegmentBytes {
		return fmt.Errorf("open segments %s: a total of %d bytes is less than two segments of %d", c.Dir, c.TotalBytes, c.SegmentBytes)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Report == nil {
		c.Report = func(*event.Event) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.wrap == nil {
		c.wrap = func(f segmentFile) segmentFile { return f }
	}
	return nil
}

// Segments keeps every event, for Scan. Its methods are safe for concurrent use and, but for Close, never wait.
type Segments struct {
	cfg    SegmentsConfig
	queue  *queue[*event.Event]
	losses *ledger
	stop   chan struct{}
	done   chan struct{}
	once   sync.Once
	err    error
	held   io.Closer
	writer segmentWriter
}

// wakeEvents is how many events wake the writer before its time: enough to spare it a switch for each event, few enough
// to keep them in the cache.
const wakeEvents = 512

// OpenSegments starts a new segment in cfg.Dir, which is made with mode 0700 if need be; segments of earlier runs are
// never written again. A directory that is in use elsewhere is ErrLocked.
func OpenSegments(cfg SegmentsConfig) (*Segments, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open segments: %w", err)
	}
	held, err := lock(filepath.Join(cfg.Dir, ".lock"))
	if err != nil {
		return nil, fmt.Errorf("open segments %s: %w", cfg.Dir, err)
	}
	s := &Segments{
		cfg:    cfg,
		queue:  newQueue[*event.Event](cfg.QueueLen, min(wakeEvents, cfg.QueueLen)),
		losses: newLedger(cfg.Now),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
		held:   held,
	}
	if err := s.writer.init(cfg, s.losses); err != nil {
		return nil, errors.Join(fmt.Errorf("open segments %s: %w", cfg.Dir, err), held.Close())
	}
	go s.run()
	return s, nil
}

// Append hands an event over. A full queue costs the event and counts it. The segments keep e until it is written.
func (s *Segments) Append(e *event.Event) {
	s.losses.add(CauseSegmentQueueFull, s.queue.push(e))
}

// AppendBatch is Append for many events at once. The segments do not keep the slice.
func (s *Segments) AppendBatch(events []*event.Event) {
	s.losses.add(CauseSegmentQueueFull, s.queue.push(events...))
}

// Losses returns what was lost since OpenSegments, one entry for each cause, sorted by cause.
func (s *Segments) Losses() []event.Loss { return s.losses.totals() }

// Close writes what waits and ends the segment. It may be called more than once. What is appended after it is counted as lost.
func (s *Segments) Close() error {
	s.once.Do(func() { close(s.stop) })
	<-s.done
	return s.err
}

func (s *Segments) run() {
	defer close(s.done)
	tick := time.NewTicker(s.cfg.FlushInterval)
	defer tick.Stop()
	var batch []*event.Event
	for {
		select {
		case <-s.queue.wake:
			batch = s.queue.take(batch)
			s.writer.add(batch)
		case <-tick.C:
			batch = s.queue.take(batch)
			s.writer.add(batch)
			s.writer.flush()
			s.report()
		case <-s.stop:
			s.queue.close()
			batch = s.queue.take(batch)
			s.writer.add(batch)
			s.err = errors.Join(s.writer.close(), s.held.Close())
			s.report()
			return
		}
	}
}

// report tells of what was lost since the last report.
func (s *Segments) report() {
	for _, loss := range s.losses.settle() {
		s.cfg.Report(&event.Event{Time: s.cfg.Now(), Kind: event.KindLoss, Evidence: event.EvidenceGuard, Loss: &loss})
	}
}
