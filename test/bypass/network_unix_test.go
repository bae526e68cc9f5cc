//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// UNIX sockets that a policy names by path and by abstract name.

func unixTechniques(w *world) []technique {
	stream := func(name func(*Env) (string, error)) func(*Env) error {
		return func(e *Env) error {
			path, err := name(e)
			if err != nil {
				return err
			}
			return call(unix.AF_UNIX, unix.SOCK_STREAM, 0, &unix.SockaddrUnix{Name: path})
		}
	}
	own := w.ownSocket // a socket for those techniques that change its name
	return []technique{
		{name: "unix stream", attempt: stream(forbiddenPath)},
		{name: "unix stream, abstract", attempt: stream(func(*Env) (string, error) { return abstractName("stream"), nil })},
		{name: "unix datagrams", attempt: doUnixDatagram(func(e *Env) string { return beside(e, datagramName) }, true)},
		{name: "unix datagrams, abstract", attempt: doUnixDatagram(func(*Env) string { return abstractName("datagrams") }, true)},
		{name: "unix datagrams, unconnected", attempt: doUnixDatagram(func(e *Env) string { return beside(e, datagramName) }, false)},
		{name: "unix datagrams, unconnected and abstract", attempt: doUnixDatagram(func(*Env) string { return abstractName("datagrams") }, false)},
		{name: "unix stream by io_uring", attempt: doUnixRing},
		{name: "unix stream, relative", attempt: stream(func(e *Env) (string, error) { return streamName, os.Chdir(filepath.Dir(e.Bin)) })},
		{name: "unix stream by /proc/self/root", attempt: stream(func(e *Env) (string, error) { return "/proc/self/root" + beside(e, streamName), nil })},
		{name: "unix stream by symbolic link", attempt: stream(func(e *Env) (string, error) {
			return e.work("link"), os.Symlink(beside(e, streamName), e.work("link"))
		})},
		{name: "unix stream by descriptor", attempt: stream(func(e *Env) (string, error) {
			fd, err := unix.Open(beside(e, streamName), unix.O_PATH, 0)
			return fmt.Sprintf("/proc/self/fd/%d", fd), err
		})},
		{name: "unix stream by hard link", attempt: stream(func(e *Env) (string, error) {
			return e.work("hard"), os.Link(beside(e, streamName), e.work("hard"))
		})},
		{name: "unix stream, bound elsewhere", attempt: doUnixMounted},
		{name: "unix stream in a chroot", attempt: stream(func(e *Env) (string, error) { return "/" + streamName, unix.Chroot(filepath.Dir(e.Bin)) })},
		{name: "unix stream, renamed", setup: own, attempt: stream(func(e *Env) (string, error) {
			return e.work("renamed"), os.Rename(e.vault(streamName), e.work("renamed"))
		})},
		{name: "unix stream, passed connected", attempt: given("local", func(_ *Env, fd int) error { return ask(fd) })},
		inherited("unix stream, inherited connected", "local", func(_ *Env, fd int) error { return ask(fd) }),
	}
}

// beside is a path in the directory of all the techniques.
func beside(e *Env, name string) string { return filepath.Join(filepath.Dir(e.Bin), name) }

func forbiddenPath(e *Env) (string, error) { return beside(e, streamName), nil }

// ownSocket opens a service in the technique's vault.
func (w *world) ownSocket(e *Env) error {
	l, err := net.Listen("unix", e.vault(streamName))
	if err != nil {
		return err
	}
	w.accept(l)
	e.undo(l.Close)
	return nil
}

// doUnixDatagram needs a name of its own for the answer.
func doUnixDatagram(name func(*Env) string, connect bool) func(*Env) error {
	return bySocket(unix.AF_UNIX, unix.SOCK_DGRAM, 0, func(e *Env, fd int) error {
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: e.work("own.sock")}); err != nil {
			return err
		}
		to := &unix.SockaddrUnix{Name: name(e)}
		if connect {
			return callBy(fd, to)
		}
		if err := unix.Sendto(fd, []byte(question), 0, to); err != nil {
			return fmt.Errorf("sendto: %w", err)
		}
		return hear(fd)
	})
}

func doUnixRing(e *Env) error {
	return bySocket(unix.AF_UNIX, unix.SOCK_STREAM, 0, func(e *Env, fd int) error {
		return withRing(0, func(r *ring, pin *pinner) error {
			if err := r.connect(pin, fd, &unix.SockaddrUnix{Name: beside(e, streamName)}); err != nil {
				return err
			}
			return ask(fd)
		})
	})(e)
}

// doUnixMounted makes the directory appear elsewhere, in mounts that are the attacker's alone.
func doUnixMounted(e *Env) error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	err := errors.Join(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount(filepath.Dir(e.Bin), e.Work, "", unix.MS_BIND, ""))
	if err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	return call(unix.AF_UNIX, unix.SOCK_STREAM, 0, &unix.SockaddrUnix{Name: e.work(streamName)})
}
