package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ErrLocked means that another process, or another Log or Segments of this one, writes there.
var ErrLocked = errors.New("in use by another process")

// file is what the writers need of *os.File. Write is at the end of the file, whatever its offset.
type file interface {
	io.WriteCloser
	Sync() error
}

// lock takes the lock file at path, which stays when the lock is given up by closing it.
func lock(path string) (io.Closer, error) {
	f, err := lockFile(path)
	if errors.Is(err, ErrLocked) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// exists reports whether something has that name, a dangling link included.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
