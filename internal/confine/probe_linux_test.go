package confine

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// attempt does one access and returns ok, or the name of its error.
func attempt(op string) string {
	verb, rest, _ := strings.Cut(op, ":")
	a, b, _ := strings.Cut(rest, ",")
	var err error
	switch verb {
	case "read":
		_, err = os.ReadFile(a)
	case "list":
		_, err = os.ReadDir(a)
	case "write":
		err = os.WriteFile(a, []byte("x"), 0o644) // creates and truncates
	case "append":
		var f *os.File
		if f, err = os.OpenFile(a, os.O_WRONLY|os.O_APPEND, 0); err == nil {
			err = f.Close()
		}
	case "truncate":
		err = os.Truncate(a, 0)
	case "remove":
		err = os.Remove(a)
	case "chmod":
		err = os.Chmod(a, 0o600)
	case "move":
		err = os.Rename(a, b)
	case "run":
		err = exec.Command(a, b).Run()
	case "memory":
		err = runFromMemory(a)
	case "connect":
		err = dial(a)
	case "fastopen":
		err = fastOpen(a)
	case "bind":
		err = bind(a)
	case "socket":
		err = socket(a)
	case "call":
		n, _ := strconv.ParseUint(a, 0, 64)
		if _, _, errno := unix.RawSyscall(uintptr(n), 0, 0, 0); errno != 0 {
			err = errno
		}
	case "control": // ioctl on a descriptor that there is not
		n, _ := strconv.ParseUint(a, 0, 32)
		_, err = unix.IoctlGetInt(-1, uint(n))
	case "capability":
		n, _ := strconv.Atoi(a)
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var sets [2]unix.CapUserData
		if err = unix.Capget(&header, &sets[0]); err == nil && sets[n/32].Permitted>>(n%32)&1 == 0 {
			return "absent"
		}
	}
	return errorName(err)
}

func errorName(err error) string {
	if err == nil {
		return "ok"
	}
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

func dial(port string) error {
	c, err := net.Dial("tcp4", "127.0.0.1:"+port)
	if err == nil {
		err = c.Close()
	}
	return err
}

func fastOpen(port string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	n, _ := strconv.Atoi(port)
	return unix.Sendto(fd, []byte("x"), unix.MSG_FASTOPEN, &unix.SockaddrInet4{Port: n, Addr: [4]byte{127, 0, 0, 1}})
}

func bind(port string) error {
	l, err := net.Listen("tcp4", "127.0.0.1:"+port)
	if err == nil {
		err = l.Close()
	}
	return err
}

// socket makes one of family/type/protocol.
func socket(numbers string) error {
	var family, kind, protocol int
	if _, err := fmt.Sscanf(numbers, "%d/%d/%d", &family, &kind, &protocol); err != nil {
		return err
	}
	fd, err := unix.Socket(family, kind, protocol)
	if err == nil {
		err = unix.Close(fd)
	}
	return err
}

// runFromMemory starts a copy of a program that no directory holds.
func runFromMemory(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("copy", 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "copy")
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		return err
	}
	return exec.Command(fmt.Sprintf("/proc/self/fd/%d", fd)).Run()
}
