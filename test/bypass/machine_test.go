//go:build linux

package bypass

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call32 makes a system call by the table of 32-bit programs. What it takes is numbers: addresses must lie below 4 GiB. Where the
// kernel serves no such calls, the process ends with SIGSEGV.
func call32(number int, args ...int) error {
	c, err := newCode32(number, args...)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Munmap(c.memory) }()
	runtime.LockOSThread()
	e := c.call()
	runtime.UnlockOSThread()
	if e != 0 {
		return fmt.Errorf("32-bit call %d: %w", number, e)
	}
	return nil
}

// code32 is machine code for one such call.
type code32 struct {
	memory []byte
	entry  *struct{ code uintptr }
	result *byte
}

func newCode32(number int, args ...int) (*code32, error) {
	memory, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, unfair("map memory to run", err)
	}
	b := []byte{0x55, 0x41, 0x56} // push rbp, r14: the callee keeps them
	for i, a := range args {      // mov ebx, ecx, edx, esi, edi, ebp
		b = binary.LittleEndian.AppendUint32(append(b, []byte{0xbb, 0xb9, 0xba, 0xbe, 0xbf, 0xbd}[i]), uint32(a))
	}
	b = binary.LittleEndian.AppendUint32(append(b, 0xb8), uint32(number)) // mov eax
	b = append(b, 0xcd, 0x80)                                             // int 0x80
	result := uint64(pointer(&memory[4088]))
	b = binary.LittleEndian.AppendUint64(append(b, 0x48, 0xb9), result) // mov rcx
	b = append(b, 0x89, 0x01, 0x41, 0x5e, 0x5d, 0xc3)                   // mov [rcx], eax; pop r14, rbp; ret
	copy(memory, b)
	return &code32{memory, &struct{ code uintptr }{pointer(&memory[0])}, &memory[4088]}, nil
}

// call runs it. A function value points to where its code's address stands.
func (c *code32) call() unix.Errno {
	run := *(*func())(unsafe.Pointer(&c.entry))
	run()
	if n := *(*int32)(unsafe.Pointer(c.result)); n < 0 {
		return unix.Errno(-n)
	}
	return 0
}

// rawCall is a system call of a child that has nothing of the Go runtime but one thread: no function there may look at its
// stack's end, where the runtime leaves word that it wants the processor back.
type rawCall struct {
	number uintptr
	args   [6]uintptr
	code   *code32 // in place of the number
	errno  *byte   // where the error goes; nil: it ends the child
}

// inChild makes calls in a child, and reports how it ended.
func inChild(calls ...rawCall) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pid, e := forkAndDo(calls)
	if e != 0 {
		return unfair("clone", e)
	}
	var status unix.WaitStatus
	for {
		if _, err := unix.Wait4(int(pid), &status, unix.WALL, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	runtime.KeepAlive(calls)
	switch {
	case status.Signaled() && status.Signal() == unix.SIGKILL:
		return &report{Text: "the child was killed", Killed: true}
	case !status.Exited():
		return fmt.Errorf("the child ended with %v", status.Signal())
	case status.ExitStatus() != 0:
		return unix.Errno(status.ExitStatus())
	}
	return nil
}

//go:norace
//go:nosplit
func forkAndDo(calls []rawCall) (uintptr, unix.Errno) {
	pid, _, e := unix.RawSyscall6(unix.SYS_CLONE, sigchld, 0, 0, 0, 0, 0)
	if e != 0 || pid != 0 {
		return pid, e
	}
	for i := range calls {
		c := &calls[i]
		if c.code != nil {
			run := *(*func())(unsafe.Pointer(&c.code.entry))
			run()
			e = 0
			if n := *(*int32)(unsafe.Pointer(c.code.result)); n < 0 {
				e = unix.Errno(-n)
			}
		} else {
			_, _, e = unix.RawSyscall6(c.number, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5])
		}
		if c.errno != nil {
			*c.errno = byte(e)
		} else if e != 0 {
			break
		}
	}
	for {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, uintptr(e), 0, 0)
	}
}

// pointer is where a byte lies.
func pointer(b *byte) uintptr { return uintptr(unsafe.Pointer(b)) }

// numbers and longs are numbers as the kernel reads them; number is one that it wrote.
func numbers(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
func longs(n uint64) []byte   { return binary.NativeEndian.AppendUint64(nil, n) }
func number(b []byte) uint32  { return binary.NativeEndian.Uint32(b) }
