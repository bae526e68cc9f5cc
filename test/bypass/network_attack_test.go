//go:build linux

package bypass

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the techniques against network rules are made of. All of it makes system calls by itself, on the thread that it is
// called on: the runtime's own network code would wait, retry and fall back.

// unanswered turns the ways in which the kernel says that nobody answered into a refusal: packets were dropped.
func unanswered(err error) error {
	for _, silence := range []error{unix.EAGAIN, unix.EINPROGRESS, unix.ETIMEDOUT} {
		if errors.Is(err, silence) {
			return fmt.Errorf("%w: no answer came (%w)", errRefused, err)
		}
	}
	return err
}

// unfair is an error of what is allowed: it must not count as a refusal of what is forbidden.
func unfair(what string, err error) error { return errors.New(what + ": " + err.Error()) }

// socket makes one whose calls wait for answerTime at most. A protocol that the kernel does not have is lacking.
func socket(family, kind, protocol int) (int, error) {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		for _, missing := range []error{unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT, unix.ESOCKTNOSUPPORT, unix.ENOPROTOOPT} {
			if errors.Is(err, missing) {
				return -1, lacks(fmt.Sprintf("no sockets of family %d, type %d, protocol %d: %v", family, kind, protocol, err))
			}
		}
		return -1, fmt.Errorf("socket: %w", err)
	}
	return fd, impatient(fd)
}

func impatient(fd int) error {
	limit := unix.NsecToTimeval(int64(answerTime))
	return errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit), unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit))
}

// ask knocks at the other end of a connected socket.
func ask(fd int) error {
	if _, err := unix.Write(fd, []byte(question)); err != nil {
		return fmt.Errorf("write: %w", unanswered(err))
	}
	return hear(fd)
}

// hear waits for the answer to a knock.
func hear(fd int) error {
	buf := make([]byte, 100)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	switch {
	case err != nil:
		return fmt.Errorf("receive: %w", unanswered(err))
	case string(buf[:n]) != answer:
		return fmt.Errorf("the other end said %q", buf[:n])
	}
	return nil
}

// call connects a new socket, and asks.
func call(family, kind, protocol int, to unix.Sockaddr) error {
	fd, err := socket(family, kind, protocol)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return callBy(fd, to)
}

func callBy(fd int, to unix.Sockaddr) error {
	if err := unix.Connect(fd, to); err != nil {
		return fmt.Errorf("connect: %w", unanswered(err))
	}
	return ask(fd)
}

// caller is a technique's attempt that is no more than a call.
func caller(family, kind, protocol int, to unix.Sockaddr) func(*Env) error {
	return func(*Env) error { return call(family, kind, protocol, to) }
}

// bySocket is an attempt with a socket of its own.
func bySocket(family, kind, protocol int, do func(e *Env, fd int) error) func(*Env) error {
	return func(e *Env) error {
		fd, err := socket(family, kind, protocol)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		return do(e, fd)
	}
}

// rawAddress is an address as the kernel reads it.
func rawAddress(to unix.Sockaddr) []byte {
	var b []byte
	switch a := to.(type) {
	case *unix.SockaddrInet4:
		b = binary.NativeEndian.AppendUint16(b, unix.AF_INET)
		b = binary.BigEndian.AppendUint16(b, uint16(a.Port))
		b = append(append(b, a.Addr[:]...), make([]byte, 8)...)
	case *unix.SockaddrInet6:
		b = binary.NativeEndian.AppendUint16(b, unix.AF_INET6)
		b = binary.BigEndian.AppendUint16(b, uint16(a.Port))
		b = append(append(b, make([]byte, 4)...), a.Addr[:]...)
		b = binary.NativeEndian.AppendUint32(b, a.ZoneId)
	case *unix.SockaddrUnix:
		b = binary.NativeEndian.AppendUint16(b, unix.AF_UNIX)
		b = append(b, a.Name...)
	}
	return b
}

// syscallAddress makes one of the calls that take a descriptor, an address and its length.
func syscallAddress(number uintptr, fd int, address []byte) error {
	if _, _, e := unix.Syscall(number, uintptr(fd), uintptr(unsafe.Pointer(&address[0])), uintptr(len(address))); e != 0 {
		return e
	}
	return nil
}

// knockTo sends a knock without a connection, by sendto(2).
func knockTo(fd, flags int, address []byte) error {
	text := []byte(question)
	_, _, e := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&text[0])), uintptr(len(text)), uintptr(flags),
		uintptr(unsafe.Pointer(&address[0])), uintptr(len(address)))
	if e == unix.EOPNOTSUPP {
		return lacks("this protocol cannot send that way")
	}
	if e != 0 {
		return fmt.Errorf("sendto: %w", unanswered(e))
	}
	return nil
}

// helped asks the one who stands by, whom no rule means, for something that is said in words and with a descriptor (-1: without).
// What is said and given in return is used while the helper waits.
func helped(e *Env, words string, fd int, use func(said string, fd int) error) error {
	c, err := socket(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(c) }()
	if err := unix.Connect(c, &unix.SockaddrUnix{Name: filepath.Join(filepath.Dir(e.Bin), helperName)}); err != nil {
		return unfair("reach the helper, which is allowed", err)
	}
	var rights []byte
	if fd >= 0 {
		rights = unix.UnixRights(fd)
	}
	if err := unix.Sendmsg(c, []byte(words), rights, nil, 0); err != nil {
		return fmt.Errorf("send a descriptor: %w", err)
	}
	buf, control := make([]byte, 1000), make([]byte, unix.CmsgSpace(4))
	n, m, flags, _, err := unix.Recvmsg(c, buf, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return fmt.Errorf("receive from the helper: %w", err)
	}
	said, ok := strings.CutPrefix(string(buf[:n]), "ok")
	switch {
	case !ok:
		return fmt.Errorf("%w: the helper: %s", errRefused, buf[:n])
	case flags&unix.MSG_CTRUNC != 0:
		return fmt.Errorf("%w: the descriptor was taken out of the message", errRefused)
	}
	given := -1
	if messages, err := unix.ParseSocketControlMessage(control[:m]); err == nil && len(messages) == 1 {
		if fds, err := unix.ParseUnixRights(&messages[0]); err == nil && len(fds) == 1 {
			given = fds[0]
			defer func() { _ = unix.Close(given) }()
		}
	}
	return use(strings.TrimSpace(said), given)
}

// given is an attempt with a descriptor that the helper passes on.
func given(words string, do func(e *Env, fd int) error) func(*Env) error {
	return func(e *Env) error {
		return helped(e, words, -1, func(_ string, fd int) error {
			if fd < 0 {
				return fmt.Errorf("%w: the message came without its descriptor", errRefused)
			}
			if err := impatient(fd); err != nil {
				return err
			}
			return do(e, fd)
		})
	}
}

// waitFile waits for a file that somebody else writes, and returns what is in it. It appears under its name when it is whole.
func waitFile(path string, limit time.Duration) (string, error) {
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		if data, err := os.ReadFile(path); err == nil {
			return string(data), nil
		} else if time.Now().After(deadline) {
			return "", fmt.Errorf("%s did not appear in %s", path, limit)
		}
	}
}

func writeWhole(path, text string) error {
	return errors.Join(os.WriteFile(path+".new", []byte(text), 0o666), os.Rename(path+".new", path))
}
