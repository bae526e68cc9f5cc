//go:build linux

package bypass

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// fileHandleTechniques come to the secret by something else than a path.
func fileHandleTechniques() []technique {
	return []technique{
		{name: "O_PATH and reopen", attempt: reopenPath},
		{name: "O_PATH and fchdir", attempt: reopenFolder},
		{name: "open by handle", attempt: openHandle},
	}
}

// reopenPath opens the secret for its name alone, which is no access, and then what that descriptor stands for.
func reopenPath(e *Env) error {
	fd, err := unix.Open(e.Secret, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	return steal(e, fmt.Sprintf("/proc/self/fd/%d", fd))
}

// reopenFolder makes the path of the secret short.
func reopenFolder(e *Env) error {
	fd, err := unix.Open(e.Vault, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	secret, err := unix.Openat(fd, "secret", unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return stealFD(e, secret)
}

// openHandle opens the secret by what the file system calls it, which needs no path.
func openHandle(e *Env) error {
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, e.Secret, 0)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return lacks("this file system gives no handles")
	}
	if err != nil {
		return fmt.Errorf("name to handle: %w", err)
	}
	mount, err := unix.Open(e.Work, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	fd, err := unix.OpenByHandleAt(mount, handle, unix.O_RDONLY)
	if err != nil {
		return fmt.Errorf("open by handle: %w", err)
	}
	return stealFD(e, fd)
}
