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
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

// The environment of a process that makes attempts.
const (
	envVictim = "STOCKADE_TEST_VICTIM"
	envModule = "STOCKADE_TEST_MODULE"
	envDevice = "STOCKADE_TEST_DEVICE"
)

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
    match: {name: stockade-test-vault}
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
	needsLSM(t)
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
	sleep, err := os.ReadFile("/usr/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	vault := filepath.Join(t.TempDir(), "stockade-test-vault")
	if err := os.WriteFile(vault, sleep, 0o700); err != nil {
		t.Fatal(err)
	}
	w := &systemWorld{victim: exec.Command(vault, "infinity")}
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
