//go:build linux

package bypass

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func signalTechniques() []technique {
	return []technique{
		{name: "kill", attempt: killing(func(e *Env) error { return unix.Kill(e.victim(), unix.SIGTERM) })},
		{name: "kill its group", attempt: killing(func(e *Env) error { return unix.Kill(-e.victim(), unix.SIGTERM) })},
		{name: "stop it", attempt: stopping(func(e *Env) error { return unix.Kill(e.victim(), unix.SIGSTOP) }, "T")},
		{name: "tgkill", attempt: killing(func(e *Env) error { return unix.Tgkill(e.victim(), e.victim(), unix.SIGTERM) })},
		{name: "tkill", attempt: killing(func(e *Env) error { return raw(unix.SYS_TKILL, e.victim(), int(unix.SIGTERM)) })},
		{name: "rt_sigqueueinfo", attempt: killing(func(e *Env) error {
			return queue(unix.SYS_RT_SIGQUEUEINFO, e.victim(), int(unix.SIGTERM))
		})},
		{name: "rt_tgsigqueueinfo", attempt: killing(func(e *Env) error {
			return queue(unix.SYS_RT_TGSIGQUEUEINFO, e.victim(), e.victim(), int(unix.SIGTERM))
		})},
		{name: "pidfd_send_signal", attempt: killing(killByPidfd)},
		{name: "pidfd_send_signal by /proc", attempt: killing(killByProc)},
		{name: "signal by a thread", attempt: killing(func(e *Env) error {
			return onThread(func() error { return unix.Kill(e.victim(), unix.SIGTERM) })
		})},
		{name: "signal by a shell", attempt: killing(killByShell)},
		{name: "signal as another user", attempt: killing(killAsUser)},
		{name: "signal by 32-bit call", attempt: killing(func(e *Env) error { return call32(37, e.victim(), int(unix.SIGTERM)) })},
		{name: "SIGIO of a pipe", attempt: killing(func(e *Env) error { return killByOwner(e, ownerProcess) })},
		{name: "SIGIO of a pipe, for its group", attempt: killing(func(e *Env) error { return killByOwner(e, ownerGroup) })},
		{name: "SIGIO of a socket", attempt: killing(killByUrgent)},
		{name: "control-C on its terminal", setup: onTerminal, attempt: killing(typeControlC)},
		{name: "hang up its terminal", setup: onTerminal, attempt: killing(hangUp)},
		{name: "cgroup.kill", setup: inCgroup, attempt: killing(func(e *Env) error { return writeCgroup(e, "cgroup.kill", "1") })},
		{name: "cgroup.freeze", setup: inCgroup, attempt: freeze, after: func(e *Env) error { return writeCgroup(e, "cgroup.freeze", "0") }},
		{name: "memory.high of its cgroup", setup: inCgroup, attempt: func(e *Env) error {
			if _, err := os.Stat(filepath.Join(e.Facts["cgroup"], "memory.high")); err != nil {
				return lacks("no memory controller there")
			}
			return writeCgroup(e, "memory.high", "max")
		}},
		{name: "moved to another cgroup", setup: inCgroup, attempt: func(e *Env) error {
			return os.WriteFile(e.Facts["cgroup"]+"-other/cgroup.procs", []byte(e.Facts["victim"]), 0)
		}},
	}
}

// raw makes a system call of numbers.
func raw(number uintptr, args ...int) error {
	var a [6]uintptr
	for i, v := range args {
		a[i] = uintptr(v)
	}
	if _, _, e := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); e != 0 {
		return e
	}
	return nil
}

// queue sends a signal with a value (SI_QUEUE).
func queue(number uintptr, args ...int) error {
	var info [128]byte
	*(*int32)(unsafe.Pointer(&info[0])) = int32(args[len(args)-1])
	*(*int32)(unsafe.Pointer(&info[8])) = -1
	var a [4]uintptr
	for i, v := range args {
		a[i] = uintptr(v)
	}
	a[len(args)] = uintptr(unsafe.Pointer(&info[0]))
	if _, _, e := unix.Syscall6(number, a[0], a[1], a[2], a[3], 0, 0); e != 0 {
		return e
	}
	return nil
}

func killByPidfd(e *Env) error {
	fd, err := unix.PidfdOpen(e.victim(), 0)
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0)
}

// killByProc has a directory stand for the process.
func killByProc(e *Env) error {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d", e.victim()), unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0)
}

func killByShell(e *Env) error {
	out, err := exec.Command("/bin/sh", "-c", "kill -TERM "+strconv.Itoa(e.victim())).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: the shell: %w: %s", errRefused, err, out)
	}
	return nil
}

// killAsUser does it under another user id; the right to comes with the capability that is kept.
func killAsUser(e *Env) error {
	return onThread(func() error {
		if err := unix.Prctl(unix.PR_SET_KEEPCAPS, 1, 0, 0, 0); err != nil {
			return unfair("keep capabilities", err)
		}
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); e != 0 {
			return unfair("setresuid", e)
		}
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		data := [2]unix.CapUserData{}
		data[0].Permitted = 1 << unix.CAP_KILL
		data[0].Effective = data[0].Permitted
		if err := unix.Capset(&header, &data[0]); err != nil {
			return unfair("capset", err)
		}
		return unix.Kill(e.victim(), unix.SIGTERM)
	})
}

// Kinds of owners, of F_SETOWN_EX.
const (
	ownerProcess = 1
	ownerGroup   = 2
)

// killByOwner makes the victim the one who hears of a pipe, by the signal that ends it.
func killByOwner(e *Env, kind int32) error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	defer func() { _, _ = unix.Close(pipe[0]), unix.Close(pipe[1]) }()
	owner := struct{ kind, pid int32 }{kind, int32(e.victim())}
	if _, _, e := unix.Syscall(unix.SYS_FCNTL, uintptr(pipe[0]), unix.F_SETOWN_EX, uintptr(unsafe.Pointer(&owner))); e != 0 {
		return fmt.Errorf("F_SETOWN_EX: %w", e)
	}
	if _, err := unix.FcntlInt(uintptr(pipe[0]), unix.F_SETSIG, int(unix.SIGTERM)); err != nil {
		return fmt.Errorf("F_SETSIG: %w", err)
	}
	if _, err := unix.FcntlInt(uintptr(pipe[0]), unix.F_SETFL, unix.O_ASYNC); err != nil {
		return fmt.Errorf("O_ASYNC: %w", err)
	}
	_, err := unix.Write(pipe[1], []byte("x"))
	return err
}

// killByUrgent does it with a socket, whose SIGIO the default action of ends the victim.
func killByUrgent(e *Env) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _, _ = unix.Close(pair[0]), unix.Close(pair[1]) }()
	if _, err := unix.FcntlInt(uintptr(pair[0]), unix.F_SETOWN, e.victim()); err != nil {
		return fmt.Errorf("F_SETOWN: %w", err)
	}
	if _, err := unix.FcntlInt(uintptr(pair[0]), unix.F_SETSIG, int(unix.SIGTERM)); err != nil {
		return fmt.Errorf("F_SETSIG: %w", err)
	}
	if _, err := unix.FcntlInt(uintptr(pair[0]), unix.F_SETFL, unix.O_ASYNC); err != nil {
		return fmt.Errorf("O_ASYNC: %w", err)
	}
	_, err = unix.Write(pair[1], []byte("x"))
	return err
}

// onTerminal makes a terminal for the victim.
func onTerminal(e *Env) error {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return lacks(err.Error())
	}
	e.undo(master.Close)
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return err
	}
	e.Facts["terminal"] = fmt.Sprintf("/dev/pts/%d", number)
	return nil
}

func openTerminal(e *Env) (*os.File, error) {
	return os.OpenFile(e.Facts["terminal"], os.O_RDWR|unix.O_NOCTTY, 0)
}

// typeControlC puts a character where the victim's terminal reads, and the kernel sends the signal.
func typeControlC(e *Env) error {
	f, err := openTerminal(e)
	if err != nil {
		return err
	}
	defer f.Close()
	key := []byte{3}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.TIOCSTI, uintptr(unsafe.Pointer(&key[0]))); e != 0 {
		return fmt.Errorf("TIOCSTI: %w", e)
	}
	return nil
}

func hangUp(e *Env) error {
	f, err := openTerminal(e)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.IoctlSetInt(int(f.Fd()), unix.TIOCVHANGUP, 0); err != nil {
		return fmt.Errorf("TIOCVHANGUP: %w", err)
	}
	return nil
}

// inCgroup makes a cgroup for the victim, and another one beside it.
func inCgroup(e *Env) error {
	dir, err := testCgroup(e)
	if err != nil {
		return err
	}
	for _, dir := range []string{dir, dir + "-other"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		e.undo(func() error { return eventually(func() error { return os.Remove(dir) }) })
	}
	e.Facts["cgroup"] = dir
	return nil
}

func writeCgroup(e *Env, file, text string) error {
	return os.WriteFile(filepath.Join(e.Facts["cgroup"], file), []byte(text), 0)
}

// freeze succeeds when the kernel says that all in the cgroup stand still.
func freeze(e *Env) error {
	if err := writeCgroup(e, "cgroup.freeze", "1"); err != nil {
		return err
	}
	for deadline := time.Now().Add(answerTime); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if text, err := os.ReadFile(filepath.Join(e.Facts["cgroup"], "cgroup.events")); err == nil && strings.Contains(string(text), "frozen 1") {
			return nil
		}
	}
	return fmt.Errorf("%w: the cgroup does not freeze", errRefused)
}
