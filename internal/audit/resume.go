package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/stockade-security/stockade/event"
)

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
