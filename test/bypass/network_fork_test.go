//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errand is what a child made by clone(2) does without the Go runtime, which does not survive that: no allocation, no growing
// stack, no other threads.
type errand struct {
	depth             int // how many generations down the one is that does it
	socket, result    uintptr
	address, question *byte
	addressBytes      uintptr
	buf               [8]byte
}

// silentChild stands for an answer that is none.
const silentChild = 1000

// forking is an attempt where a child, made with these flags of clone(2), connects a socket of its parent's.
func forking(flags uintptr, depth int) func(*Env) error {
	return bySocket(unix.AF_INET, unix.SOCK_STREAM, 0, func(_ *Env, fd int) error {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer r.Close()
		address, text := rawAddress(sockaddr(forbidden4, port)), []byte(question)
		do := &errand{depth: depth, socket: uintptr(fd), result: w.Fd(), address: &address[0], addressBytes: uintptr(len(address)), question: &text[0]}
		runtime.LockOSThread()
		pid, e := do.fork(flags)
		runtime.UnlockOSThread()
		_ = w.Close()
		runtime.KeepAlive(address)
		runtime.KeepAlive(text)
		if e != 0 {
			return fmt.Errorf("clone: %w", e)
		}
		if flags&unix.CLONE_PARENT == 0 {
			defer func() { _, _ = unix.Wait4(int(pid), nil, unix.WALL, nil) }()
		}
		said := make([]byte, 4)
		if !readable(int(r.Fd()), 2*answerTime) {
			return errors.New("the child does not come to an end")
		}
		if n, _ := r.Read(said); n < len(said) {
			return fmt.Errorf("%w: the child ended without a word", errRefused)
		}
		switch number := *(*uint32)(unsafe.Pointer(&said[0])); number {
		case 0:
			return nil
		case silentChild:
			return fmt.Errorf("the child: %w: no answer came", errRefused)
		default:
			return fmt.Errorf("the child: %w", unanswered(unix.Errno(number)))
		}
	})
}

//go:norace
//go:nosplit
func (do *errand) fork(flags uintptr) (uintptr, unix.Errno) {
	pid, _, e := unix.RawSyscall6(unix.SYS_CLONE, flags, 0, 0, 0, 0, 0)
	if e != 0 || pid != 0 {
		return pid, e
	}
	for do.depth--; do.depth > 0; do.depth-- {
		if pid, _, _ := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0); pid != 0 {
			_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
	number := do.run()
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, do.result, uintptr(unsafe.Pointer(&number)), 4)
	for {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
}

//go:norace
//go:nosplit
func (do *errand) run() uint32 {
	if _, _, e := unix.RawSyscall(unix.SYS_CONNECT, do.socket, uintptr(unsafe.Pointer(do.address)), do.addressBytes); e != 0 {
		return uint32(e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_WRITE, do.socket, uintptr(unsafe.Pointer(do.question)), uintptr(len(question))); e != 0 {
		return uint32(e)
	}
	n, _, e := unix.RawSyscall(unix.SYS_READ, do.socket, uintptr(unsafe.Pointer(&do.buf[0])), uintptr(len(do.buf)))
	switch {
	case e != 0:
		return uint32(e)
	case n != uintptr(len(answer)):
		return silentChild
	}
	return 0
}
