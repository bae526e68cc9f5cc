//go:build linux

package bypass

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// needResource: without this capability root may not do it, and has it on any ordinary machine.
func needResource(*Env) error {
	var data [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		return err
	}
	if data[0].Effective&(1<<unix.CAP_SYS_RESOURCE) == 0 {
		return lacks("the test has no CAP_SYS_RESOURCE")
	}
	return nil
}

// replaceExecutable makes the kernel call another file this process's executable. It refuses that while anything of the old
// one is mapped: so this moves the program's text and data to memory without a file, in the place where they are.
func replaceExecutable(program string) error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1) // the collector writes to the data that is being moved
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	file, err := os.Open(program)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(maps)) {
		if !strings.HasSuffix(strings.TrimSpace(line), self) {
			continue
		}
		var from, to uintptr
		var rights string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights); err != nil {
			return fmt.Errorf("read mapping %q: %w", line, err)
		}
		if err := detach(from, to-from, rights); err != nil {
			return err
		}
	}
	const setMM, exeFile = 35, 13 // PR_SET_MM, PR_SET_MM_EXE_FILE
	if err := unix.Prctl(setMM, exeFile, file.Fd(), 0, 0); err != nil {
		return fmt.Errorf("prctl: %w", err)
	}
	if now, err := os.Readlink("/proc/self/exe"); err != nil || now != program {
		return errors.Join(err, fmt.Errorf("the executable is %s", now))
	}
	return nil
}

// detach puts a copy without a file in the place of a mapping, in one system call.
func detach(at, length uintptr, rights string) error {
	fresh, err := unix.MmapPtr(-1, 0, nil, length, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	old := *(*unsafe.Pointer)(unsafe.Pointer(&at))
	protection := map[byte]int{'r': unix.PROT_READ, 'w': unix.PROT_WRITE, 'x': unix.PROT_EXEC}
	var allow int
	for _, letter := range bytes.Trim([]byte(rights), "-") {
		allow |= protection[letter]
	}
	copied := unsafe.Slice((*byte)(fresh), length)
	copy(copied, unsafe.Slice((*byte)(old), length))
	if allow&unix.PROT_WRITE == 0 {
		if err := unix.Mprotect(copied, allow); err != nil {
			return fmt.Errorf("mprotect: %w", err)
		}
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_MREMAP, uintptr(fresh), length, length, unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED, at, 0)
	if errno != 0 {
		return fmt.Errorf("mremap: %w", errno)
	}
	return nil
}
