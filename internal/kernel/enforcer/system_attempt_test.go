//go:build linux

package enforcer

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attempts are what a task tries. Each returns the kernel's answer.
var attempts = map[string]func() error{
	"chroot":            func() error { return unix.Chroot("/") },
	"pivot_root":        func() error { return unix.PivotRoot(".", ".") },
	"umount2":           func() error { return unix.Unmount("/sys/fs/bpf", unix.MNT_DETACH) }, // in a mount namespace of its own
	"socket":            func() error { return closing(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)) },
	"socketpair":        func() error { _, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0); return err },
	"perf_event_open":   perfEvent,
	"prctl":             func() error { return unix.Prctl(unix.PR_GET_DUMPABLE, 0, 0, 0, 0) },
	"bpf":               nextProgram,
	"kexec_load":        func() error { return number(unix.SYS_KEXEC_LOAD) },
	"ptrace":            func() error { return onVictim(unix.PtraceAttach) },
	"process_vm_readv":  func() error { return onVictim(readMemory) },
	"/proc/PID/mem":     func() error { return onVictim(openMemory) },
	"pidfd_getfd":       func() error { return onVictim(takeDescriptor) },
	"PTRACE_TRACEME":    traceMe,
	"settimeofday":      setTime,
	"clock_settime":     setClock,
	"adjtimex":          adjust,
	"sysinfo":           func() error { return unix.Sysinfo(new(unix.Sysinfo_t)) },
	"mount":             func() error { return unix.Mount("/dev/./none//../blocked", "/mnt", "tmpfs", 0, "") },
	"mount of another":  func() error { return unix.Mount("/dev/free", "/mnt", "tmpfs", 0, "") },
	"bind mount":        func() error { return unix.Mount("/etc/blocked.d", "/mnt", "", unix.MS_BIND, "") },
	"bind mount nearby": bindNearby,
	"kill":              func() error { return onVictim(func(pid int) error { return unix.Kill(pid, unix.SIGCONT) }) },
	"mount of a link":   func() error { return unix.Mount(os.Getenv(envDevice), "/mnt", "ext4", unix.MS_RDONLY, "") },
	"kill with 0":       func() error { return onVictim(func(pid int) error { return unix.Kill(pid, 0) }) },
	"kill itself":       func() error { return unix.Kill(os.Getpid(), unix.SIGCONT) },
	"setpriority": func() error {
		return onVictim(func(pid int) error { return unix.Setpriority(unix.PRIO_PROCESS, pid, 1) })
	},
	"affinity": func() error {
		return onVictim(func(pid int) error { var s unix.CPUSet; s.Set(0); return unix.SchedSetaffinity(pid, &s) })
	},
	"ioprio_set": func() error {
		return onVictim(func(pid int) error { return number(unix.SYS_IOPRIO_SET, 1, pid, 2<<13) })
	},
	"prlimit": func() error {
		return onVictim(func(pid int) error { return unix.Prlimit(pid, unix.RLIMIT_CORE, &unix.Rlimit{}, nil) })
	},
	"own limit": func() error { return unix.Prlimit(0, unix.RLIMIT_CORE, &unix.Rlimit{}, nil) },
	"CAP_CHOWN": func() error { return unix.Chown(os.Getenv(envModule), 1, 1) },
	"add_key": func() error {
		_, err := unix.AddKey("user", "stockade-test", []byte("x"), unix.KEY_SPEC_PROCESS_KEYRING)
		return err
	},
	"keyctl":         func() error { _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_PROCESS_KEYRING, true); return err },
	"io_uring_setup": func() error { return number(unix.SYS_IO_URING_SETUP, 1, int(uintptr(unsafe.Pointer(new([120]byte))))) },
	"finit_module":   insertFile,
	"init_module":    insertMemory,
}

func number(trap uintptr, args ...int) error {
	var a [6]uintptr
	for i, v := range args {
		a[i] = uintptr(v)
	}
	if _, _, e := unix.Syscall6(trap, a[0], a[1], a[2], a[3], a[4], a[5]); e != 0 {
		return e
	}
	return nil
}

func closing(fd int, err error) error {
	if err == nil {
		err = unix.Close(fd)
	}
	return err
}

func onVictim(do func(pid int) error) error {
	pid, err := strconv.Atoi(os.Getenv(envVictim))
	if err != nil {
		return err
	}
	return do(pid)
}

func perfEvent() error {
	return closing(unix.PerfEventOpen(&unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_DUMMY, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{}))}, 0, -1, -1, 0))
}

// nextProgram asks for the first program's number.
func nextProgram() error {
	var attr [64]byte
	return number(unix.SYS_BPF, 11, int(uintptr(unsafe.Pointer(&attr))), len(attr))
}

// traceMe has a child ask for it.
func traceMe() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := exec.Command("true")
	c.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := c.Start(); err != nil {
		return err
	}
	err := c.Process.Kill()
	_ = c.Wait()
	return err
}

func readMemory(pid int) error {
	b := make([]byte, 8)
	local := []unix.Iovec{{Base: &b[0], Len: 8}}
	_, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: 0x1000, Len: 8}}, 0)
	if errors.Is(err, unix.EFAULT) { // nothing is mapped there: it was allowed to look
		return nil
	}
	return err
}

func openMemory(pid int) error {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return err
	}
	return f.Close()
}

func takeDescriptor(pid int) error {
	p, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(p) }()
	return closing(unix.PidfdGetfd(p, 0, 0))
}

func setTime() error {
	var now unix.Timeval
	if err := unix.Gettimeofday(&now); err != nil {
		return err
	}
	return unix.Settimeofday(&now)
}

func setClock() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &now); err != nil {
		return err
	}
	return unix.ClockSettime(unix.CLOCK_REALTIME, &now)
}

// adjust sets the frequency to what it is.
func adjust() error {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return err
	}
	t.Modes = 2
	_, err := unix.Adjtimex(&t)
	return err
}

func bindNearby() error {
	if err := os.Chdir("/etc"); err != nil {
		return err
	}
	return unix.Mount("./blocked.d", "/mnt", "", unix.MS_BIND, "")
}

func insertFile() error {
	f, err := os.Open(os.Getenv(envModule))
	if err != nil {
		return err
	}
	return errors.Join(loaded(unix.FinitModule(int(f.Fd()), "", 0)), f.Close())
}

func insertMemory() error {
	data, err := os.ReadFile(os.Getenv(envModule))
	if err != nil {
		return err
	}
	return loaded(unix.InitModule(data, ""))
}

// loaded takes the module away again.
func loaded(err error) error {
	if err == nil {
		err = unix.DeleteModule("dummy", 0)
	}
	return err
}

// TestSystemAttempt makes the attempts that it reads the names of: it is a process of TestSystem's.
func TestSystemAttempt(t *testing.T) {
	if os.Getenv(envVictim) == "" {
		t.Skip("is only run by TestSystem")
	}
	for names := bufio.NewScanner(os.Stdin); names.Scan(); {
		var errno syscall.Errno
		if err := attempts[names.Text()](); err != nil && !errors.As(err, &errno) {
			fmt.Println("answer:", err)
			return
		}
		fmt.Println("answer:", int(errno))
	}
}
