//go:build linux

package activity

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
	syscallsensor "github.com/stockade-security/stockade/internal/sensor/syscall"
)

func syscallActivities() []activity {
	return []activity{
		{name: "syscall first", kind: event.KindSyscall, do: doCallTwice, want: wantCalls(event.Call{Syscall: "kcmp"}, event.Call{Syscall: "exit"})},
		{name: "syscall at once", kind: event.KindSyscall, do: doCallAtOnce, want: wantCalls(event.Call{Syscall: "kcmp"}, event.Call{Syscall: "getcpu"}, event.Call{Syscall: "exit"})},
		{name: "syscall by copies", kind: event.KindSyscall, do: doCallByCopies, want: wantCopies},
		{name: "syscall i386", kind: event.KindSyscall, do: doCall32, want: wantCalls(event.Call{Syscall: "getpid", ABI: "i386"}, event.Call{Syscall: "writev"}), none: noCall("clone"), skip: noCalls32},
		{name: "syscall unknown", kind: event.KindSyscall, do: doUnknownCall, want: wantCalls(event.Call{Syscall: "511"}), none: noCall("600")},
	}
}

// wantCalls expects calls of the activity's program.
func wantCalls(calls ...event.Call) func(string, facts) []event.Event {
	return func(dir string, _ facts) []event.Event {
		var want []event.Event
		for _, c := range calls {
			want = append(want, firstCall(filepath.Join(dir, "program"), c))
		}
		return want
	}
}

func noCall(name string) func(string, facts) []event.Event {
	return wantCalls(event.Call{Syscall: name})
}

func firstCall(program string, c event.Call) event.Event {
	return event.Event{Process: &event.Process{Ref: event.Ref{Exe: program}}, Call: &c}
}

// doCallTwice makes one call twice in a process and again in the next.
func doCallTwice(dir string) (facts, error) {
	path, err := program(dir, call64(unix.SYS_KCMP), call64(unix.SYS_KCMP))
	if err != nil {
		return nil, err
	}
	if err := runAll(path, 1); err != nil {
		return nil, err
	}
	return nil, runAll(path, 1)
}

func doCallAtOnce(dir string) (facts, error) {
	path, err := program(dir, call64(unix.SYS_KCMP), call64(unix.SYS_GETCPU))
	if err != nil {
		return nil, err
	}
	return nil, runAll(path, 16)
}

// doCallByCopies: another file is another executable, though the same bytes, and so is a new file in the place of an old.
func doCallByCopies(dir string) (facts, error) {
	for _, name := range []string{"a", "b"} {
		sub := filepath.Join(dir, name)
		if err := os.Mkdir(sub, 0o700); err != nil {
			return nil, err
		}
		path, err := program(sub, call64(unix.SYS_KCMP))
		if err != nil {
			return nil, err
		}
		if err := runAll(path, 2); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func wantCopies(dir string, _ facts) []event.Event {
	return []event.Event{
		firstCall(filepath.Join(dir, "a", "program"), event.Call{Syscall: "kcmp"}),
		firstCall(filepath.Join(dir, "b", "program"), event.Call{Syscall: "kcmp"}),
	}
}

// doCall32 makes a call of each table with the same number: getpid is 20 for 32-bit programs, writev for the others.
// 120 is getresgid, and clone for 32-bit programs.
func doCall32(dir string) (facts, error) {
	path, err := program(dir, call32(20), call64(20), call32(20), call64(120))
	if err != nil {
		return nil, err
	}
	return nil, runAll(path, 1)
}

func doUnknownCall(dir string) (facts, error) {
	path, err := program(dir, call64(511), call64(511), call64(600))
	if err != nil {
		return nil, err
	}
	return nil, runAll(path, 1)
}

// TestSyscallTableFull has room for one executable, which is taken by the child of this test on its way to exec. Each call
// of the program is then missed, and counted once however often it is made.
func TestSyscallTableFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: BPF and a cgroup of its own")
	}
	s := syscallsensor.New()
	load := s.Spec
	s.Spec = func() (*ebpf.CollectionSpec, error) {
		spec, err := load()
		if err == nil {
			spec.Maps["executables"].MaxEntries = 1
		}
		return spec, err
	}
	root := cgroupRoot(t)
	path, id := testCgroup(t, root)
	k := open(t, root, id, []*kernel.Sensor{s})
	name, err := program(t.TempDir(), call64(unix.SYS_KCMP), call64(unix.SYS_KCMP))
	if err != nil {
		t.Fatal(err)
	}
	cgroup, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer cgroup.Close()
	for range 3 {
		cmd := exec.Command(name)
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(cgroup.Fd())}
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
	}
	a, err := k.Accounts()
	if err != nil {
		t.Fatal(err)
	}
	if lost := a.Lost["state_full"]; lost != 2 { // kcmp and exit
		t.Errorf("counted %d missed calls instead of 2", lost)
	}
}
