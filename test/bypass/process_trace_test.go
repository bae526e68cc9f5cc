//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	ptraceSeize     = 0x4206
	ptraceInterrupt = 0x4207
)

func traceTechniques() []technique {
	return []technique{
		{name: "ptrace attach", attempt: traced(func(e *Env) error { return unix.PtraceAttach(e.victim()) })},
		{name: "ptrace seize", attempt: traced(func(e *Env) error {
			if err := raw(unix.SYS_PTRACE, ptraceSeize, e.victim(), 0, 0); err != nil {
				return err
			}
			return raw(unix.SYS_PTRACE, ptraceInterrupt, e.victim(), 0, 0)
		})},
		{name: "ptrace by 32-bit call", attempt: traced(func(e *Env) error { return call32(26, unix.PTRACE_ATTACH, e.victim(), 0, 0) })},
		{name: "traced from before its exec", attempt: traceChild},
		{name: "process_vm_readv", attempt: readMemory},
		{name: "process_vm_writev", attempt: writeMemory},
		{name: "process_vm_readv by a thread", attempt: func(e *Env) error {
			return onThread(func() error { return readMemory(e) })
		}},
		{name: "read /proc/PID/mem", attempt: func(e *Env) error { return readMem(e, os.O_RDONLY) }},
		{name: "write /proc/PID/mem", attempt: writeMem},
		{name: "/proc/PID/mem by another name", attempt: readMemElsewhere},
		{name: "pidfd_getfd", attempt: takeFD},
		{name: "open /proc/PID/fd", attempt: func(e *Env) error { return steal(e, fmt.Sprintf("/proc/%d/fd/%d", e.victim(), victimFD)) }},
		{name: "read /proc/PID/environ", attempt: func(e *Env) error {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", e.victim()))
			if err == nil && len(text) == 0 {
				err = errors.New("it is empty")
			}
			return err
		}},
		{name: "read /proc/PID/maps", attempt: func(e *Env) error {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", e.victim()))
			if err == nil && len(text) == 0 {
				err = errors.New("it is empty")
			}
			return err
		}},
		{name: "kcmp", attempt: func(e *Env) error { return raw(unix.SYS_KCMP, os.Getpid(), e.victim(), 1, 0, 0) }},
		{name: "join its namespaces", attempt: joinNamespaces},
		{name: "perf_event_open", attempt: perfEvent},
	}
}

// traced is an attempt that reads the victim's memory once it is stopped for its tracer.
func traced(attach func(*Env) error) func(*Env) error {
	return func(e *Env) error {
		runtime.LockOSThread() // a tracer is a thread
		if err := attach(e); err != nil {
			return err
		}
		defer func() { _ = unix.PtraceDetach(e.victim()) }()
		if _, err := unix.Wait4(e.victim(), nil, unix.WALL, nil); err != nil {
			return fmt.Errorf("wait: %w", err)
		}
		text := make([]byte, len(e.Token))
		if _, err := unix.PtracePeekData(e.victim(), uintptr(e.number("address")), text); err != nil {
			return fmt.Errorf("peek: %w", err)
		}
		return e.check(append(text, '\n'))
	}
}

// traceChild starts another victim by itself, as its tracer.
func traceChild(e *Env) error {
	runtime.LockOSThread()
	cmd := exec.Command(e.program("victim"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start a victim that is traced: %w", err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	var status unix.WaitStatus
	if _, err := unix.Wait4(cmd.Process.Pid, &status, unix.WALL, nil); err != nil {
		return err
	}
	if !status.Stopped() {
		return fmt.Errorf("%w: the victim did not stop after its exec", errRefused)
	}
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", cmd.Process.Pid))
	if err != nil || name != e.program("victim") {
		return fmt.Errorf("%w: what is traced runs %q (%w)", errRefused, name, err)
	}
	var registers unix.PtraceRegs
	if err := unix.PtraceGetRegs(cmd.Process.Pid, &registers); err != nil {
		return fmt.Errorf("registers: %w", err)
	}
	_, err = unix.PtracePokeData(cmd.Process.Pid, uintptr(registers.Rsp), []byte("12345678"))
	return err
}

// memoryCall is process_vm_readv or process_vm_writev with one piece.
func memoryCall(number uintptr, e *Env, text []byte) error {
	local := unix.Iovec{Base: &text[0], Len: uint64(len(text))}
	remote := struct{ base, length uint64 }{uint64(e.number("address")), uint64(len(text))}
	n, _, errno := unix.Syscall6(number, uintptr(e.victim()), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	if errno != 0 {
		return errno
	}
	if int(n) != len(text) {
		return fmt.Errorf("%d of %d bytes", n, len(text))
	}
	return nil
}

func readMemory(e *Env) error {
	text := make([]byte, len(e.Token))
	if err := memoryCall(unix.SYS_PROCESS_VM_READV, e, text); err != nil {
		return err
	}
	return e.check(append(text, '\n'))
}

func writeMemory(e *Env) error { return memoryCall(unix.SYS_PROCESS_VM_WRITEV, e, []byte("changed")) }

func readMem(e *Env, flags int) error {
	return readMemAt(e, fmt.Sprintf("/proc/%d/mem", e.victim()), flags)
}

func readMemAt(e *Env, path string, flags int) error {
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	text := make([]byte, len(e.Token))
	if _, err := f.ReadAt(text, int64(e.number("address"))); err != nil {
		return err
	}
	return e.check(append(text, '\n'))
}

// readMemElsewhere goes by the task's directory in a proc of its own.
func readMemElsewhere(e *Env) error {
	runtime.LockOSThread()
	if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), unix.Mount("proc", e.Work, "proc", 0, "")); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	return readMemAt(e, e.work(fmt.Sprintf("%d/task/%d/mem", e.victim(), e.victim())), os.O_RDONLY)
}

func writeMem(e *Env) error {
	f, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", e.victim()), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt([]byte("changed"), int64(e.number("address")))
	return err
}

// takeFD copies the descriptor of the secret.
func takeFD(e *Env) error {
	process, err := unix.PidfdOpen(e.victim(), 0)
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer func() { _ = unix.Close(process) }()
	fd, err := unix.PidfdGetfd(process, victimFD, 0)
	if err != nil {
		return fmt.Errorf("pidfd_getfd: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	return stealFD(e, fd)
}

func joinNamespaces(e *Env) error {
	process, err := unix.PidfdOpen(e.victim(), 0)
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer func() { _ = unix.Close(process) }()
	return onThread(func() error { return unix.Setns(process, unix.CLONE_NEWUTS) })
}

// perfEvent samples what the victim does.
func perfEvent(e *Env) error {
	attributes := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_TASK_CLOCK}
	attributes.Size = uint32(unsafe.Sizeof(attributes))
	fd, err := unix.PerfEventOpen(&attributes, e.victim(), -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOENT) {
		return lacks(fmt.Sprintf("perf_event_open: %v", err))
	} else if err != nil {
		return err
	}
	return unix.Close(fd)
}
