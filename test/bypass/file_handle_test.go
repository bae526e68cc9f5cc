//go:build linux

package bypass

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// fileHandleTechniques come to the secret by something else than a path.
func fileHandleTechniques() []technique {
	return []technique{
		{name: "O_PATH and reopen", attempt: reopenPath},
		{name: "O_PATH of the folder", attempt: reopenFolder},
		{name: "O_PATH passed on and reopened", as: "porter", attempt: passOn(unix.O_PATH), then: func(e *Env) error { return steal(e, "/proc/self/fd/3") }},
		{name: "open by handle", attempt: openHandle},
		{name: "open by handle, in a blocked tree", before: plantTree, attempt: openLeafHandle},
		{name: "fanotify event's descriptor", setup: openOften, attempt: stealFromEvent},
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
	return openAndSteal(e, fd, "secret")
}

func openHandle(e *Env) error { return openByHandle(e, e.Secret) }

func openLeafHandle(e *Env) error { return openByHandle(e, e.leaf()) }

// openByHandle opens a file by what its file system calls it, which needs no path. The kernel may make up an entry without
// a name for it, so what it knew by name is forgotten first.
func openByHandle(e *Env, path string) error {
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, path, 0)
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

// openOften has the secret opened again and again by a process that no rule means.
func openOften(e *Env) error {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if f, err := os.Open(e.Secret); err == nil {
					_ = f.Close()
				}
			}
		}
	}()
	e.undo(func() error {
		close(stop)
		<-stopped
		return nil
	})
	return nil
}

// stealFromEvent is told when somebody opens the secret, and given a descriptor of it.
func stealFromEvent(e *Env) error {
	group, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC, unix.O_RDONLY)
	if errors.Is(err, unix.ENOSYS) {
		return lacks("this kernel has no fanotify")
	}
	if err != nil {
		return fmt.Errorf("fanotify_init: %w", err)
	}
	if err := unix.FanotifyMark(group, unix.FAN_MARK_ADD, unix.FAN_OPEN, unix.AT_FDCWD, e.Secret); err != nil {
		return fmt.Errorf("fanotify_mark: %w", err)
	}
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(group), Events: unix.POLLIN}}, 10_000); n != 1 {
		return fmt.Errorf("%w: no event: %w", errRefused, err)
	}
	event := make([]byte, 4096)
	if n, err := unix.Read(group, event); err != nil {
		return fmt.Errorf("read an event: %w", err)
	} else if n < 24 {
		return fmt.Errorf("%w: an event of %d bytes", errRefused, n)
	}
	fd := int32(binary.NativeEndian.Uint32(event[16:]))
	if fd < 0 {
		return fmt.Errorf("the event's descriptor: %w", unix.Errno(-fd))
	}
	return stealFD(e, int(fd))
}
