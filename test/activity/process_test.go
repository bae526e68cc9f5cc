//go:build linux

package activity

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
)

func processActivities() []activity {
	return []activity{
		{name: "exec", kind: event.KindExec, do: doExec, want: wantExec},
		{name: "exec memfd", kind: event.KindExec, do: doMemfd, want: wantMemfd},
		{name: "exec long argv", kind: event.KindExec, do: doLongArgv, want: wantLongArgv},
		{name: "exec too deep", kind: event.KindExec, do: doDeepExec, want: wantDeepExec},
		{name: "fork", kind: event.KindFork, do: doExec, want: wantFork},
		{name: "exit code", kind: event.KindExit, do: doExec, want: wantExit},
		{name: "exit signal", kind: event.KindExit, do: doKilled, want: wantKilled},
	}
}

// run starts a command, waits for it, and tells its pid; its exit status is not an error.
func run(cmd *exec.Cmd) (facts, error) {
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	return facts{"pid": strconv.Itoa(cmd.Process.Pid), "parent": strconv.Itoa(os.Getpid())}, nil
}

func (f facts) int(name string) int {
	n, err := strconv.Atoi(f[name])
	if err != nil {
		panic(fmt.Sprintf("fact %s: %v", name, err))
	}
	return n
}

func doExec(dir string) (facts, error) {
	cmd := exec.Command("/bin/sh", "-c", "exit 3", "marker")
	cmd.Dir = dir
	return run(cmd)
}

func wantExec(dir string, f facts) []event.Event {
	shell, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		panic(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(shell, &st); err != nil {
		panic(err)
	}
	return []event.Event{{
		Process: &event.Process{
			Ref: event.Ref{PID: f.int("pid"), Name: "sh", Exe: shell}, ExeInode: st.Ino,
			Argv: []string{"/bin/sh", "-c", "exit 3", "marker"}, CWD: dir, Parents: nil,
		},
		Exec: &event.Exec{File: event.File{Path: shell, Inode: st.Ino, Type: "file"}},
	}}
}

func doMemfd(string) (facts, error) {
	fd, err := unix.MemfdCreate("hidden", 0)
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile("/bin/true")
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "hidden")
	defer f.Close()
	if _, err := f.Write(program); err != nil {
		return nil, err
	}
	return run(exec.Command(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd)))
}

func wantMemfd(_ string, f facts) []event.Event {
	return []event.Event{{
		Process: &event.Process{Ref: event.Ref{PID: f.int("pid"), Exe: "/memfd:hidden"}},
		Exec:    &event.Exec{Memfd: true, Unlinked: true},
	}}
}

func doLongArgv(string) (facts, error) {
	args := make([]string, 3000)
	for i := range args {
		args[i] = "argument"
	}
	return run(exec.Command("/bin/true", args...))
}

func wantLongArgv(_ string, f facts) []event.Event {
	return []event.Event{{Process: &event.Process{Ref: event.Ref{PID: f.int("pid")}, ArgvTruncated: true}}}
}

// doDeepExec runs a program and a script whose paths do not fit into an event.
func doDeepExec(dir string) (facts, error) {
	if err := descend(dir, longComponent, 20); err != nil {
		return nil, err
	}
	if _, err := program("."); err != nil {
		return nil, err
	}
	if _, _, err := script(".", "script", plainScript); err != nil {
		return nil, err
	}
	ran, err := run(exec.Command("./program"))
	if err != nil {
		return nil, err
	}
	interpreted, err := run(exec.Command("./script"))
	return facts{"program": ran["pid"], "script": interpreted["pid"]}, err
}

func wantDeepExec(_ string, f facts) []event.Event {
	deep := strings.Repeat("/"+longComponent, 16)
	return []event.Event{{
		Process: &event.Process{Ref: event.Ref{PID: f.int("program")}},
		Exec:    &event.Exec{File: event.File{Path: deep + "/program", PathTruncated: true}},
	}, {
		Process: &event.Process{Ref: event.Ref{PID: f.int("script")}},
		Exec:    &event.Exec{Script: deep + "/script", ScriptTruncated: true},
	}}
}

func wantFork(_ string, f facts) []event.Event {
	return []event.Event{{
		Process: &event.Process{Ref: event.Ref{PID: f.int("parent")}},
		Fork:    &event.Fork{Child: event.Ref{PID: f.int("pid")}, Parent: event.Ref{PID: f.int("parent")}},
	}}
}

func wantExit(_ string, f facts) []event.Event {
	return []event.Event{{Process: &event.Process{Ref: event.Ref{PID: f.int("pid")}}, Exit: &event.Exit{Code: 3}}}
}

func doKilled(string) (facts, error) {
	cmd := exec.Command("/bin/sh", "-c", "kill -TERM $$")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return run(cmd)
}

func wantKilled(_ string, f facts) []event.Event {
	return []event.Event{{
		Process: &event.Process{Ref: event.Ref{PID: f.int("pid")}},
		Exit:    &event.Exit{Signal: 15, SignalName: "SIGTERM"},
	}}
}
