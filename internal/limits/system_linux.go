package limits

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

var errGone = errors.New("it has ended meanwhile")

// kill ends the process that was measured and no other: once it is held by a descriptor its number cannot become another's,
// and its start tells whether that had happened before.
func kill(procfs string, u usage) error {
	fd, err := unix.PidfdOpen(u.pid, 0)
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer unix.Close(fd)
	if now, err := measure(procfs, u.pid); err != nil || now.start != u.start {
		return errGone
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil {
		return fmt.Errorf("pidfd_send_signal: %w", err)
	}
	return nil
}

// directoryID is the inode number, 0 if there is none.
func directoryID(name string) uint64 {
	info, err := os.Stat(name)
	if err != nil {
		return 0
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return st.Ino
}
