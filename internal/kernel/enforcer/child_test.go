//go:build linux

package enforcer

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The test binary is the program that is held too, by whatever name it is copied to: with this variable set it does what its
// arguments say and ends, with status 0 if it could, refusedStatus if it or its child was refused with EPERM, and else 2.
const (
	deedVariable  = "STOCKADE_ENFORCER_DEED"
	refusedStatus = 77
)

func TestMain(m *testing.M) {
	if text := os.Getenv(envNetwork); text != "" {
		tryNetwork(text)
		os.Exit(0)
	}
	if os.Getenv(deedVariable) == "" {
		os.Exit(m.Run())
	}
	switch err := deed(os.Args[1], os.Args[2:]); {
	case err == nil:
		os.Exit(0)
	case errors.Is(err, unix.EPERM):
		os.Exit(refusedStatus)
	default:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func deed(what string, args []string) error {
	switch what {
	case "run":
		err := exec.Command(args[0], args[1:]...).Run()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == refusedStatus {
			return unix.EPERM
		}
		return err
	case "become": // from a thread that does not lead the process
		failed := make(chan error)
		runtime.LockOSThread() // the first goroutine keeps the leader
		go func() {
			runtime.LockOSThread()
			failed <- syscall.Exec(args[0], args, os.Environ())
		}()
		return <-failed
	case "memfd":
		return runOpen(args[1], func(string) (int, error) { return unix.MemfdCreate(args[0], 0) })
	case "unlinked":
		return runOpen(args[1], func(string) (int, error) {
			fd, err := unix.Open(args[0], unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o700)
			return fd, errors.Join(err, unix.Unlink(args[0]))
		})
	case "map":
		return mapped(args[0], func(fd int) error { return mapPage(fd, unix.PROT_READ|unix.PROT_EXEC, 0) })
	case "protect":
		return mapped(args[0], func(fd int) error { return mapPage(fd, unix.PROT_READ, unix.PROT_READ|unix.PROT_EXEC) })
	}
	return fmt.Errorf("no such deed: %s", what)
}

// runOpen runs a copy of a program through a descriptor that nothing writes to any more.
func runOpen(program string, create func(string) (int, error)) error {
	fd, err := create(program)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if _, err := unix.Write(fd, data); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	again, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("open again: %w", err)
	}
	if err := unix.Close(fd); err != nil {
		return err
	}
	return exec.Command(fmt.Sprintf("/proc/self/fd/%d", again), "0").Run()
}

func mapped(path string, do func(fd int) error) error {
	fd, err := unix.Open(path, unix.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer unix.Close(fd)
	return do(fd)
}

func mapPage(fd, first, then int) error {
	page, err := unix.Mmap(fd, 0, os.Getpagesize(), first, unix.MAP_PRIVATE)
	if err != nil || then == 0 {
		return err
	}
	return unix.Mprotect(page, then)
}

// doing is the command in which the copy of this program at a path does something.
func doing(path string, deed ...string) *exec.Cmd {
	c := exec.Command(path, deed...)
	c.Env = append(os.Environ(), deedVariable+"=1")
	return c
}

// copyTo makes a copy of a program.
func copyTo(t *testing.T, program, path string) string {
	t.Helper()
	data, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(path, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// self makes copies of this program, by some names in a directory.
func self(t *testing.T, dir string, names ...string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		path := filepath.Join(dir, name)
		if i == 0 {
			copyTo(t, exe, path)
		} else if err := os.Link(filepath.Join(dir, names[0]), path); err != nil {
			t.Fatal(err)
		}
	}
}

// realDir is a temporary directory by the name that the kernel has for it.
func realDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// lookPath finds a program of the host by the name that the kernel has for it.
func lookPath(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		t.Skipf("needs %s: %v", name, err)
	}
	return path
}
