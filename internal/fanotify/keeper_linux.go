package fanotify

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Keep is the keeper: it watches over the process that started it (see Config.Keeper) until that ends, and returns nil
// then. From a group of which nothing is heard for longer than bound it takes the marks, and lets everything through that
// waits; when the group moves again its marks come back. conn is descriptor 3.
//
// Without a keeper, a guard must never start a program that is itself marked, or whose directory is: Go's thread that starts
// one waits for execve without letting the garbage collector stop the others (os/exec uses vfork), so that sooner or later
// the one that is to answer stands still for good. With one, that costs a release.
//
// A keeper holds the groups open, but nobody waits for that: it ends with the guard, and with it they do.
func Keep(conn *os.File, bound time.Duration) error {
	k := keeper{conn: int(conn.Fd()), guard: os.Getppid(), groups: map[uint64]*kept{}}
	if err := k.say(0, 0); err != nil {
		return err
	}
	for {
		more, err := k.hear(bound / 8)
		if err != nil {
			return err
		}
		if k.ended {
			return nil
		}
		if !more { // all that was said is heard
			k.look(bound)
		}
	}
}

type keeper struct {
	conn   int
	guard  int // its pid
	groups map[uint64]*kept
	ended  bool
}

// kept is a group; free while the keeper answers for it.
type kept struct {
	fd    int
	heard time.Time
	free  bool
	n     uint64
}

// hear takes one packet, or waits for one.
func (k *keeper) hear(wait time.Duration) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(k.conn), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, max(1, int(wait.Milliseconds())))
	if n == 0 || errors.Is(err, unix.EINTR) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("watch the guard: %w", err)
	}
	packet, rights := make([]byte, 9), make([]byte, unix.CmsgSpace(4))
	got, space, _, _, err := unix.Recvmsg(k.conn, packet, rights, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return false, nil
	case errors.Is(err, unix.ECONNRESET) || err == nil && got == 0:
		k.ended = true
		return false, nil
	case err != nil || got != len(packet):
		return false, fmt.Errorf("listen to the guard: %d bytes, %w", got, err)
	}
	return true, k.take(packet[0], binary.NativeEndian.Uint64(packet[1:]), rights[:space])
}

func (k *keeper) take(what byte, id uint64, rights []byte) error {
	g := k.groups[id]
	switch {
	case what == sayGuard:
		fd, err := descriptor(rights)
		if err != nil {
			return fmt.Errorf("take a group: %w", err)
		}
		k.groups[id] = &kept{fd: fd, heard: time.Now()}
	case g == nil:
	case what == sayDrop:
		_ = unix.Close(g.fd)
		delete(k.groups, id)
	case what == sayBeat:
		g.heard = time.Now()
		if g.free {
			g.free = false
			return k.say(id, g.n)
		}
	}
	return nil
}

func descriptor(rights []byte) (int, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 {
		return -1, errors.Join(err, errors.New("no descriptor came with it"))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.Join(err, errors.New("no descriptor came with it"))
	}
	return fds[0], nil
}

func (k *keeper) say(group, n uint64) error {
	packet := binary.NativeEndian.AppendUint64(nil, group)
	_, err := unix.Write(k.conn, binary.NativeEndian.AppendUint64(packet, n))
	if err != nil && !errors.Is(err, unix.EPIPE) {
		return fmt.Errorf("tell the guard: %w", err)
	}
	return nil
}

// look answers for groups that stand still.
func (k *keeper) look(bound time.Duration) {
	for _, g := range k.groups {
		if !g.free && time.Since(g.heard) > bound {
			g.free, g.n = true, 0
			// Without its marks a group is asked nothing new. Should that fail, each look goes on to answer.
			_ = unix.FanotifyMark(g.fd, unix.FAN_MARK_FLUSH, 0, unix.AT_FDCWD, "")
			g.n = k.releaseRead(g)
		}
		if g.free {
			g.n += releaseQueue(g)
		}
	}
}

// releaseRead answers what the guard has read. The kernel knows a question by the number that its descriptor has there, and
// refuses numbers that are none.
func (k *keeper) releaseRead(g *kept) (n uint64) {
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(k.guard), "fd"))
	if err != nil {
		return 0 // it has ended
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && g.allow(fd) {
			n++
		}
	}
	return n
}

// releaseQueue answers what nobody has read yet.
func releaseQueue(g *kept) (n uint64) {
	buf := make([]byte, batch*eventBytes)
	for {
		got, err := unix.Read(g.fd, buf)
		if err != nil || got == 0 {
			return n
		}
		for _, q := range parse(buf[:got]) {
			if q.fd < 0 {
				continue
			}
			if g.allow(q.fd) {
				n++
			}
			_ = unix.Close(q.fd)
		}
	}
}

func (g *kept) allow(fd int) bool {
	_, err := unix.Write(g.fd, response(fd, unix.FAN_ALLOW))
	return err == nil
}
