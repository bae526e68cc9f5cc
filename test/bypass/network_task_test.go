//go:build linux

package bypass

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The attacker changes what it is, and then reaches out as before.

func taskTechniques() []technique {
	to := sockaddr(forbidden4, port)
	here := func() error { return call(unix.AF_INET, unix.SOCK_STREAM, 0, to) }
	return []technique{
		{name: "connect by a new thread", attempt: func(*Env) error { return onThread(here) }},
		{name: "connect by a child", attempt: forking(sigchld, 1)},
		{name: "connect by a child's child", attempt: forking(sigchld, 2)},
		{name: "connect by a sibling", attempt: forking(unix.CLONE_PARENT, 1)},
		{name: "connect by a child in new namespaces", attempt: forking(sigchld|unix.CLONE_NEWPID|unix.CLONE_NEWNS|unix.CLONE_NEWUTS|unix.CLONE_NEWIPC|unix.CLONE_NEWCGROUP, 1)},
		{name: "connect by a child in a new user namespace", attempt: forking(sigchld|unix.CLONE_NEWUSER, 1)},
		{name: "old socket, in a new network namespace", attempt: forking(sigchld|unix.CLONE_NEWUSER|unix.CLONE_NEWNET, 1)},
		{name: "connect from another network namespace", attempt: doSetns},
		{name: "connect from another cgroup", attempt: doCgroup, after: removeCgroup},
		{name: "connect as another user", attempt: func(*Env) error {
			return onThread(func() error {
				if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); e != 0 {
					return fmt.Errorf("setresuid: %w", e)
				}
				return here()
			})
		}},
		{name: "connect under another name", attempt: func(*Env) error {
			return onThread(func() error {
				name := []byte("systemd\x00")
				if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0); err != nil {
					return fmt.Errorf("prctl: %w", err)
				}
				return here()
			})
		}},
		{name: "connect in a chroot", attempt: func(e *Env) error {
			if err := unix.Chroot(e.Work); err != nil {
				return fmt.Errorf("chroot: %w", err)
			}
			return here()
		}},
		byProgram("connect by another program", func(e *Env) (string, error) { return e.program("launcher"), nil }),
		byProgram("connect by a copy of the program", func(e *Env) (string, error) {
			return e.work("copy"), copyFile("/proc/self/exe", e.work("copy"))
		}),
		byProgram("connect by a program without a name", nameless),
	}
}

const sigchld = uintptr(unix.SIGCHLD)

// onThread does something on a thread of its own, which ends with it.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

// doSetns goes over to the other host, where what is forbidden is near.
func doSetns(e *Env) error {
	return helped(e, "where", -1, func(said string, _ int) error {
		fd, err := unix.Open(said, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", said, err)
		}
		defer func() { _ = unix.Close(fd) }()
		return onThread(func() error {
			if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("setns: %w", err)
			}
			return call(unix.AF_INET, unix.SOCK_STREAM, 0, sockaddr(forbidden4, port))
		})
	})
}

// doCgroup moves into a cgroup of its own.
func doCgroup(e *Env) error {
	if err := moveCgroup(e); err != nil {
		return err
	}
	return call(unix.AF_INET, unix.SOCK_STREAM, 0, sockaddr(forbidden4, port))
}

// byProgram has a program that no rule means reach out; that it was started by the attacker is what counts.
func byProgram(name string, which func(*Env) (string, error)) technique {
	attempt := func(e *Env) error {
		path, err := which(e)
		if err != nil {
			return err
		}
		return become(path)
	}
	return technique{name: name, attempt: attempt, then: caller(unix.AF_INET, unix.SOCK_STREAM, 0, sockaddr(forbidden4, port))}
}

// nameless is a program in memory.
func nameless(*Env) (string, error) {
	fd, err := unix.MemfdCreate("program", 0)
	if err != nil {
		return "", fmt.Errorf("memfd_create: %w", err)
	}
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return "", err
	}
	for len(program) > 0 {
		n, err := unix.Write(fd, program)
		if err != nil {
			return "", err
		}
		program = program[n:]
	}
	return fmt.Sprintf("/proc/self/fd/%d", fd), nil
}
