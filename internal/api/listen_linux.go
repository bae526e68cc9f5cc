package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxSocketPath is what sockaddr_un holds besides the closing zero.
const maxSocketPath = 107

// listen takes the socket at path. Beside it lies a lock file that the kernel unlocks when the guard ends, however it
// ends: it decides between two guards that start at once, which looking at the socket alone could not.
func listen(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("listen at %s: the path is longer than the %d bytes of a unix socket's name", path, maxSocketPath)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	lock, err := lockSocket(path)
	if err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	config := net.ListenConfig{Control: ownerOnly}
	l, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen at %s: %w", path, err), lock.Close())
	}
	return &lockedListener{Listener: l, lock: lock}, nil
}

// lockSocket opens and locks the file beside the socket. It is never removed: removing it would let two guards hold
// locks on two files of one name.
func lockSocket(path string) (*os.File, error) {
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the socket: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &RunningError{Socket: path}
		}
		return nil, fmt.Errorf("lock %s.lock: %w", path, err)
	}
	return lock, nil
}

// removeStale removes a socket that a dead guard left behind, and nothing else.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listen at %s: %w", path, err)
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("listen at %s: there is a file that is not a socket", path)
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		_ = c.Close()
		return &RunningError{Socket: path}
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("listen at %s: ask who listens there now: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the socket that a dead guard left: %w", err)
	}
	return nil
}

// ownerOnly gives the socket its mode before it is bound: Linux makes the file with the mode of the descriptor, so there
// is no moment at which others could connect (unix_bind_bsd in net/unix/af_unix.c).
func ownerOnly(_, _ string, c syscall.RawConn) error {
	var inner error
	if err := c.Control(func(fd uintptr) { inner = unix.Fchmod(int(fd), 0o600) }); err != nil {
		return err
	}
	return inner
}

// lockedListener gives up the lock after the socket.
type lockedListener struct {
	net.Listener
	lock *os.File
}

func (l *lockedListener) Close() error {
	return errors.Join(l.Listener.Close(), l.lock.Close())
}

// peerOf asks the kernel (SO_PEERCRED, unix(7)): the ids are those of the connecting process at the time of its connect.
func peerOf(c net.Conn) (Peer, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return Peer{}, fmt.Errorf("peer of a %T: not a unix socket", c)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return Peer{}, fmt.Errorf("peer of a connection: %w", err)
	}
	var cred *unix.Ucred
	var inner error
	err = raw.Control(func(fd uintptr) {
		cred, inner = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, inner); err != nil {
		return Peer{}, fmt.Errorf("peer of a connection: %w", err)
	}
	return Peer{PID: int(cred.Pid), UID: cred.Uid}, nil
}
