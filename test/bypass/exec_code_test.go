//go:build linux

package bypass

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// execCodeTechniques bring code into a process that may run.
func execCodeTechniques() []technique {
	preload := func(name, as string) technique {
		return technique{name: "LD_PRELOAD" + name, as: as, attempt: preloadCode}
	}
	return []technique{
		preload(", programs allowed by a list", "confined"),
		preload(", code allowed by a list", "strict"),
		{name: "LD_PRELOAD from memory, code allowed by a list", as: "strict", attempt: preloadMemory},
		{name: "mmap of what may not be code", before: makeLibrary, attempt: mapCode},
		{name: "mprotect of what may not be code", before: makeLibrary, attempt: protectCode},
		{name: "mmap of a hard link to it", before: makeLibrary, attempt: func(e *Env) error {
			return errors.Join(os.Link(e.vault("lib"), e.work("link")), mapFile(e.work("link")))
		}},
		{name: "copy of it in executable memory", before: makeLibrary, attempt: func(e *Env) error { return copyCode(e.vault("lib")) }},
	}
}

func mapCode(e *Env) error { return mapFile(e.vault("lib")) }

// mapFile maps a file as code, as the dynamic loader would.
func mapFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	code, err := unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	return unix.Munmap(code)
}

// protectCode maps it as data, and makes it code later.
func protectCode(e *Env) error {
	f, err := os.Open(e.vault("lib"))
	if err != nil {
		return err
	}
	defer f.Close()
	code, err := unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	if err := unix.Mprotect(code, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return fmt.Errorf("mprotect: %w", err)
	}
	return unix.Munmap(code)
}

// copyCode reads a file into memory that it then makes executable.
func copyCode(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	code, err := unix.Mmap(-1, 0, len(text), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	copy(code, text)
	if err := unix.Mprotect(code, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return fmt.Errorf("mprotect: %w", err)
	}
	return unix.Munmap(code)
}

// preloadCode has a program that may be started load a library of the attacker's.
func preloadCode(e *Env) error {
	library, err := writingLibrary("/proc/self/fd/1", e.Token+"\n")
	if err != nil {
		return err
	}
	path := e.work("code")
	if err := os.WriteFile(path, library, 0o755); err != nil {
		return err
	}
	return runPreloaded(e, path)
}

// preloadMemory loads it from where no path rule reaches.
func preloadMemory(e *Env) error {
	library, err := writingLibrary("/proc/self/fd/1", e.Token+"\n")
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("code", 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "code")
	defer f.Close()
	if _, err := f.Write(library); err != nil {
		return err
	}
	return runPreloaded(e, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd))
}

// runPreloaded starts a shell that would print nothing.
func runPreloaded(e *Env, library string) error {
	out, err := preloaded(library, shell(), "-c", ":")
	if err != nil {
		return err
	}
	return e.check(out)
}

// preloaded starts a program with a library. The loader only complains about one that it cannot have.
func preloaded(library, program string, args ...string) ([]byte, error) {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "LD_PRELOAD="+library)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, complaint.String())
	}
	if complaint.Len() > 0 {
		return nil, fmt.Errorf("%w: %s", errRefused, complaint.String())
	}
	return out.Bytes(), nil
}

// writingLibrary is a shared library that writes a text to a file when it is loaded, and ends the process: the least that
// the dynamic loader takes.
func writingLibrary(path, text string) ([]byte, error) {
	if runtime.GOARCH != "amd64" {
		return nil, lacks("the code is written for amd64 only")
	}
	const header, segment, entry = 64, 56, 16
	const dynamic = header + 2*segment
	const code, codeBytes = dynamic + 5*entry, 49
	size := uint64(code + codeBytes + len(path) + 1 + len(text))
	var b bytes.Buffer
	for _, part := range []any{
		[16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1},
		uint16(3), uint16(62), uint32(1), // a shared object
		uint64(0), uint64(header), uint64(0), uint32(0), uint16(header), uint16(segment), uint16(2), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(7), uint64(0), uint64(0), uint64(0), size, size, uint64(0x1000), // PT_LOAD, of everything
		uint32(2), uint32(6), uint64(dynamic), uint64(dynamic), uint64(dynamic), uint64(5 * entry), uint64(5 * entry), uint64(8), // PT_DYNAMIC
		uint64(5), uint64(0), uint64(6), uint64(0), uint64(10), uint64(1), // DT_STRTAB, DT_SYMTAB, DT_STRSZ
		uint64(12), uint64(code), uint64(0), uint64(0), // DT_INIT, which begins here:
		[]byte{0xb8, 2, 0, 0, 0, 0x48, 0x8d, 0x3d},
		uint32(codeBytes - 12),                           // open the path behind the code,
		[]byte{0xbe, 1, 2, 0, 0, 0x0f, 0x05, 0x89, 0xc7}, // to write, from the start;
		[]byte{0xb8, 1, 0, 0, 0, 0x48, 0x8d, 0x35},
		uint32(codeBytes + len(path) + 1 - 33), // write the text behind that,
		[]byte{0xba},
		uint32(len(text)),
		[]byte{0x0f, 0x05},
		[]byte{0xb8, 231, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05}, // and exit_group with 0
		append([]byte(path), 0), []byte(text),
	} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}
