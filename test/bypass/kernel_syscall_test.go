//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// syscallGroup is the techniques against a list of system calls: sysinfo stands for those that no hook of the kernel guards.
func syscallGroup() group {
	return group{
		control: "syscall",
		policy: func(bin string, _ map[string]*Env) string {
			return fmt.Sprintf(`version: "1.0"
mode: enforce
processes:
  attacker:
    match: {exe: %q}
    inherit: true
    blocked_syscalls: [ptrace, sysinfo, mkdir, mkdirat, unshare, kexec_load, kexec_file_load, perf_event_open]
`, bin+"/attacker")
		},
		programs: []string{"bystander"},
		direct:   technique{name: "ptrace", attempt: func(*Env) error { return traceMe() }},
		fair: []technique{
			{name: "another call", attempt: func(*Env) error { return unix.Uname(&unix.Utsname{}) }},
			{name: "the call by another", as: "bystander", attempt: func(*Env) error { return sysinfo() }},
		},
		techniques: syscallTechniques(),
	}
}

func syscallTechniques() []technique {
	return []technique{
		{name: "without a hook", attempt: func(*Env) error { return sysinfo() }},
		{name: "without a hook, by a thread", attempt: func(*Env) error { return onThread(sysinfo) }},
		{name: "without a hook, by a child", attempt: byChild, then: func(*Env) error { return sysinfo() }},
		{name: "without a hook, by another program", attempt: func(e *Env) error { return become(e.program("bystander")) }, then: func(*Env) error { return sysinfo() }},
		{name: "without a hook, by a copy in memory", attempt: func(e *Env) error {
			f, err := memoryFile(e.program("bystander"))
			if err != nil {
				return err
			}
			return become(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
		}, then: func(*Env) error { return sysinfo() }},
		{name: "without a hook, by 32-bit call", attempt: func(*Env) error {
			low, err := lowMemory()
			if err != nil {
				return err
			}
			return call32(116, int(address(low)))
		}},
		{name: "without a hook, by x32 call", attempt: func(*Env) error {
			var buf [256]byte
			_, _, e := unix.Syscall(0x40000000|unix.SYS_SYSINFO, address(buf[:]), 0, 0)
			if e == unix.ENOSYS {
				return lacks("this kernel serves no x32 calls")
			} else if e != 0 {
				return e
			}
			return nil
		}},
		{name: "with a hook, by 32-bit call", attempt: func(*Env) error {
			c, err := newCode32(26, unix.PTRACE_TRACEME, 0, 0, 0)
			if err != nil {
				return err
			}
			return inChild(rawCall{code: c})
		}},
		{name: "with a hook, perf_event_open", attempt: func(e *Env) error {
			e.Facts["victim"] = "0" // itself
			return perfEvent(e)
		}},
		{name: "by io_uring", attempt: mkdirByRing},
		{name: "number changed by a tracer", as: "bystander", attempt: changeNumber, then: func(*Env) error { return os.Chdir("/") }},
		{name: "unshare", attempt: func(*Env) error { return onThread(func() error { return unix.Unshare(unix.CLONE_NEWUTS) }) }},
		{name: "namespaces by clone", attempt: func(e *Env) error {
			cmd := exec.Command(e.program("attacker"))
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWUTS}
			return again(e, cmd)
		}, then: func(*Env) error { return nil }},
		{name: "kexec_load", attempt: inGuest(func(*Env) error { return kexec(unix.SYS_KEXEC_LOAD) })},
		{name: "kexec_load by 32-bit call", attempt: inGuest(func(*Env) error { return call32(283, 0, 0, 0, 0) })},
		{name: "kexec_file_load", attempt: inGuest(func(*Env) error {
			const unload = 1
			return noKexec(raw(unix.SYS_KEXEC_FILE_LOAD, -1, -1, 0, 0, unload))
		})},
	}
}

// traceMe is asked for by a child: the tracer of a thread has to let it go in the end.
func traceMe() error {
	return inChild(rawCall{number: unix.SYS_PTRACE, args: [6]uintptr{unix.PTRACE_TRACEME}})
}

func sysinfo() error { return unix.Sysinfo(&unix.Sysinfo_t{}) }

// kexec unloads what may be loaded, which is asked for like loading.
func kexec(number uintptr) error { return noKexec(raw(number, 0, 0, 0, 0)) }

func noKexec(err error) error {
	if errors.Is(err, unix.ENOSYS) {
		return lacks("this kernel starts no other")
	}
	return err
}

// mkdirByRing makes a directory without a system call of that name.
func mkdirByRing(e *Env) error {
	const ringMkdirat = 37
	return withRing(0, func(r *ring, pin *pinner) error {
		path := append([]byte(e.work("made")), 0)
		_, err := r.do(submission{opcode: ringMkdirat, fd: unix.AT_FDCWD, address: pinned(pin, path), length: 0o755})
		return err
	})
}

// changeNumber starts the attacker as its tracer, and turns a call that it may make into one that it may not.
func changeNumber(e *Env) error {
	runtime.LockOSThread()
	cmd := exec.Command(e.program("attacker"))
	cmd.Env = secondPart()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	pid := cmd.Process.Pid
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
		return err
	}
	var registers unix.PtraceRegs
	for range 200 { // calls and their ends
		if err := unix.PtraceSyscall(pid, 0); err != nil {
			return err
		}
		if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
			return err
		}
		if !status.Stopped() {
			return fmt.Errorf("%w: it ended: %v", errRefused, status)
		}
		if err := unix.PtraceGetRegs(pid, &registers); err != nil {
			return err
		}
		if status.StopSignal() == unix.SIGTRAP && int64(registers.Rax) == -int64(unix.ENOSYS) { // a call begins
			return finishChanged(pid, registers)
		}
	}
	return errors.New("it makes no call")
}

func finishChanged(pid int, registers unix.PtraceRegs) error {
	registers.Orig_rax, registers.Rdi = unix.SYS_SYSINFO, registers.Rsp-512
	if err := errors.Join(unix.PtraceSetRegs(pid, &registers), unix.PtraceSyscall(pid, 0)); err != nil {
		return err
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
		return err
	}
	if !status.Stopped() {
		return fmt.Errorf("%w: it ended: %v", errRefused, status)
	}
	if err := unix.PtraceGetRegs(pid, &registers); err != nil {
		return err
	}
	if n := int64(registers.Rax); n < 0 {
		return fmt.Errorf("sysinfo: %w", unix.Errno(-n))
	}
	return nil
}
