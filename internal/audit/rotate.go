package audit

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"github.com/stockade-security/stockade/event"
)

// rotateIfDue gives the file a name of its own when it is large or old enough. The next write makes a new one.
func (w *writer) rotateIfDue() {
	if w.file == nil || w.failed != nil || w.first == 0 || w.rotateFailed {
		return
	}
	if w.size < w.cfg.RotateBytes && w.cfg.Now().Sub(w.born) < w.cfg.RotateAge {
		return
	}
	if err := w.rotate(); err != nil {
		w.rotateFailed = true
		w.cfg.Logger.Error("the audit log cannot be rotated", "error", err)
	}
}

func (w *writer) rotate() error {
	name := w.parts.partName(w.cfg.Now(), w.first)
	to := w.parts.path(name + plainExt)
	if exists(to) || exists(w.parts.path(name+packedExt)) {
		return fmt.Errorf("rotate: %s exists", to)
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	w.dirty = false
	// Closing comes first because Windows renames no open file. If the renaming fails, the next write opens the file again.
	err := w.file.Close()
	w.file = nil
	if err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	if err := os.Rename(w.cfg.Path, to); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	w.note(event.KindRetention, "rotate", name+plainExt, w.size)
	w.keep()
	return nil
}

// kept is what became of one round of keeping.
type kept struct {
	excess []part
	err    error
}

// keep packs rotated files and finds out which are too many, in a goroutine of its own that reports to w.kept.
// It does nothing while one runs: that one's end starts the next round.
func (w *writer) keep() {
	w.again = w.keeping
	if w.keeping {
		return
	}
	w.keeping = true
	limit := w.cfg.TotalBytes - w.cfg.RotateBytes
	go func() {
		var result kept
		result.err = w.parts.pack()
		parts, err := w.parts.list()
		result.err = errors.Join(result.err, err)
		result.excess = excess(parts, limit)
		w.kept <- result
	}()
}

// finishKeeping deletes what is too much. The record comes first, so that no crash hides a deletion; while the disk is
// full the record waits, because the deletion may be what makes room for it.
func (w *writer) finishKeeping(result kept) {
	w.keeping = false
	for _, p := range result.excess {
		w.note(event.KindRetention, "delete", p.file(), p.bytes)
	}
	w.retry = true
	w.write(nil)
	result.err = errors.Join(result.err, w.sync())
	for _, p := range result.excess {
		result.err = errors.Join(result.err, w.parts.remove(p))
	}
	if result.err != nil {
		w.cfg.Logger.Error("rotated audit files cannot be kept in order", "error", result.err)
	}
	if w.again {
		w.keep()
	}
}

// pack replaces the series' plain files by packed ones. The packed form appears under its name complete and on the disk
// before the plain one goes, so a crash leaves either or both; a second pack of the same file starts over.
func (s series) pack() error {
	parts, err := s.list()
	for _, p := range parts {
		if p.plain {
			err = errors.Join(err, s.packOne(p.name))
		}
	}
	return err
}

func (s series) packOne(name string) error {
	packed := s.path(name + packedExt)
	if err := packFile(s.path(name+plainExt), packed+tempExt); err != nil {
		return errors.Join(fmt.Errorf("pack %s: %w", name, err), os.Remove(packed+tempExt))
	}
	if err := os.Rename(packed+tempExt, packed); err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	if err := syncDir(s.dir); err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	return os.Remove(s.path(name + plainExt))
}

// packFile writes a packed copy of a file and brings it to the disk.
func packFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	out, err := openNoFollow(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	enc, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(4<<20))
	if err != nil {
		return err
	}
	if _, err := io.Copy(enc, in); err != nil {
		return errors.Join(err, enc.Close())
	}
	return errors.Join(enc.Close(), out.Sync())
}
