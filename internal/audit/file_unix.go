//go:build unix

package audit

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openNoFollow opens or makes a file of mode 0600 and follows no symbolic link in the last element of the path.
func openNoFollow(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW, 0o600)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("open %s: is a symbolic link", path)
	}
	return f, err
}

// checkOwn refuses what someone else may have put there. wide says that the mode gives access to others.
func checkOwn(f *os.File) (wide bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false, err
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return false, errors.New("not a regular file")
	case int(st.Uid) != os.Geteuid():
		return false, fmt.Errorf("belongs to user %d", st.Uid)
	case st.Nlink != 1:
		return false, fmt.Errorf("has %d hard links", st.Nlink)
	}
	return st.Mode&0o7177 != 0, nil
}

func lockFile(path string) (*os.File, error) {
	f, err := openNoFollow(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	if _, err := checkOwn(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// syncDir makes names in a directory outlive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
