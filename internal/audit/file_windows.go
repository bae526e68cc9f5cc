package audit

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

func openNoFollow(path string, flags int) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink != 0 {
		return nil, fmt.Errorf("open %s: is a symbolic link", path)
	}
	return os.OpenFile(path, flags, 0o600)
}

// checkOwn refuses what is not a file. Windows has no permission bits: access is what the directory's list grants.
func checkOwn(f *os.File) (wide bool, err error) {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	return false, err
}

// lockFile opens the file for this handle alone; the system closes it with the process.
func lockFile(path string) (*os.File, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := windows.CreateFile(name, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.OPEN_ALWAYS, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, windows.ERROR_SHARING_VIOLATION) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(h), path), nil
}

// syncDir does nothing: Windows does not sync directories.
func syncDir(string) error { return nil }
