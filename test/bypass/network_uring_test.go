//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Numbers of linux/io_uring.h.
const (
	ringSendmsg = 9
	ringConnect = 16
	ringWrite   = 23
	ringSocket  = 45
	ringBind    = 56
	ringListen  = 57

	ringPoll   = 1 << 1 // IORING_SETUP_SQPOLL
	ringWakeup = 1 << 0 // IORING_SQ_NEED_WAKEUP
)

// submission is struct io_uring_sqe, and completion struct io_uring_cqe.
type submission struct {
	opcode, flags  uint8
	_              uint16
	fd             int32
	offset         uint64
	address        uint64
	length, option uint32
	user           uint64
	_, personality uint16
	_              uint32
	_              [2]uint64
}

type completion struct {
	user   uint64
	result int32
	flags  uint32
}

// ringParameters is struct io_uring_params.
type ringParameters struct {
	submissions, completions, flags, cpu, idle, features, queue uint32
	_                                                           [3]uint32
	sq                                                          struct{ head, tail, mask, entries, flags, dropped, array, _ uint32 }
	_                                                           uint64
	cq                                                          struct{ head, tail, mask, entries, overflow, cqes, flags, _ uint32 }
	_                                                           uint64
}

// ring is an io_uring that does one thing after the other.
type ring struct {
	fd         int
	set        ringParameters
	rings, sqe []byte
}

// newRing makes one; with ringPoll the kernel takes what is submitted from a thread of its own.
func newRing(flags uint32) (*ring, error) {
	r := &ring{set: ringParameters{flags: flags, idle: 1000}}
	fd, _, e := unix.Syscall(unix.SYS_IO_URING_SETUP, 4, uintptr(unsafe.Pointer(&r.set)), 0)
	if e == unix.ENOSYS {
		return nil, lacks("this kernel has no io_uring")
	}
	if e != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", e)
	}
	r.fd = int(fd)
	size := max(r.set.sq.array+4*r.set.submissions, r.set.cq.cqes+16*r.set.completions)
	var err, err2 error
	r.rings, err = unix.Mmap(r.fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	r.sqe, err2 = unix.Mmap(r.fd, 0x10000000, int(r.set.submissions)*64, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err := errors.Join(err, err2); err != nil {
		_ = unix.Close(r.fd)
		return nil, fmt.Errorf("map io_uring: %w", err)
	}
	return r, nil
}

func (r *ring) close() {
	_, _, _ = unix.Munmap(r.rings), unix.Munmap(r.sqe), unix.Close(r.fd)
}

func (r *ring) word(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.rings[offset])) }

// do submits one operation and waits for its result.
func (r *ring) do(s submission) (int, error) {
	tail := *r.word(r.set.sq.tail)
	slot := tail & *r.word(r.set.sq.mask)
	*(*submission)(unsafe.Pointer(&r.sqe[slot*64])) = s
	*r.word(r.set.sq.array + 4*slot) = slot
	atomic.StoreUint32(r.word(r.set.sq.tail), tail+1)
	flags := uintptr(0)
	if r.set.flags&ringPoll != 0 && atomic.LoadUint32(r.word(r.set.sq.flags))&ringWakeup != 0 {
		flags = 2 // IORING_ENTER_SQ_WAKEUP
	}
	if r.set.flags&ringPoll == 0 || flags != 0 {
		if _, _, e := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), 1, 0, flags, 0, 0); e != 0 {
			return 0, fmt.Errorf("io_uring_enter: %w", e)
		}
	}
	if !readable(r.fd, answerTime) {
		return 0, fmt.Errorf("%w: io_uring did not come to an end", errRefused)
	}
	head := atomic.LoadUint32(r.word(r.set.cq.head))
	c := (*completion)(unsafe.Pointer(&r.rings[r.set.cq.cqes+16*(head&*r.word(r.set.cq.mask))]))
	result := c.result
	atomic.StoreUint32(r.word(r.set.cq.head), head+1)
	if result < 0 {
		return 0, fmt.Errorf("io_uring: %w", unanswered(unix.Errno(-result)))
	}
	return int(result), nil
}

// pinner keeps what the kernel is to read where it is.
type pinner = runtime.Pinner

// withRing is an attempt by io_uring; what is pinned stays where it is until it is over.
func withRing(flags uint32, do func(r *ring, pin *pinner) error) error {
	r, err := newRing(flags)
	if err != nil {
		return err
	}
	defer r.close()
	var pin pinner
	defer pin.Unpin()
	return do(r, &pin)
}

func pinned(pin *pinner, b []byte) uint64 {
	pin.Pin(&b[0])
	return uint64(uintptr(unsafe.Pointer(&b[0])))
}

func (r *ring) connect(pin *pinner, fd int, to unix.Sockaddr) error {
	address := rawAddress(to)
	_, err := r.do(submission{opcode: ringConnect, fd: int32(fd), address: pinned(pin, address), offset: uint64(len(address))})
	return err
}

func doRingConnect(flags uint32) func(*Env, int) error {
	return func(_ *Env, fd int) error {
		return withRing(flags, func(r *ring, pin *pinner) error {
			if err := r.connect(pin, fd, sockaddr(forbidden4, port)); err != nil {
				return err
			}
			return ask(fd)
		})
	}
}

// doRingSocket makes even the socket without a system call of its own.
func doRingSocket(*Env) error {
	return withRing(0, func(r *ring, pin *pinner) error {
		fd, err := r.do(submission{opcode: ringSocket, fd: unix.AF_INET, offset: unix.SOCK_STREAM})
		if errors.Is(err, unix.EINVAL) {
			return lacks("this io_uring makes no sockets")
		} else if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		if err := errors.Join(impatient(fd), r.connect(pin, fd, sockaddr(forbidden4, port))); err != nil {
			return err
		}
		return ask(fd)
	})
}

// doRingSend sends to an address without a connection, or with MSG_FASTOPEN makes one by that.
func doRingSend(flags uint32) func(*Env, int) error {
	return func(_ *Env, fd int) error {
		return withRing(0, func(r *ring, pin *pinner) error {
			text, to := []byte(question), rawAddress(sockaddr(forbidden4, port))
			pin.Pin(&text[0])
			pin.Pin(&to[0])
			part := &unix.Iovec{Base: &text[0], Len: uint64(len(text))}
			pin.Pin(part)
			message := &unix.Msghdr{Name: &to[0], Namelen: uint32(len(to)), Iov: part, Iovlen: 1}
			pin.Pin(message)
			if _, err := r.do(submission{opcode: ringSendmsg, fd: int32(fd), address: uint64(uintptr(unsafe.Pointer(message))), length: 1, option: flags}); err != nil {
				return err
			}
			return hear(fd)
		})
	}
}

// isInvalid: the kernel does not know what it was asked for.
func isInvalid(err error) bool { return errors.Is(err, unix.EINVAL) }
