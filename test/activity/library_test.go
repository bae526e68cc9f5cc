//go:build linux

package activity

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
)

const page = 4096

func libraryActivities() []activity {
	return []activity{
		{name: "library mmap", kind: event.KindLibrary, do: doMapLibrary, want: wantLibrary("plugin.so")},
		{name: "library of a program", kind: event.KindLibrary, do: doTrue, want: wantLibc, none: noneOfExec},
		{name: "library memfd", kind: event.KindLibrary, do: doMapMemfd, want: wantMapMemfd},
		{name: "library mprotect", kind: event.KindLibrary, do: doProtectLibrary, want: wantLibrary("plugin.so")},
		{name: "library unlinked", kind: event.KindLibrary, do: doMapUnlinked, want: wantLibrary("plugin.so")},
		{name: "library readable code", kind: event.KindLibrary, do: doReadImpliesExec, want: wantLibrary("plugin.so")},
		{name: "library not executable", kind: event.KindLibrary, do: doMapQuietly, want: wantNothing, none: noCode},
		{name: "memory mmap rwx", kind: event.KindMemoryExec, do: doMapRWX, want: wantMemory(event.Memory{Operation: "mmap", Protection: "rwx", Bytes: 3 * page})},
		{name: "memory mmap shared", kind: event.KindMemoryExec, do: doMapShared, want: wantMemory(event.Memory{Operation: "mmap", Protection: "rx", Bytes: page})},
		{name: "memory mprotect", kind: event.KindMemoryExec, do: doJIT, want: wantMemory(event.Memory{Operation: "mprotect", Protection: "rx", Bytes: page})},
		{name: "memory pkey_mprotect", kind: event.KindMemoryExec, do: doPkey, want: wantMemory(event.Memory{Operation: "pkey_mprotect", Protection: "rwx", Bytes: page})},
		{name: "memory behind a file", kind: event.KindMemoryExec, do: doProtectBehind, want: wantMemory(event.Memory{Operation: "mprotect", Protection: "rx", Bytes: 2 * page}), none: noPlugin},
		{name: "memory of a file mmap", kind: event.KindMemoryExec, do: doMapFileRWX, want: wantFileMemory("mmap", "rwx")},
		{name: "memory of a file shared", kind: event.KindMemoryExec, do: doMapFileShared, want: wantFileMemory("mmap", "rwx")},
		{name: "memory of a file mprotect", kind: event.KindMemoryExec, do: doProtectFile, want: wantFileMemory("mprotect", "rwx")},
		{name: "memory of a file written", kind: event.KindMemoryExec, do: doProtectWritten, want: wantFileMemory("mprotect", "rx"), none: noPlugin},
		{name: "memory of a file too deep", kind: event.KindMemoryExec, do: doMapDeep, want: wantMapDeep},
		{name: "memory shmat", kind: event.KindMemoryExec, do: doShmatExec, want: wantMemory(event.Memory{Operation: "shmat", Protection: "rwx", Bytes: 2 * page})},
		{name: "memory i386", kind: event.KindMemoryExec, do: doMap32, want: wantMap32, skip: noCalls32},
		{name: "memory not executable", kind: event.KindMemoryExec, do: doMemoryQuietly, want: wantNothing, none: noCode},
	}
}

func wantNothing(string, facts) []event.Event { return nil }

func noPlugin(dir string, _ facts) []event.Event {
	return []event.Event{{Kind: event.KindLibrary, File: &event.File{Path: filepath.Join(dir, "plugin.so")}}}
}

func noCode(dir string, f facts) []event.Event {
	return append(noPlugin(dir, f), event.Event{Kind: event.KindMemoryExec})
}

// plugin makes a file of two pages to map, and opens it.
func plugin(dir string) (*os.File, facts, error) {
	f, err := os.OpenFile(filepath.Join(dir, "plugin.so"), os.O_RDWR|os.O_CREATE, 0o700)
	if err != nil {
		return nil, nil, err
	}
	id, err := subjectOf(int(f.Fd()))
	return f, id, errors.Join(err, f.Truncate(2*page))
}

// mapPlugin maps one page of it.
func mapPlugin(dir string, prot, flags int) ([]byte, facts, error) {
	f, id, err := plugin(dir)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	m, err := unix.Mmap(int(f.Fd()), 0, page, prot, flags)
	return m, id, err
}

func doMapLibrary(dir string) (facts, error) {
	_, id, err := mapPlugin(dir, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	return id, err
}

func wantLibrary(name string) func(string, facts) []event.Event {
	return func(dir string, f facts) []event.Event {
		file := f.file(dir, name)
		file.Access = "x"
		return one(file)
	}
}

func doMapDeep(dir string) (facts, error) {
	if err := descend(dir, longComponent, 20); err != nil {
		return nil, err
	}
	_, id, err := mapPlugin(".", unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE)
	return id, err
}

func wantMapDeep(string, facts) []event.Event {
	path := strings.Repeat("/"+longComponent, 16) + "/plugin.so"
	return wantMemory(event.Memory{Operation: "mmap", Protection: "rwx", Bytes: page, Path: path, PathTruncated: true})("", nil)
}

func doProtectLibrary(dir string) (facts, error) {
	m, id, err := mapPlugin(dir, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	return id, unix.Mprotect(m, unix.PROT_READ|unix.PROT_EXEC)
}

func doMapUnlinked(dir string) (facts, error) {
	f, id, err := plugin(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return nil, err
	}
	_, err = unix.Mmap(int(f.Fd()), 0, page, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_SHARED)
	return id, err
}

// doReadImpliesExec maps without PROT_EXEC what becomes executable all the same.
func doReadImpliesExec(dir string) (facts, error) {
	f, id, err := plugin(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	const readImpliesExec = 0x0400000
	runtime.LockOSThread() // the persona is the thread's
	if _, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, readImpliesExec, 0, 0); errno != 0 {
		return nil, errno
	}
	_, err = unix.Mmap(int(f.Fd()), 0, page, unix.PROT_READ, unix.MAP_PRIVATE)
	return id, err
}

// doTrue runs a program that is linked against the C library.
func doTrue(string) (facts, error) {
	libc, err := libc()
	if err != nil {
		return nil, err
	}
	f, err := run(exec.Command("/bin/true"))
	if err != nil {
		return nil, err
	}
	id, err := subject(libc)
	if err != nil {
		return nil, err
	}
	f["libc"], f["inode"], f["device"] = libc, id["inode"], id["device"]
	return f, nil
}

// libc finds the C library that a program of this system maps.
func libc() (string, error) {
	out, err := exec.Command("/bin/cat", "/proc/self/maps").Output()
	if err != nil {
		return "", err
	}
	for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 6 && f[1] == "r-xp" && strings.HasPrefix(filepath.Base(f[5]), "libc") {
			return f[5], nil
		}
	}
	return "", errors.New("no C library in the map of cat")
}

func wantLibc(_ string, f facts) []event.Event {
	file := f.file("", "")
	file.Path, file.Device, file.Access = f["libc"], "", "x" // overlayfs tells stat of another device
	return []event.Event{{Process: &event.Process{Ref: event.Ref{PID: f.int("pid")}}, File: &file}}
}

// noneOfExec: exec maps the program and its interpreter, and the exec event tells of that.
func noneOfExec(string, facts) []event.Event {
	program, err := filepath.EvalSymlinks("/bin/true")
	if err != nil {
		panic(err)
	}
	loader, err := filepath.EvalSymlinks("/lib64/ld-linux-x86-64.so.2")
	if err != nil {
		panic(err)
	}
	return append(one(event.File{Path: program}), one(event.File{Path: loader})...)
}

func doMapMemfd(string) (facts, error) {
	fd, err := unix.MemfdCreate("code", 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, page); err != nil {
		return nil, err
	}
	id, err := subjectOf(fd)
	if err != nil {
		return nil, err
	}
	_, err = unix.Mmap(fd, 0, page, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
	return id, err
}

func wantMapMemfd(_ string, f facts) []event.Event {
	file := f.file("", "")
	file.Path, file.Access = "/memfd:code", "x"
	return one(file)
}

// doMapQuietly maps a file in every way but to execute it, and once more in vain.
func doMapQuietly(dir string) (facts, error) {
	for _, prot := range []int{unix.PROT_NONE, unix.PROT_READ, unix.PROT_READ | unix.PROT_WRITE} {
		if _, _, err := mapPlugin(dir, prot, unix.MAP_SHARED); err != nil {
			return nil, err
		}
	}
	if _, err := unix.Mmap(-1, 0, page, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE); err != unix.EBADF {
		return nil, fmt.Errorf("map without a file: %w", err)
	}
	return nil, nil
}

func anonymous(pages, prot, flags int) ([]byte, error) {
	return unix.Mmap(-1, 0, pages*page, prot, flags|unix.MAP_ANONYMOUS)
}

func doMapRWX(string) (facts, error) {
	_, err := anonymous(3, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE)
	return nil, err
}

func doMapShared(string) (facts, error) {
	_, err := anonymous(1, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_SHARED)
	return nil, err
}

func wantMemory(m event.Memory) func(string, facts) []event.Event {
	return func(string, facts) []event.Event { return []event.Event{{Memory: &m}} }
}

func doJIT(string) (facts, error) {
	m, err := anonymous(1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	m[0] = 0xc3
	return nil, unix.Mprotect(m, unix.PROT_READ|unix.PROT_EXEC)
}

// doPkey needs no protection key: -1 makes it an ordinary mprotect.
func doPkey(string) (facts, error) {
	m, err := anonymous(1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	_, _, errno := unix.Syscall6(unix.SYS_PKEY_MPROTECT, uintptr(unsafe.Pointer(&m[0])), page, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, ^uintptr(0), 0, 0)
	if errno != 0 {
		return nil, errno
	}
	return nil, nil
}

// doProtectBehind hides anonymous memory behind a page of a file.
func doProtectBehind(dir string) (facts, error) {
	f, _, err := plugin(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := anonymous(2, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	if _, err := unix.MmapPtr(int(f.Fd()), 0, unsafe.Pointer(&m[0]), page, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_FIXED); err != nil {
		return nil, err
	}
	return nil, unix.Mprotect(m, unix.PROT_READ|unix.PROT_EXEC)
}

func doMapFileRWX(dir string) (facts, error) {
	_, id, err := mapPlugin(dir, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE)
	return id, err
}

func doMapFileShared(dir string) (facts, error) {
	_, id, err := mapPlugin(dir, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_SHARED)
	return id, err
}

func wantFileMemory(operation, protection string) func(string, facts) []event.Event {
	return func(dir string, _ facts) []event.Event {
		return []event.Event{{Memory: &event.Memory{Operation: operation, Protection: protection, Bytes: page, Path: filepath.Join(dir, "plugin.so")}}}
	}
}

func doProtectFile(dir string) (facts, error) {
	m, id, err := mapPlugin(dir, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	return id, unix.Mprotect(m, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC)
}

func doProtectWritten(dir string) (facts, error) {
	m, id, err := mapPlugin(dir, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	m[0] = 0xc3
	return id, unix.Mprotect(m, unix.PROT_READ|unix.PROT_EXEC)
}

func doShmatExec(string) (facts, error) {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 2*page, unix.IPC_CREAT|0o700)
	if err != nil {
		return nil, err
	}
	const shmExec = 0o100000
	m, err := unix.SysvShmAttach(id, 0, shmExec)
	if err == nil {
		err = unix.SysvShmDetach(m)
	}
	_, remove := unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	return nil, errors.Join(err, remove)
}

// doMap32 maps by both mmaps of 32-bit programs, of which the first takes its arguments in memory, and protects the latter.
func doMap32(dir string) (facts, error) {
	const fixed, old, arguments = 0x10000000, 0x20000000, at + codeAt + 2
	const private = unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_FIXED
	list := []byte{0xeb, 6 * 4} // jump over them
	for _, a := range []uint32{old, 5 * page, unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC, private, ^uint32(0), 0} {
		list = binary.LittleEndian.AppendUint32(list, a)
	}
	path, err := program(dir, list,
		call32(90, arguments),
		call32(192, fixed, 3*page, unix.PROT_READ|unix.PROT_EXEC, private, ^uint32(0), 0),
		call32(125, fixed, 2*page, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC))
	if err != nil {
		return nil, err
	}
	return nil, runAll(path, 1)
}

func wantMap32(string, facts) []event.Event {
	return []event.Event{
		{Memory: &event.Memory{Operation: "mmap", Protection: "rwx", Bytes: 5 * page}},
		{Memory: &event.Memory{Operation: "mmap", Protection: "rx", Bytes: 3 * page}},
		{Memory: &event.Memory{Operation: "mprotect", Protection: "rwx", Bytes: 2 * page}},
	}
}

// doMemoryQuietly has memory in every way but to execute it.
func doMemoryQuietly(string) (facts, error) {
	m, err := anonymous(1, unix.PROT_NONE, unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	if err := unix.Mprotect(m, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return nil, err
	}
	if _, _, errno := unix.Syscall(unix.SYS_MPROTECT, uintptr(unsafe.Pointer(&m[0])), 0, unix.PROT_EXEC); errno != 0 {
		return nil, errno
	}
	if _, _, errno := unix.Syscall(unix.SYS_MPROTECT, 1, page, unix.PROT_EXEC); errno != unix.EINVAL {
		return nil, fmt.Errorf("mprotect of an odd address: %w", errno)
	}
	_, err = anonymous(1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return nil, err
}
