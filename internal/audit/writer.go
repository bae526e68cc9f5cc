package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/stockade-security/stockade/event"
)

// chunkBytes is about how much one write(2) takes.
const chunkBytes = 256 << 10

// writer owns the log's file. Only the log's goroutine uses it.
type writer struct {
	cfg    Config
	parts  series
	losses *ledger
	digest func() *string
	ids    string
	held   io.Closer

	// file is nil between a rotation and the next write. raw is what stands below it.
	file file
	raw  *os.File
	tail tail
	size int64
	// first is the number of the file's first record, 0 when there is none, and born that record's time.
	first uint64
	born  time.Time
	dirty bool
	// own are the log's records about itself that are still to be written, before all others.
	own []*event.Event
	// failed is the error that keeps the file from being written; retry says that it is time to try again.
	failed error
	retry  bool

	// syncFailed and rotateFailed keep a lasting failure from being reported again and again.
	syncFailed, rotateFailed bool
	// keeping: a goroutine packs rotated files and will report to kept; again: another round is due after it.
	keeping, again bool
	kept           chan kept

	buf   []byte
	ends  []int
	links []link
}

// note queues a record of the log about itself.
func (w *writer) note(kind event.Kind, action, detail string, bytes int64) {
	w.own = append(w.own, w.ownEvent(kind, &event.Guard{Action: action, Detail: detail, Bytes: bytes}))
}

func (w *writer) ownEvent(kind event.Kind, g *event.Guard) *event.Event {
	return &event.Event{Time: w.cfg.Now(), Kind: kind, Evidence: event.EvidenceGuard, Guard: g}
}

// write writes what the log has to say about itself and then the entries. What does not get into the file is counted.
func (w *writer) write(entries []entry) {
	if w.failed != nil && !w.retry {
		w.losses.add(CauseLogWriteError, len(entries))
		return
	}
	w.retry = false
	if err := w.writeOwn(); err != nil {
		w.fail(err)
		w.losses.add(CauseLogWriteError, len(entries))
		return
	}
	for len(entries) > 0 {
		used, written, err := w.writeChunk(entries)
		w.losses.add(CauseLogWriteError, used-written)
		entries = entries[used:]
		if err != nil {
			w.fail(err)
			w.losses.add(CauseLogWriteError, len(entries))
			return
		}
		w.rotateIfDue()
	}
}

// writeOwn brings the log's own records into the file: first those that could not be written before, then new losses.
func (w *writer) writeOwn() error {
	for round := range 2 {
		if round == 1 {
			for _, loss := range w.losses.settle() {
				w.own = append(w.own, &event.Event{Time: w.cfg.Now(), Kind: event.KindLoss, Evidence: event.EvidenceGuard, Loss: &loss})
			}
		}
		entries := make([]entry, len(w.own))
		for i, e := range w.own {
			entries[i] = entry{e, *w.digest()}
		}
		if len(entries) == 0 && w.tail.torn == 0 {
			continue
		}
		used, written, err := w.writeChunk(entries)
		if err != nil {
			w.own = w.own[written:]
			return err
		}
		w.own = w.own[used:]
	}
	return nil
}

// fail notes that the file cannot be written now.
func (w *writer) fail(err error) {
	if w.failed == nil {
		w.cfg.Logger.Error("the audit log cannot be written", "error", err)
	}
	w.failed = err
}

// writeChunk writes entries from the front until the chunk is full. used is how many it took, written how many of these
// are in the file: fewer after an error, or when one cannot be encoded.
func (w *writer) writeChunk(entries []entry) (used, written int, err error) {
	if err := w.reopen(); err != nil {
		return len(entries), 0, err
	}
	w.buf, w.ends, w.links = w.buf[:0], w.ends[:0], w.links[:0]
	if w.tail.midline {
		w.buf = append(w.buf, '\n')
	}
	at, before := w.tail.link, 0
	if w.tail.torn > 0 {
		before = 1
		g := &event.Guard{Action: "torn", Detail: "the text before this record was cut off", Bytes: w.tail.torn}
		at = w.encode(entry{w.ownEvent(event.KindGuard, g), *w.digest()}, at)
	}
	for used < len(entries) && len(w.buf) < chunkBytes {
		at = w.encode(entries[used], at)
		used++
	}
	n, err := w.file.Write(w.buf)
	w.size += int64(n)
	w.dirty = w.dirty || n > 0
	if written = w.tail.advance(w.buf, n, w.ends, w.links) - before; written < 0 {
		written = 0
	}
	if w.first == 0 && written > 0 {
		w.first, w.born = w.links[before].seq, w.cfg.Now()
	}
	if err != nil {
		return used, written, fmt.Errorf("write: %w", err)
	}
	if w.failed != nil {
		w.cfg.Logger.Info("the audit log is written again")
		w.failed = nil
	}
	return used, written, nil
}

// encode adds a record to the chunk. One that cannot be encoded is left out, and so not among those written.
func (w *writer) encode(e entry, at link) link {
	r := Record{
		Schema: event.Schema, Host: w.cfg.Host, BootID: w.cfg.BootID, PolicyDigest: e.digest,
		Seq: at.seq + 1, PrevHash: at.hash, Event: e.event,
	}
	if e.event.ID == "" {
		named := *e.event
		named.ID = "audit-" + w.ids + "-" + strconv.FormatUint(r.Seq, 10)
		r.Event = &named
	}
	r.ID = r.Event.ID
	start := len(w.buf)
	buf, err := appendRecord(w.buf, &r)
	w.buf = buf
	if err != nil {
		w.cfg.Logger.Error("an event cannot be recorded", "id", r.ID, "error", err)
		return at
	}
	at = at.after(w.buf[start:])
	w.buf = append(w.buf, '\n')
	w.ends, w.links = append(w.ends, len(w.buf)), append(w.links, at)
	return at
}

// tick does what is due once in a SyncInterval.
func (w *writer) tick() {
	w.rotateFailed, w.retry = false, true
	w.checkName()
	w.write(nil)
	if err := w.sync(); err == nil {
		w.syncFailed = false
	} else if w.failed == nil && !w.syncFailed {
		w.syncFailed = true
		w.note(event.KindGuard, "sync_error", err.Error(), 0)
	}
	w.rotateIfDue()
}

func (w *writer) sync() error {
	if w.failed != nil {
		return w.failed
	}
	if !w.dirty || w.file == nil {
		return nil
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("sync audit log: %w", err)
	}
	w.dirty = false
	return nil
}

// close waits for the files' keeper, writes what is left to say, and gives the log up.
func (w *writer) close() error {
	for w.keeping {
		w.finishKeeping(<-w.kept)
	}
	w.retry = true
	w.write(nil)
	err := w.sync()
	if n := len(w.own); n > 0 {
		err = errors.Join(err, fmt.Errorf("close audit log: %d records about the log itself are not written", n))
	}
	if w.file != nil {
		err = errors.Join(err, w.file.Close())
	}
	return errors.Join(err, w.held.Close())
}
