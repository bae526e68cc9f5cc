//go:build linux

package activity

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// Programs of a few instructions: they make exactly the system calls that are put together here, and those of 32-bit
// programs too, which no compiler is needed for.

// at is where a program's file is mapped, codeAt the file offset of its code.
const (
	at     = 0x400000
	codeAt = 64 + 56
)

// call64 makes a system call with up to four arguments.
func call64(number uint32, args ...uint32) []byte {
	return instructions([][]byte{{0xbf}, {0xbe}, {0xba}, {0x41, 0xba}}, number, args, 0x0f, 0x05) // edi, esi, edx, r10d; syscall
}

// call32 makes one by the table of 32-bit programs.
func call32(number uint32, args ...uint32) []byte {
	return instructions([][]byte{{0xbb}, {0xb9}, {0xba}, {0xbe}, {0xbf}, {0xbd}}, number, args, 0xcd, 0x80) // ebx, ecx, edx, esi, edi, ebp; int 0x80
}

func instructions(load [][]byte, number uint32, args []uint32, enter ...byte) []byte {
	var b []byte
	for i, a := range args {
		b = binary.LittleEndian.AppendUint32(append(b, load[i]...), a)
	}
	b = binary.LittleEndian.AppendUint32(append(b, 0xb8), number) // eax
	return append(b, enter...)
}

// program writes an executable that runs the code and exits with 0.
func program(dir string, code ...[]byte) (string, error) {
	body := bytes.Join(append(code, call64(60, 0)), nil)
	size := uint64(codeAt + len(body))
	var b bytes.Buffer
	header := struct {
		ident                                  [16]byte
		kind, machine                          uint16
		version                                uint32
		entry, segments, sections              uint64
		flags                                  uint32
		size, segmentSize, segmentCount        uint16
		sectionSize, sectionCount, sectionName uint16
	}{
		ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, kind: 2, machine: 62, version: 1,
		entry: at + codeAt, segments: 64, size: 64, segmentSize: 56, segmentCount: 1,
	}
	segment := struct {
		kind, flags                                                  uint32
		offset, address, physical, fileBytes, memoryBytes, alignment uint64
	}{kind: 1, flags: 5, address: at, physical: at, fileBytes: size, memoryBytes: size, alignment: page}
	for _, part := range []any{header, segment, body} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			return "", err
		}
	}
	path := filepath.Join(dir, "program")
	return path, os.WriteFile(path, b.Bytes(), 0o700)
}

// runAll runs a program several times at once; each must exit with 0.
func runAll(path string, times int) error {
	errs := make([]error, times)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = exec.Command(path).Run() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// noCalls32 says why this kernel does not serve 32-bit calls, if so.
func noCalls32() string {
	dir, err := os.MkdirTemp("", "calls32-")
	if err != nil {
		return err.Error()
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path, err := program(dir, call32(20)) // getpid
	if err != nil {
		return err.Error()
	}
	var exit *exec.ExitError
	if err := exec.Command(path).Run(); errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled() {
		return "the kernel serves no 32-bit calls"
	}
	return ""
}
