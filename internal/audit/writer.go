package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// resume opens the file and finds the end of the chain.
func (w *writer) resume() error {
	f, err := openNoFollow(w.cfg.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return err
	}
	if err := w.resumeFile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if w.tail.seq == 0 {
		if err := w.resumeRotated(); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	w.raw, w.file = f, w.cfg.wrap(f)
	return syncDir(w.parts.dir)
}

func (w *writer) resumeFile(f *os.File) error {
	wide, err := checkOwn(f)
	if err != nil {
		return err
	}
	t, first, err := readTail(f)
	if err != nil {
		return err
	}
	w.tail = t
	if first != nil {
		w.first, w.born = first.Seq, first.Event.Time
	}
	if w.size, err = f.Seek(0, io.SeekEnd); err != nil || !wide {
		return err
	}
	w.note(event.KindGuard, "tighten", w.cfg.Path, 0)
	return f.Chmod(0o600)
}

// resumeRotated takes the chain up from the newest rotated file, when the current one has no record yet. A chain that
// cannot be read starts anew, and a record says so: the guard must run, and Verify will show the break. The numbers stay
// in order, as a file has fewer records than bytes even when it is packed.
func (w *writer) resumeRotated() error {
	parts, err := w.parts.list()
	if err != nil || len(parts) == 0 {
		return err
	}
	newest := parts[len(parts)-1]
	last, err := lastLink(w.parts.path(newest.file()), !newest.plain)
	if err != nil {
		w.tail.seq = newest.number + uint64(newest.bytes)
		w.note(event.KindGuard, "chain_restart", err.Error(), newest.bytes)
		return nil
	}
	w.tail.link = last
	w.note(event.KindRetention, "rotate", newest.name+plainExt, newest.bytes)
	return nil
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

// reopen makes the next file after a rotation, or goes on in the old one when it could not be renamed.
func (w *writer) reopen() error {
	if w.file != nil {
		return nil
	}
	f, err := openNoFollow(w.cfg.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = checkOwn(f)
	}
	if err == nil && size != 0 && size != w.size {
		err = fmt.Errorf("open %s: someone else has written to it", w.cfg.Path)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if size == 0 {
		w.size, w.first, w.tail = 0, 0, tail{link: w.tail.link}
	}
	w.raw, w.file = f, w.cfg.wrap(f)
	return syncDir(w.parts.dir)
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

// checkName starts a new file when someone has taken the old one from its name: records must not go where nobody looks.
func (w *writer) checkName() {
	if w.file == nil {
		return
	}
	named, err := os.Lstat(w.cfg.Path)
	if err == nil {
		if open, err := w.raw.Stat(); err != nil || os.SameFile(named, open) {
			return
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return
	}
	w.note(event.KindGuard, "file_gone", w.cfg.Path, w.size)
	if err := w.file.Close(); err != nil {
		w.cfg.Logger.Error("close the audit log that lost its name", "error", err)
	}
	w.file = nil
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
	err := w.sync()
	if n := len(w.own); n > 0 {
		err = errors.Join(err, fmt.Errorf("close audit log: %d records about the log itself are not written", n))
	}
	if w.file != nil {
		err = errors.Join(err, w.file.Close())
	}
	return errors.Join(err, w.held.Close())
}

// exists reports whether something has that name, a dangling link included.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
