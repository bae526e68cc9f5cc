//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// loop is one thing to be timed.
type loop struct {
	name string
	// what tells a reader of the table what one round of the loop does.
	what string
	// aim is the ratio to stay under; lsmOnly: where LSM programs can be attached.
	aim     float64
	lsmOnly bool
}

// loops lists them in the order of the table.
func loops() []loop {
	return []loop{
		{"exec", "vfork and exec `/bin/true`, wait for it", 1.05, false},
		{"open", "open a file for reading, close it", 1.4, false},
		{"connect_refused", "socket, connect to a closed TCP port, close", 1.1, false},
		{"connect_accept", "socket, connect to a TCP listener, accept, close both", 1.1, false},
		{"connect_udp", "socket, connect to a UDP port, close", 1.1, false},
		{"getpid", "getpid", 1, true},
	}
}

func loopNames() []string {
	var names []string
	for _, l := range loops() {
		names = append(names, l.name)
	}
	return names
}

// operations returns what each loop does once. What they need lies in dir and lives as long as the process; none but exec
// makes garbage.
func operations(dir string) (map[string]func() error, error) {
	file := filepath.Join(dir, "opened")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		return nil, err
	}
	path, err := syscall.BytePtrFromString(file)
	if err != nil {
		return nil, err
	}
	closed, _, err := bound(unix.SOCK_STREAM) // held and never listening, so that nobody else gets the port
	if err != nil {
		return nil, err
	}
	open, listener, err := bound(unix.SOCK_STREAM)
	if err != nil {
		return nil, err
	}
	if err := unix.Listen(listener, 16); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	peer, _, err := bound(unix.SOCK_DGRAM)
	if err != nil {
		return nil, err
	}
	return map[string]func() error{
		"exec":            execTrue,
		"open":            func() error { return openClose(path) },
		"connect_refused": func() error { return connectRefused(&closed) },
		"connect_accept":  func() error { return connectAccept(&open, listener) },
		"connect_udp":     func() error { return connectUDP(&peer) },
		"getpid":          getpid,
	}, nil
}

// bound returns a socket that is bound to a free port of the loopback interface.
func bound(kind int) (addr unix.RawSockaddrInet4, fd int, err error) {
	if fd, err = unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0); err != nil {
		return addr, fd, fmt.Errorf("socket: %w", err)
	}
	if err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return addr, fd, fmt.Errorf("bind: %w", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return addr, fd, fmt.Errorf("getsockname: %w", err)
	}
	port := name.(*unix.SockaddrInet4).Port
	addr = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: [4]byte{127, 0, 0, 1}}
	bigEndian := (*[2]byte)(unsafe.Pointer(&addr.Port))
	bigEndian[0], bigEndian[1] = byte(port>>8), byte(port)
	return addr, fd, nil
}

// execTrue goes through the runtime, whose pipe between parent and child costs some microseconds of the total.
func execTrue() error {
	pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{})
	if err != nil {
		return fmt.Errorf("exec /bin/true: %w", err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		return fmt.Errorf("wait: %w", err)
	}
	if status != 0 {
		return fmt.Errorf("/bin/true: status %#x", status)
	}
	return nil
}

// The rest makes raw system calls: the runtime's own bookkeeping around a call costs as much as getpid does.

func openClose(path *byte) error {
	fd, _, errno := unix.RawSyscall6(unix.SYS_OPENAT, ^uintptr(99), uintptr(unsafe.Pointer(path)), unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("open: %w", errno)
	}
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	return nil
}

func connectRefused(to *unix.RawSockaddrInet4) error {
	fd, errno := connect(unix.SOCK_STREAM, to)
	if errno != unix.ECONNREFUSED {
		return fmt.Errorf("connect to a closed port: %w", errno)
	}
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	return nil
}

func connectUDP(to *unix.RawSockaddrInet4) error {
	fd, errno := connect(unix.SOCK_DGRAM, to)
	if errno != 0 {
		return fmt.Errorf("connect by UDP: %w", errno)
	}
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	return nil
}

// connectAccept ends with a reset, so that no port waits a minute for late packets and the loop never runs out of them.
func connectAccept(to *unix.RawSockaddrInet4, listener int) error {
	fd, errno := connect(unix.SOCK_STREAM, to)
	if errno != 0 {
		return fmt.Errorf("connect: %w", errno)
	}
	other, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return fmt.Errorf("accept: %w", errno)
	}
	reset := unix.Linger{Onoff: 1}
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&reset)), unsafe.Sizeof(reset), 0)
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, other, 0, 0)
	return nil
}

func connect(kind int, to *unix.RawSockaddrInet4) (fd uintptr, errno syscall.Errno) {
	fd, _, errno = unix.RawSyscall(unix.SYS_SOCKET, unix.AF_INET, uintptr(kind|unix.SOCK_CLOEXEC), 0)
	if errno != 0 {
		return 0, errno
	}
	_, _, errno = unix.RawSyscall(unix.SYS_CONNECT, fd, uintptr(unsafe.Pointer(to)), unsafe.Sizeof(*to))
	return fd, errno
}

func getpid() error {
	_, _, _ = unix.RawSyscall(unix.SYS_GETPID, 0, 0, 0)
	return nil
}
