//go:build linux

package bypass

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// call32 makes a system call by the table of 32-bit programs. What it takes is numbers: addresses must lie below 4 GiB. Where the
// kernel serves no such calls, the process ends with SIGSEGV.
func call32(number int, args ...int) error {
	code, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return unfair("map memory to run", err)
	}
	defer func() { _ = unix.Munmap(code) }()
	b := []byte{0x55, 0x41, 0x56} // push rbp, r14: the callee keeps them
	for i, a := range args {      // mov ebx, ecx, edx, esi, edi, ebp
		b = binary.LittleEndian.AppendUint32(append(b, []byte{0xbb, 0xb9, 0xba, 0xbe, 0xbf, 0xbd}[i]), uint32(a))
	}
	b = binary.LittleEndian.AppendUint32(append(b, 0xb8), uint32(number)) // mov eax
	b = append(b, 0xcd, 0x80)                                             // int 0x80
	result := uint64(uintptr(unsafe.Pointer(&code[4088])))
	b = binary.LittleEndian.AppendUint64(append(b, 0x48, 0xb9), result) // mov rcx
	b = append(b, 0x89, 0x01, 0x41, 0x5e, 0x5d, 0xc3)                   // mov [rcx], eax; pop r14, rbp; ret
	copy(code, b)
	entry := &struct{ code uintptr }{uintptr(unsafe.Pointer(&code[0]))}
	run := *(*func())(unsafe.Pointer(&entry)) // a function value points to where its code's address stands
	runtime.LockOSThread()
	run()
	runtime.UnlockOSThread()
	runtime.KeepAlive(entry)
	if n := int32(binary.LittleEndian.Uint32(code[4088:])); n < 0 {
		return fmt.Errorf("32-bit call %d: %w", number, unix.Errno(-n))
	}
	return nil
}
