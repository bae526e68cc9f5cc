package fanotify

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// role makes the test's binary something else: who opens, the keeper, or a whole guard that can be stopped.
const role = "STOCKADE_FANOTIFY_ROLE"

// testBound is for tests of who lets go; patience for the others, so that a slow machine is none of those.
const (
	testBound = time.Second
	patience  = time.Minute
)

// TestMain plays the role, or fails the package when its tests leave goroutines or descriptors behind.
func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "opener":
		os.Exit(openerMain(os.Args[1:]))
	case "keeper":
		if err := Keep(os.NewFile(3, "guard"), testBound); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "guard":
		os.Exit(guardMain(os.Args[1]))
	}
	goroutines, files := runtime.NumGoroutine(), openFiles()
	code := m.Run()
	if f := flag.Lookup("test.fuzz"); f.Value.String() != "" {
		os.Exit(code)
	}
	if !eventually(func() bool { return runtime.NumGoroutine() <= goroutines }) {
		fmt.Fprintf(os.Stderr, "%d goroutines are left, at first there were %d\n", runtime.NumGoroutine(), goroutines)
		code = 1
	}
	if n := openFiles(); n > files+4 { // the runtime's own
		fmt.Fprintf(os.Stderr, "%d descriptors are left, at first there were %d\n", n, files)
		code = 1
	}
	os.Exit(code)
}

func openFiles() int {
	names, _ := os.ReadDir("/proc/self/fd")
	return len(names)
}

func eventually(done func() bool) bool {
	deadline := time.Now().Add(30 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			return false
		}
		runtime.Gosched()
	}
	return true
}

// openerMain opens each file with the flags, all in one thread, and prints the error numbers.
func openerMain(args []string) int {
	runtime.LockOSThread()
	flags, _ := strconv.Atoi(args[0])
	if args[1] == "private" {
		// Another mount namespace, in which the file is bound over another one in the same directory.
		if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount(args[2], args[3], "", unix.MS_BIND, "")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		args = args[2:]
	}
	if flags == program {
		var errno unix.Errno
		errors.As(exec.Command(args[1]).Run(), &errno)
		fmt.Println(int(errno))
		return 0
	}
	switch flags {
	case untilEnd:
		return openUntilEnd(args[1])
	case together:
		var wg sync.WaitGroup
		for _, name := range args[1:] {
			wg.Go(func() {
				fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				_ = unix.Close(fd)
			})
		}
		wg.Wait()
		return 0
	case deep:
		for range 20 { // the path has more than PATH_MAX bytes then
			name := strings.Repeat("d", 255)
			if err := errors.Join(unix.Mkdir(name, 0o755), unix.Chdir(name)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		for i, name := range args[1:] {
			args[1+i] = strconv.Itoa(i)
			if err := unix.Link(name, args[1+i]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		flags = unix.O_RDONLY
	}
	for _, name := range args[1:] {
		var fd int
		var err error
		if flags == openat2 {
			fd, err = unix.Openat2(unix.AT_FDCWD, name, &unix.OpenHow{Flags: unix.O_WRONLY})
		} else {
			fd, err = unix.Open(name, flags|unix.O_CLOEXEC, 0o600)
		}
		if err == nil {
			_ = unix.Close(fd)
		}
		var errno unix.Errno
		errors.As(err, &errno)
		fmt.Println(int(errno))
	}
	return 0
}

// As flags, openat2 stands for that call, for writing only, program for running the file, and untilEnd for reading it again
// and again, deep for reading links to them whose path is too long to be told, and together for
// reading them all at the same time.
const (
	openat2  = -1
	program  = -2
	untilEnd = -3
	deep     = -4
	together = -5
)

// openUntilEnd opens a file until the input ends, and prints how often that was refused, and how often not.
func openUntilEnd(name string) int {
	var ended atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		ended.Store(true)
	}()
	refused, others := 0, 0
	for !ended.Load() {
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		switch {
		case errors.Is(err, unix.EPERM):
			refused++
			continue
		case err == nil:
			_ = unix.Close(fd)
		}
		others++
	}
	fmt.Println(refused, others)
	return 0
}

// guardMain guards a directory until its input ends, and runs the programs that this names.
func guardMain(dir string) int {
	img, err := parseImage(denyKey(dir) + "    blocked_exec: [" + dir + "/tool]\n")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	g, err := Open(Config{
		Image: img, Identify: everybody, Bound: testBound, Keeper: []string{"/usr/bin/env", role + "=keeper", os.Args[0]},
		Released: func(r Release) { fmt.Println(r.By) },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if !eventually(func() bool { return g.Status().Keeper }) {
		return 1
	}
	fmt.Println("ready")
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		if err := exec.Command(s.Text()).Run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	_ = g.Close()
	return 0
}

func everybody(*compile.Image, int) verdict.Task { return verdict.Task{Subject: 1} }

func denyKey(dir string) string {
	return "mode: enforce\nprocesses:\n  app:\n    blocked_files: [" + dir + "/key r]\n"
}

// disk mounts a file system of the test's own, because no mark may stand on the host's.
func disk(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("fanotify permission events and mounts need root")
	}
	dir := t.TempDir()
	if err := unix.Mount("test", dir, "tmpfs", 0, "mode=755"); err != nil {
		t.Skipf("a test file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func write(t *testing.T, mode os.FileMode, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
}

// opens lets another process open the files, and returns what each gave.
func opens(t *testing.T, flags int, names ...string) []unix.Errno {
	t.Helper()
	text, err := opener(flags, names...).Output()
	if err != nil {
		t.Fatalf("opener: %v", err)
	}
	var out []unix.Errno
	for word := range strings.FieldsSeq(string(text)) {
		n, _ := strconv.Atoi(word)
		out = append(out, unix.Errno(n))
	}
	return out
}

func opener(flags int, names ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], append([]string{strconv.Itoa(flags)}, names...)...)
	cmd.Env = append(os.Environ(), role+"=opener", "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	return cmd
}

func open(t *testing.T, flags int, name string) unix.Errno {
	t.Helper()
	return opens(t, flags, name)[0]
}

// execute lets another process run a program, and returns why it could not be started. It must be another one: the thread
// that starts a program waits for it without letting Go's garbage collector stop the others, and one of these is to answer.
func execute(t *testing.T, name string) unix.Errno {
	t.Helper()
	return open(t, program, name)
}

// lines reads a process's output.
func lines(r io.Reader) <-chan string {
	out := make(chan string, 16)
	go func() {
		defer close(out)
		for s := bufio.NewScanner(r); s.Scan(); {
			out <- s.Text()
		}
	}()
	return out
}
