//go:build linux

package bypass

import (
	"fmt"
	"os"
	"os/exec"
	"unsafe"

	"golang.org/x/sys/unix"
)

// execDescriptorTechniques start the tool without its path.
func execDescriptorTechniques() []technique {
	return []technique{
		{name: "fexecve", attempt: func(e *Env) error { return execOpened(e, unix.O_RDONLY|unix.O_CLOEXEC) }},
		{name: "fexecve of O_PATH", attempt: func(e *Env) error { return execOpened(e, unix.O_PATH|unix.O_CLOEXEC) }},
		{name: "/proc/self/fd", attempt: useOpened},
		{name: "descriptor of the folder", attempt: execFromFolder},
		{name: "inherited descriptor", as: "porter", attempt: func(e *Env) error { return pass(e, e.Tool, unix.O_PATH) }, then: func(e *Env) error { return execAt(e, 3, "", unix.AT_EMPTY_PATH) }},
		{name: "inherited descriptor of the folder", as: "porter", attempt: passOnFolder, then: func(e *Env) error { return execAt(e, 3, "tool", 0) }},
	}
}

// execAt turns this process into what a descriptor leads to, which prints the token.
func execAt(e *Env, fd int, name string, flags int) error {
	path, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	token, err := unix.BytePtrFromString(e.Token)
	if err != nil {
		return err
	}
	argv, none := []*byte{token, token, nil}, []*byte{nil}
	_, _, errno := unix.Syscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(path)),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&none[0])), uintptr(flags), 0)
	return fmt.Errorf("execveat: %w", errno)
}

func execOpened(e *Env, flags int) error {
	fd, err := unix.Open(e.Tool, flags, 0)
	if err != nil {
		return err
	}
	return execAt(e, fd, "", unix.AT_EMPTY_PATH)
}

func useOpened(e *Env) error {
	f, err := os.OpenFile(e.Tool, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := exec.Command("/proc/self/fd/3", e.Token)
	cmd.ExtraFiles = []*os.File{f}
	return uses(e, cmd)
}

func execFromFolder(e *Env) error {
	fd, err := unix.Open(e.Vault, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	return execAt(e, fd, "tool", 0)
}
