//go:build linux

package enforcer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/internal/kernel/probe"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

// The environment of a process that makes attempts.
const (
	envVictim = "STOCKADE_TEST_VICTIM"
	envModule = "STOCKADE_TEST_MODULE"
	envDevice = "STOCKADE_TEST_DEVICE"
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

const systemCalls = `
version: "1.0"
mode: enforce
default:
  blocked_syscalls: [chroot, pivot_root, umount2, socket, socketpair, perf_event_open, prctl, bpf, kexec_load, ptrace, process_vm_readv, settimeofday, mount, finit_module, init_module, sysinfo]
`

const systemRules = `
version: "1.0"
mode: enforce
processes:
  vault:
    match: {exe: /nowhere/vault}
    protect: {signals: [], ptrace: []}
default:
  blocked_capabilities: [CAP_CHOWN]
host:
  kernel_modules: {block: [dummy]}
  bpf: {allow_exe: []}
  mounts: {block_sources: ["/dev/blocked", "/dev/loop*", "/etc/blocked.*"]}
  settime: {allow_exe: []}
  keyrings: {allow_exe: []}
  io_uring: {allow_exe: []}
  prctl: {block: [PR_GET_DUMPABLE], allow_exe: []}
`

// TestSystem holds tasks in a cgroup to rules, and sees that the same passes outside of it.
func TestSystem(t *testing.T) {
	if os.Geteuid() != 0 || !probe.Trampolines() {
		t.Skip("needs root, and a kernel with BPF LSM")
	}
	w := newSystemWorld(t)
	for _, c := range []struct {
		name, policy     string
		refused, allowed []string
		killed           []string
	}{
		{
			"system calls", systemCalls,
			[]string{
				"chroot", "pivot_root", "umount2", "socket", "socketpair", "perf_event_open", "prctl", "bpf", "kexec_load", "ptrace",
				"process_vm_readv", "PTRACE_TRACEME", "settimeofday", "mount", "mount of another", "finit_module", "init_module",
			},
			[]string{"/proc/PID/mem", "clock_settime", "kill", "io_uring_setup"},
			[]string{"sysinfo"},
		},
		{
			"rules", systemRules,
			[]string{
				"ptrace", "process_vm_readv", "/proc/PID/mem", "pidfd_getfd", "kill", "setpriority", "affinity", "ioprio_set", "prlimit",
				"CAP_CHOWN", "bpf", "settimeofday", "clock_settime", "adjtimex", "prctl", "mount", "bind mount", "bind mount nearby", "mount of a link", "add_key", "keyctl", "io_uring_setup",
				"finit_module", "init_module",
			},
			[]string{"kill with 0", "kill itself", "own limit", "mount of another", "chroot", "socket", "sysinfo", "PTRACE_TRACEME"},
			nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.apply(t, c.policy)
			for _, name := range slices.Concat(c.refused, c.allowed, c.killed) {
				w.drain(t)
				got, signal := w.attempt(t, name, true)
				actions := w.drain(t)
				switch {
				case slices.Contains(c.refused, name):
					if !saidNo(got) || !slices.Contains(actions, uint8(fileDenialActionACTION_BLOCKED)) {
						t.Errorf("%s: %v, recorded as %v", name, got, actions)
					}
				case slices.Contains(c.killed, name):
					if signal != unix.SIGKILL || !slices.Contains(actions, uint8(fileDenialActionACTION_KILLED)) || slices.Contains(actions, uint8(fileDenialActionACTION_BLOCKED)) {
						t.Errorf("%s: %v, recorded as %v", name, signal, actions)
					}
				case saidNo(got) || signal != 0:
					t.Errorf("%s, which no rule denies: %v, %v", name, got, signal)
				}
				if got, signal := w.attempt(t, name, false); saidNo(got) || signal != 0 {
					t.Errorf("%s outside of the scope: %v, %v", name, got, signal)
				}
				if left := w.drain(t); len(left) > 0 {
					t.Errorf("%s outside of the scope is recorded", name)
				}
			}
		})
	}
}

// saidNo reports whether the kernel refused it; the files of /proc answer EACCES.
func saidNo(got syscall.Errno) bool { return got == unix.EPERM || got == unix.EACCES }

type systemWorld struct {
	*Enforcer
	cgroup *os.File
	victim *exec.Cmd
	module string
	device string // a link to it
	// inside and outside are who makes attempts in the cgroup and elsewhere.
	inside, outside *prober
}

func newSystemWorld(t *testing.T) *systemWorld {
	dir, err := os.MkdirTemp("/sys/fs/cgroup", "stockade-test-")
	if err != nil {
		t.Fatal(err)
	}
	w := &systemWorld{victim: exec.Command("sleep", "infinity")}
	if w.cgroup, err = os.Open(dir); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(w.cgroup.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if err := w.victim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range []*prober{w.inside, w.outside} {
			if p != nil {
				p.end()
			}
		}
		_ = w.victim.Process.Kill()
		_ = w.victim.Wait()
		if err := errors.Join(w.cgroup.Close(), os.Remove(dir)); err != nil {
			t.Error(err)
		}
	})
	pins, err := os.MkdirTemp("/sys/fs/bpf", "stockade-test-")
	if err != nil {
		t.Fatal(err)
	}
	w.Enforcer, err = Open(Config{
		Pins: pins, State: t.TempDir(), Trampolines: true, CgroupRoot: "/sys/fs/cgroup", Users: func(string) []uint32 { return nil },
		Scope: kernel.Scope{CgroupID: st.Ino, CgroupLevel: 1}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(w.Release(), w.Close()); err != nil {
			t.Error(err)
		}
	})
	w.module, w.device = dummyModule(t), loopDevice(t)
	if err := os.MkdirAll("/etc/blocked.d", 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove("/etc/blocked.d") })
	return w
}

// dummyModule unpacks the kernel's module of that name under another one.
func dummyModule(t *testing.T) string {
	out, err := exec.Command("modinfo", "-n", "dummy").Output()
	if err != nil {
		t.Fatalf("find the module dummy: %v", err)
	}
	packed := strings.TrimSpace(string(out))
	data, err := os.ReadFile(packed)
	if strings.HasSuffix(packed, ".xz") {
		data, err = exec.Command("xz", "-dc", packed).Output()
	}
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "innocent.ko")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// loopDevice makes a block device with a file system, and returns a link to it.
func loopDevice(t *testing.T) string {
	name := filepath.Join(t.TempDir(), "disk")
	if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Truncate(name, 4<<20)); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sh", "-c", `modprobe loop && mkfs.ext4 -q "$1" && losetup -f --show "$1"`, "sh", name).CombinedOutput()
	if err != nil {
		t.Fatalf("make a device: %v: %s", err, out)
	}
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if err := exec.Command("losetup", "-d", device).Run(); err != nil {
			t.Error(err)
		}
	})
	if err := os.Symlink(device, name+"-link"); err != nil {
		t.Fatal(err)
	}
	return name + "-link"
}

func (w *systemWorld) apply(t *testing.T, text string) {
	p, err := policy.Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	img, err := compile.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	lacks, err := w.Apply(p, img, "")
	if err != nil || len(lacks) > 0 {
		t.Fatalf("%v, %v", lacks, err)
	}
	for i := range img.Subjects {
		if img.Subjects[i].Name == "vault" {
			w.label(t, w.victim.Process.Pid, uint32(i))
		}
	}
}

// label says whose a process is in all images.
func (w *systemWorld) label(t *testing.T, pid int, subject uint32) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	var l identityLabel
	for i := range l.Task {
		l.Task[i].Subject = subject
	}
	if err := w.maps["labels"].Put(uint32(fd), &l); err != nil {
		t.Fatal(err)
	}
}

// prober is a process that makes attempts.
type prober struct {
	cmd    *exec.Cmd
	names  io.WriteCloser
	output *bufio.Scanner
}

func (w *systemWorld) prober(t *testing.T, inside bool) *prober {
	c := exec.Command("/proc/self/exe", "-test.run=^TestSystemAttempt$", "-test.v")
	c.Env = append(os.Environ(), envVictim+"="+strconv.Itoa(w.victim.Process.Pid), envModule+"="+w.module, envDevice+"="+w.device)
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, UseCgroupFD: inside, CgroupFD: int(w.cgroup.Fd())}
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return &prober{c, in, bufio.NewScanner(out)}
}

// end returns the signal that the process died of, if it did.
func (p *prober) end() syscall.Signal {
	_ = p.names.Close()
	_ = p.cmd.Wait()
	if state, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && state.Signaled() {
		return state.Signal()
	}
	return 0
}

// sticky attempts change what a process can do next.
var sticky = []string{"ptrace", "umount2"}

// attempt makes an attempt within the scope or outside, and returns the answer, and the signal that the process died of.
func (w *systemWorld) attempt(t *testing.T, name string, inside bool) (syscall.Errno, syscall.Signal) {
	who := &w.outside
	if inside {
		who = &w.inside
	}
	if *who == nil {
		*who = w.prober(t, inside)
	}
	p := *who
	if _, err := fmt.Fprintln(p.names, name); err != nil {
		t.Fatal(err)
	}
	for p.output.Scan() {
		answer, ok := strings.CutPrefix(p.output.Text(), "answer: ")
		if !ok {
			continue
		}
		number, err := strconv.Atoi(answer)
		if err != nil {
			t.Fatalf("%s: %s", name, answer)
		}
		if slices.Contains(sticky, name) {
			*who = nil
			p.end()
		}
		return syscall.Errno(number), 0
	}
	*who = nil
	signal := p.end()
	if signal == 0 {
		t.Fatalf("%s: no answer", name)
	}
	return 0, signal
}

// drain returns what was done to all denials that wait.
func (w *systemWorld) drain(t *testing.T) (actions []uint8) {
	err := w.Drain(func(r *kernel.Record) error {
		var e event.Event
		e.Kind = r.Kind
		if _, err := w.Decode(r, &e); err != nil {
			return fmt.Errorf("decode a denial of kind %s: %w", r.Kind, err)
		}
		actions = append(actions, r.Action)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return actions
}
