//go:build linux

package activity

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
)

// However a script is named, the event has the file that was asked for.
func scriptActivities() []activity {
	started := func(name string, args ...string) func(string) (facts, error) {
		return func(dir string) (facts, error) { return startScript(dir, name, args...) }
	}
	return []activity{
		{name: "exec script", kind: event.KindExec, do: started("./script", "a"), want: wantScript("/bin/sh", "./script", "a")},
		{name: "exec script link", kind: event.KindExec, do: started("./link"), want: wantScript("/bin/sh", "./link")},
		{name: "exec script dots", kind: event.KindExec, do: started("sub/../sub/.././link"), want: wantScript("/bin/sh", "sub/../sub/.././link")},
		{name: "exec script descriptor", kind: event.KindExec, do: started("/proc/self/fd/3"), want: wantScript("/bin/sh", "/proc/self/fd/3")},
		{name: "exec script fexecve", kind: event.KindExec, do: doScriptFD, want: wantScript()},
		{name: "exec script unlinked", kind: event.KindExec, do: doScriptUnlinked, want: wantScript("/bin/sh", "/proc/self/fd/3")},
		{name: "exec script memfd", kind: event.KindExec, do: doScriptMemfd, want: wantScriptMemfd},
		{name: "exec script of a script", kind: event.KindExec, do: doScriptNested, want: wantScriptNested},
		{name: "exec script env", kind: event.KindExec, do: doScriptEnv, want: wantScriptEnv, none: noneScriptEnv},
		{name: "exec script closes files", kind: event.KindExec, do: doScriptCloses, want: wantScript(), none: noneBroken},
	}
}

func noneBroken(dir string, _ facts) []event.Event {
	return []event.Event{{Exec: &event.Exec{Script: filepath.Join(dir, "broken")}}}
}

const plainScript = "#!/bin/sh\nexit 0\n"

// script writes a script, and tells its inode and device.
func script(dir, name, text string) (string, facts, error) {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		return "", nil, err
	}
	f, err := subject(path)
	return path, f, err
}

// startScript runs the script of a directory, by a name in it, with the script as descriptor 3.
func startScript(dir, name string, args ...string) (facts, error) {
	path, f, err := script(dir, "script", plainScript)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "sub"), 0o700), os.Symlink("script", filepath.Join(dir, "link"))); err != nil {
		return nil, err
	}
	return runScript(f, dir, path, name, args...)
}

func runScript(f facts, dir, path, name string, args ...string) (facts, error) {
	open, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer open.Close()
	cmd := &exec.Cmd{Path: name, Args: append([]string{name}, args...), Dir: dir, ExtraFiles: []*os.File{open}}
	ran, err := run(cmd)
	if err != nil {
		return nil, err
	}
	f["ran"] = ran["pid"]
	return f, nil
}

func wantScript(argv ...string) func(string, facts) []event.Event {
	return func(dir string, f facts) []event.Event {
		file := f.file(dir, "script")
		return []event.Event{{
			Process: &event.Process{Ref: event.Ref{PID: f.int("ran")}, Argv: argv},
			Exec:    &event.Exec{Script: file.Path, ScriptInode: file.Inode, ScriptDevice: file.Device},
		}}
	}
}

// doScriptUnlinked runs a script whose name is gone.
func doScriptUnlinked(dir string) (facts, error) {
	path, f, err := script(dir, "script", plainScript)
	if err != nil {
		return nil, err
	}
	open, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer open.Close()
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return runScript(f, dir, fmt.Sprintf("/proc/self/fd/%d", open.Fd()), "/proc/self/fd/3")
}

func doScriptMemfd(dir string) (facts, error) {
	fd, err := unix.MemfdCreate("hidden", 0)
	if err != nil {
		return nil, err
	}
	open := os.NewFile(uintptr(fd), "hidden")
	defer open.Close()
	if _, err := open.WriteString(plainScript); err != nil {
		return nil, err
	}
	f, err := subjectOf(fd)
	if err != nil {
		return nil, err
	}
	return runScript(f, dir, fmt.Sprintf("/proc/self/fd/%d", fd), "/proc/self/fd/3")
}

func wantScriptMemfd(_ string, f facts) []event.Event {
	file := f.file("/", "memfd:hidden")
	return []event.Event{{
		Process: &event.Process{Ref: event.Ref{PID: f.int("ran")}},
		Exec:    &event.Exec{Script: file.Path, ScriptInode: file.Inode},
	}}
}

// doScriptNested runs a script that another script interprets.
func doScriptNested(dir string) (facts, error) {
	inner, _, err := script(dir, "inner", plainScript)
	if err != nil {
		return nil, err
	}
	path, f, err := script(dir, "script", "#!"+inner+" option\n")
	if err != nil {
		return nil, err
	}
	return runScript(f, dir, path, "./script", "a")
}

func wantScriptNested(dir string, f facts) []event.Event {
	return wantScript("/bin/sh", filepath.Join(dir, "inner"), "option", "./script", "a")(dir, f)
}

func doScriptEnv(dir string) (facts, error) {
	path, f, err := script(dir, "script", "#!/usr/bin/env sh\nexit 0\n")
	if err != nil {
		return nil, err
	}
	return runScript(f, dir, path, path)
}

// wantScriptEnv expects env as the interpreter of the script, and then a shell that was asked for by name.
func wantScriptEnv(dir string, f facts) []event.Event {
	path := filepath.Join(dir, "script")
	env := wantScript("/usr/bin/env", "sh", path)(dir, f)
	return append(env, event.Event{
		Process: &event.Process{Ref: event.Ref{PID: f.int("ran")}, Argv: []string{"sh", path}},
		Exec:    &event.Exec{Caller: "/usr/bin/env"},
	})
}

func noneScriptEnv(_ string, f facts) []event.Event {
	return []event.Event{{Process: &event.Process{Ref: event.Ref{PID: f.int("ran")}}, Exec: &event.Exec{Caller: "/usr/bin/env", ScriptInode: f.file("", "").Inode}}}
}

// inPlace tells what the activity did, and then turns its process into a script from another thread than this one.
func inPlace(f facts, become func() error) (facts, error) {
	runtime.LockOSThread()
	f["ran"] = strconv.Itoa(os.Getpid())
	if err := json.NewEncoder(os.Stdout).Encode(f); err != nil {
		return nil, err
	}
	failed := make(chan error)
	go func() {
		runtime.LockOSThread()
		failed <- become()
	}()
	return nil, <-failed
}

// doScriptFD executes a descriptor. The kernel makes up a name for it.
func doScriptFD(dir string) (facts, error) {
	path, f, err := script(dir, "script", plainScript)
	if err != nil {
		return nil, err
	}
	return inPlace(f, func() error {
		fd, err := unix.Open(path, unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		empty, argv := []byte{0}, []*byte{nil}
		_, _, errno := unix.Syscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(&empty[0])),
			uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&argv[0])), unix.AT_EMPTY_PATH, 0)
		return errno
	})
}

// doScriptCloses executes after one that fails, with many descriptors that exec closes.
func doScriptCloses(dir string) (facts, error) {
	path, f, err := script(dir, "script", plainScript)
	if err != nil {
		return nil, err
	}
	broken, _, err := script(dir, "broken", "#!"+filepath.Join(dir, "absent")+"\n")
	if err != nil {
		return nil, err
	}
	for range 900 {
		if _, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return nil, err
		}
	}
	return inPlace(f, func() error {
		if err := unix.Exec(broken, []string{broken}, nil); !errors.Is(err, unix.ENOENT) {
			return err
		}
		return unix.Exec(path, []string{path}, nil)
	})
}
