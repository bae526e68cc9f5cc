//go:build linux

package activity

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
)

func systemActivities() []activity {
	return []activity{
		{name: "signal", kind: event.KindSignal, do: doSignal, want: wantSignal},
		{name: "ptrace attach", kind: event.KindPtrace, do: doPtrace, want: wantPtrace},
		{name: "process_vm_readv", kind: event.KindPtrace, do: doReadMemory, want: wantReadMemory},
		{name: "bpf map", kind: event.KindBPF, do: doBPF, want: wantBPF},
		{name: "module load", kind: event.KindModuleLoad, do: doModule, want: wantModule(event.KindModuleLoad), skip: noModules, alone: true},
		{name: "module unload", kind: event.KindModuleUnload, do: doModule, want: wantModule(event.KindModuleUnload), skip: noModules, alone: true},
		{name: "module refused", kind: event.KindModuleLoad, do: doModuleRefused, want: wantModuleRefused},
		{name: "system i386", kind: event.KindUmount, do: doSystem32, want: wantSystem32, skip: noCalls32},
		{name: "mount", kind: event.KindMount, do: doMount, want: wantMount},
		{name: "mount refused", kind: event.KindMount, do: doMountRefused, want: wantMountRefused},
		{name: "umount", kind: event.KindUmount, do: doMount, want: wantUmount},
		{name: "credential", kind: event.KindCredential, do: doCredential, want: wantCredential},
		{name: "capability", kind: event.KindCapability, do: doCapability, want: wantCapability, skip: noCapableTracepoint},
		{name: "namespace", kind: event.KindNamespace, do: doNamespace, want: wantNamespace},
		{name: "kexec", kind: event.KindKexec, do: doKexec, want: wantCall(unix.EINVAL, event.Call{Syscall: "kexec_load"}), skip: noKexec},
		{name: "settime", kind: event.KindSettime, do: doSettime, want: wantSettime},
		{name: "prctl", kind: event.KindPrctl, do: doPrctl, want: wantPrctl},
		{name: "keyring", kind: event.KindKeyring, do: doKeyring, want: wantKeyring},
		{name: "io_uring", kind: event.KindIOUring, do: doIOUring, want: wantCall(0, event.Call{Syscall: "io_uring_setup", Argument: "8"})},
		{name: "xfrm", kind: event.KindXfrm, do: doXfrm, want: wantCall(0, event.Call{Syscall: "socket", Operation: "NETLINK_XFRM"})},
		{name: "ipc", kind: event.KindIPC, do: doIPC, want: wantIPC},
		{name: "oom kill", kind: event.KindOOMKill, do: doOOM, want: wantOOM, skip: noMemoryController},
	}
}

// sleeper starts a process that waits to be ended.
func sleeper() (*exec.Cmd, facts, error) {
	cmd := exec.Command("/bin/sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	return cmd, facts{"target": strconv.Itoa(cmd.Process.Pid), "self": strconv.Itoa(os.Getpid())}, nil
}

// reap ends it without another signal that would be seen.
func reap(cmd *exec.Cmd) {
	_ = cmd.Process.Signal(syscall.SIGKILL)
	_ = cmd.Wait()
}

func doSignal(string) (facts, error) {
	cmd, f, err := sleeper()
	if err != nil {
		return nil, err
	}
	defer reap(cmd)
	// The sender of queued information chooses its si_code: no choice may hide it.
	info := struct {
		signo, errno, code int32
		rest               [116]byte
	}{signo: int32(unix.SIGURG), code: -3}
	if _, _, errno := unix.Syscall(unix.SYS_RT_SIGQUEUEINFO, uintptr(cmd.Process.Pid), uintptr(unix.SIGURG), uintptr(unsafe.Pointer(&info))); errno != 0 {
		return nil, errno
	}
	return f, syscall.Kill(cmd.Process.Pid, syscall.SIGWINCH)
}

func wantSignal(_ string, f facts) []event.Event {
	return []event.Event{{
		Process: &event.Process{Ref: event.Ref{PID: f.int("self")}},
		Signal:  &event.Signal{Number: 28, Name: "SIGWINCH", Target: event.Ref{PID: f.int("target")}},
	}, {
		Process: &event.Process{Ref: event.Ref{PID: f.int("self")}},
		Signal:  &event.Signal{Number: 23, Name: "SIGURG", Target: event.Ref{PID: f.int("target")}},
	}}
}

func doPtrace(string) (facts, error) {
	runtime.LockOSThread()
	cmd, f, err := sleeper()
	if err != nil {
		return nil, err
	}
	defer reap(cmd)
	if err := syscall.PtraceAttach(cmd.Process.Pid); err != nil {
		return nil, err
	}
	var status syscall.WaitStatus
	_, err = syscall.Wait4(cmd.Process.Pid, &status, 0, nil)
	return f, err
}

func wantPtrace(_ string, f facts) []event.Event {
	return []event.Event{{Ptrace: &event.Ptrace{Request: "PTRACE_ATTACH", Target: event.Ref{PID: f.int("target")}}}}
}

func doReadMemory(string) (facts, error) {
	b := make([]byte, 8)
	local := []unix.Iovec{{Base: &b[0], Len: 8}}
	remote := []unix.RemoteIovec{{Base: 1, Len: 8}} // nothing is mapped there: the attempt counts
	_, err := unix.ProcessVMReadv(os.Getppid(), local, remote, 0)
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return nil, errors.New("nothing was mapped, and yet it was read")
	}
	return facts{"target": strconv.Itoa(os.Getppid()), "errno": strconv.Itoa(int(errno))}, nil
}

func wantReadMemory(_ string, f facts) []event.Event {
	return []event.Event{{Errno: f.int("errno"), Ptrace: &event.Ptrace{Request: "process_vm_readv", Target: event.Ref{PID: f.int("target")}}}}
}

func doBPF(string) (facts, error) {
	attr := struct {
		kind, key, value, max, flags, inner, node uint32
		name                                      [16]byte
		rest                                      [64]byte
	}{kind: 2, key: 4, value: 8, max: 1}
	copy(attr.name[:], "activity_map")
	fd, _, errno := unix.Syscall(unix.SYS_BPF, 0, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return nil, errno
	}
	return nil, unix.Close(int(fd))
}

func wantBPF(string, facts) []event.Event {
	return []event.Event{{BPF: &event.BPF{Command: "BPF_MAP_CREATE", Type: "array", Name: "activity_map"}}}
}

func noModules() string {
	if _, err := os.Stat("/proc/modules"); err != nil {
		return "the kernel was built without modules or started with nomodule"
	}
	return ""
}

// doModule loads a module that nothing uses, and unloads it.
func doModule(string) (facts, error) {
	loaded, err := os.ReadFile("/proc/modules")
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"nbd", "zram", "dummy", "ifb", "tun"} {
		if strings.Contains("\n"+string(loaded), "\n"+name+" ") || exec.Command("modprobe", name).Run() != nil {
			continue
		}
		path, err := exec.Command("modinfo", "-n", name).Output()
		if err != nil {
			return nil, err
		}
		resolved, err := filepath.EvalSymlinks(strings.TrimSpace(string(path)))
		if err != nil {
			return nil, err
		}
		return facts{"name": name, "path": resolved}, exec.Command("modprobe", "-r", name).Run()
	}
	return nil, fmt.Errorf("no module could be loaded")
}

func wantModule(kind event.Kind) func(string, facts) []event.Event {
	return func(_ string, f facts) []event.Event {
		m := &event.Module{Name: f["name"]}
		if kind == event.KindModuleLoad {
			m.Path = f["path"]
		}
		return []event.Event{{Module: m}}
	}
}

// doModuleRefused passes what is no module, from memory and from a file.
func doModuleRefused(dir string) (facts, error) {
	name := filepath.Join(dir, "a")
	if err := write(name); err != nil {
		return nil, err
	}
	open, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer open.Close()
	f := facts{}
	for call, err := range map[string]error{"init": unix.InitModule([]byte("data"), ""), "finit": unix.FinitModule(int(open.Fd()), "", 0)} {
		var errno unix.Errno
		if !errors.As(err, &errno) {
			return nil, fmt.Errorf("%s of what is no module: %w", call, err)
		}
		f[call] = strconv.Itoa(int(errno))
	}
	return f, nil
}

func wantModuleRefused(dir string, f facts) []event.Event {
	return []event.Event{{Errno: f.int("finit"), Module: &event.Module{Path: filepath.Join(dir, "a")}}}
}

// doSystem32 makes calls that only 32-bit programs have. What they point to is not there, or is the beginning of the
// program's file.
func doSystem32(dir string) (facts, error) {
	const noClock = 99
	socket := []byte{0xeb, 3 * 4} // jump over the arguments
	for _, a := range []uint32{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_XFRM} {
		socket = binary.LittleEndian.AppendUint32(socket, a)
	}
	path, err := program(dir, socket,
		call32(22, at+1),                 // oldumount("ELF…")
		call32(23, 0),                    // setuid16
		call32(25, 0),                    // stime32(NULL)
		call32(264, 0, 0),                // clock_settime32(CLOCK_REALTIME, NULL)
		call32(343, noClock, at),         // clock_adjtime32
		call32(117, 24, 1<<31-1, 0, 0),   // ipc(SHMCTL, …, IPC_RMID)
		call32(117, 1, 1<<31-1, 0, 0),    // ipc(SEMOP)
		call32(102, 1, at+codeAt+2),      // socketcall(SYS_SOCKET)
		call32(350, ^uint32(0), at+4, 0)) // finit_module
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path)
	cmd.Dir = dir
	return run(cmd)
}

func wantSystem32(dir string, f facts) []event.Event {
	by := &event.Process{Ref: event.Ref{PID: f.int("pid")}}
	want := []event.Event{
		{Process: by, Errno: int(unix.ENOENT), Mount: &event.Mount{Operation: "umount", Target: filepath.Join(dir, elfName)}},
		{Process: by, Kind: event.KindCredential, Credential: &event.Credential{Operation: "setuid"}},
		{Process: by, Kind: event.KindSettime, Errno: int(unix.EFAULT), Call: &event.Call{Syscall: "stime"}},
		{Process: by, Kind: event.KindSettime, Errno: int(unix.EFAULT), Call: &event.Call{Syscall: "clock_settime", Operation: "CLOCK_REALTIME"}},
		{Process: by, Kind: event.KindSettime, Errno: int(unix.EINVAL), Call: &event.Call{Syscall: "clock_adjtime", Operation: "99"}},
		{Process: by, Kind: event.KindIPC, Errno: int(unix.EINVAL), Call: &event.Call{Syscall: "shmctl", Operation: "IPC_RMID", Argument: "2147483647"}},
		{Process: by, Kind: event.KindIPC},
	}
	if trampolines() {
		want = append(want, event.Event{Process: by, Kind: event.KindXfrm, Call: &event.Call{Syscall: "socketcall", Operation: "NETLINK_XFRM"}})
	}
	return want
}

// doMount mounts in a namespace of its own.
func doMount(dir string) (facts, error) {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return nil, err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, err
	}
	bind := filepath.Join(dir, "bind")
	if err := os.Mkdir(bind, 0o700); err != nil {
		return nil, err
	}
	if err := unix.Mount("activity", dir, "tmpfs", unix.MS_NOSUID, ""); err != nil {
		return nil, err
	}
	if err := os.Mkdir(bind, 0o700); err != nil {
		return nil, err
	}
	if err := unix.Mount("/etc", bind, "", unix.MS_BIND, ""); err != nil {
		return nil, err
	}
	if err := unix.Mount("", bind, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return nil, err
	}
	return nil, unix.Unmount(bind, unix.MNT_DETACH)
}

func wantMount(dir string, _ facts) []event.Event {
	bind := filepath.Join(dir, "bind")
	return []event.Event{
		{Mount: &event.Mount{Operation: "propagation", Target: "/", Flags: []string{"MS_REC", "MS_PRIVATE"}}},
		{Mount: &event.Mount{Operation: "mount", Source: "activity", Target: dir, Filesystem: "tmpfs", Flags: []string{"MS_NOSUID"}}},
		{Mount: &event.Mount{Operation: "bind", Source: "/etc", Target: bind}},
		{Mount: &event.Mount{Operation: "remount", Target: bind}},
	}
}

func wantUmount(dir string, _ facts) []event.Event {
	return []event.Event{{Mount: &event.Mount{Operation: "umount", Target: filepath.Join(dir, "bind")}}}
}

func doMountRefused(dir string) (facts, error) {
	if err := unix.Mount("x", filepath.Join(dir, "absent"), "tmpfs", 0, ""); !errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("mount on nothing: %w", err)
	}
	return nil, nil
}

func wantMountRefused(dir string, _ facts) []event.Event {
	return []event.Event{{Errno: int(unix.ENOENT), Mount: &event.Mount{Operation: "mount", Target: filepath.Join(dir, "absent")}}}
}

// doCredential changes the ids of one thread: the C library's and Go's own wrappers change all, one call for each.
func doCredential(string) (facts, error) {
	runtime.LockOSThread()
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), 65534, ^uintptr(0)); errno != 0 {
		return nil, errno
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), 0, ^uintptr(0))
	if errno != 0 {
		return nil, errno
	}
	return nil, nil
}

func wantCredential(string, facts) []event.Event {
	return []event.Event{{Credential: &event.Credential{Operation: "setresuid", EUID: 65534}}}
}

// noCapableTracepoint: without trampolines refused capabilities are seen from Linux 6.14 on.
func noCapableTracepoint() string {
	var name unix.Utsname
	var major, minor int
	if err := unix.Uname(&name); err != nil {
		return err.Error()
	}
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		return err.Error()
	}
	if !trampolines() && (major < 6 || major == 6 && minor < 14) {
		return "the kernel has no tracepoint of capability checks, which came with 6.14"
	}
	return ""
}

func doCapability(string) (facts, error) {
	cmd := exec.Command("/usr/sbin/chroot", "/", "/bin/true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return run(cmd)
}

func wantCapability(_ string, f facts) []event.Event {
	return []event.Event{{
		Process:    &event.Process{Ref: event.Ref{PID: f.int("pid")}},
		Capability: &event.Capability{Name: "CAP_SYS_CHROOT"},
	}}
}

func doNamespace(string) (facts, error) {
	runtime.LockOSThread()
	own, err := os.Open("/proc/thread-self/ns/uts")
	if err != nil {
		return nil, err
	}
	defer own.Close()
	if err := unix.Unshare(unix.CLONE_NEWUTS); err != nil {
		return nil, err
	}
	return nil, unix.Setns(int(own.Fd()), 0)
}

func wantNamespace(string, facts) []event.Event {
	return []event.Event{
		{Namespace: &event.Namespace{Operation: "unshare", Types: []string{"uts"}}},
		{Namespace: &event.Namespace{Operation: "setns", Types: []string{"uts"}}},
	}
}

// wantCall expects one call, with its error number unless that is 0.
func wantCall(errno unix.Errno, c event.Call) func(string, facts) []event.Event {
	return func(string, facts) []event.Event { return []event.Event{{Errno: int(errno), Call: &c}} }
}

func noKexec() string {
	if err := kexecNonsense(); errors.Is(err, unix.ENOSYS) {
		return "the kernel has no kexec"
	}
	return ""
}

// kexecNonsense asks for flags that do not exist; the kernel refuses before it looks at anything else.
func kexecNonsense() error {
	_, _, errno := unix.Syscall6(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0xdead, 0, 0)
	return errno
}

func doKexec(string) (facts, error) {
	if err := kexecNonsense(); !errors.Is(err, unix.EINVAL) {
		return nil, fmt.Errorf("kexec_load with nonsense: %w", err)
	}
	return nil, nil
}

// doSettime passes times that the kernel refuses.
func doSettime(string) (facts, error) {
	ts := unix.Timespec{Nsec: 2_000_000_000}
	_, _, errno := unix.Syscall(unix.SYS_CLOCK_SETTIME, 0, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != unix.EINVAL {
		return nil, fmt.Errorf("clock_settime with nonsense: %w", errno)
	}
	if _, err := unix.Adjtimex(&unix.Timex{Modes: 0x4000, Tick: 1}); !errors.Is(err, unix.EINVAL) {
		return nil, fmt.Errorf("adjtimex with nonsense: %w", err)
	}
	_, err := unix.Adjtimex(&unix.Timex{}) // only reads: no event
	return nil, err
}

func wantSettime(string, facts) []event.Event {
	return []event.Event{
		{Errno: int(unix.EINVAL), Call: &event.Call{Syscall: "clock_settime", Operation: "CLOCK_REALTIME"}},
		{Call: &event.Call{Syscall: "adjtimex"}},
	}
}

func doPrctl(string) (facts, error) {
	runtime.LockOSThread()
	return nil, unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

func wantPrctl(string, facts) []event.Event {
	return []event.Event{{Call: &event.Call{Syscall: "prctl", Operation: "PR_SET_NO_NEW_PRIVS", Argument: "0x1"}}}
}

func doKeyring(string) (facts, error) {
	_, err := unix.AddKey("user", "activity", []byte("x"), unix.KEY_SPEC_PROCESS_KEYRING)
	return nil, err
}

func wantKeyring(string, facts) []event.Event {
	return []event.Event{{Call: &event.Call{Syscall: "add_key", Operation: "user", Argument: "activity"}}}
}

func doIOUring(string) (facts, error) {
	var params [120]byte
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 8, uintptr(unsafe.Pointer(&params)), 0)
	if errno == 0 {
		return nil, unix.Close(int(fd))
	}
	return nil, nil // the attempt counts
}

func doXfrm(string) (facts, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_XFRM)
	if err == nil {
		return nil, unix.Close(fd)
	}
	return nil, nil // the attempt counts
}

func doIPC(string) (facts, error) {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600)
	if err != nil {
		return nil, err
	}
	_, err = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	return facts{"id": strconv.Itoa(id)}, err
}

func wantIPC(_ string, f facts) []event.Event {
	return []event.Event{
		{Call: &event.Call{Syscall: "shmget", Operation: "get"}},
		{Call: &event.Call{Syscall: "shmctl", Operation: "IPC_RMID", Argument: f["id"]}},
	}
}

// ownCgroup is the test cgroup that this process runs in; empty outside of one.
func ownCgroup() string {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok && strings.HasPrefix(path, "/stockade-test-") {
			return path
		}
	}
	return ""
}
