//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// stormGroup is the techniques that try so often, or with so many tasks, that the guard might lose count.
func stormGroup() group {
	return group{
		control: "storm",
		policy: func(bin string, envs map[string]*Env) string {
			return fmt.Sprintf(`version: "1.0"
mode: enforce
processes:
  attacker:
    match: {exe: %q}
    inherit: true
    blocked_files: [%s]
`, bin+"/attacker", each(envs, func(e *Env) string { return e.Secret }))
		},
		direct: technique{name: "open", attempt: stealSecret},
		fair:   []technique{{name: "open beside", setup: leaveToken, attempt: func(e *Env) error { return steal(e, e.work("mine")) }}},
		techniques: []technique{
			{name: "many opens", attempt: func(e *Env) error { return storm(func() error { return tryOpen(e) }) }},
			{name: "many opens while the guard stands still", setup: haltGuard, attempt: func(e *Env) error { return storm(func() error { return tryOpen(e) }) }},
			{name: "many threads", attempt: func(e *Env) error { return storm(func() error { return onThread(func() error { return tryOpen(e) }) }) }},
			{name: "many children", attempt: stormOfChildren},
			{name: "many programs", attempt: func(e *Env) error {
				return storm(func() error { return again(e, exec.Command(e.program("attacker"))) })
			}, then: stealSecret},
			{name: "many tasks at once", attempt: manyTasks},
			{name: "many sockets", attempt: manySockets},
		},
	}
}

// stormTime is how long a storm lasts.
const stormTime = 5 * time.Second

func tryOpen(e *Env) error {
	fd, err := unix.Open(e.Secret, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// storm tries again and again, on all processors, until it gets through.
func storm(try func() error) error {
	var group sync.WaitGroup
	var through atomic.Bool
	var last atomic.Value
	for range 2 * runtime.NumCPU() {
		group.Go(func() {
			for deadline := time.Now().Add(stormTime); time.Now().Before(deadline) && !through.Load(); {
				if err := try(); err == nil {
					through.Store(true)
				} else {
					last.Store(fmt.Sprintf("%T: %v", err, err))
					if !reportOf(err).Refused {
						return
					}
				}
			}
		})
	}
	group.Wait()
	if through.Load() {
		return nil
	}
	return fmt.Errorf("%w, every time: %v", errRefused, last.Load())
}

// opening opens the secret in a child.
func opening(e *Env) (rawCall, error) {
	path, err := unix.BytePtrFromString(e.Secret)
	return rawCall{number: unix.SYS_OPENAT, args: [6]uintptr{^uintptr(99), pointer(path), unix.O_RDONLY}}, err // AT_FDCWD
}

func stormOfChildren(e *Env) error {
	try, err := opening(e)
	if err != nil {
		return err
	}
	return storm(func() error { return inChild(try) })
}

// manyTasks has hundreds of children at once, each of which tries and waits.
func manyTasks(e *Env) error {
	try, err := opening(e)
	if err != nil {
		return err
	}
	var gate, result [2]int
	if err := errors.Join(unix.Pipe2(gate[:], unix.O_CLOEXEC), unix.Pipe2(result[:], unix.O_CLOEXEC)); err != nil {
		return err
	}
	said := make([]byte, 1)
	try.errno = &said[0]
	calls := []rawCall{
		try,
		{number: unix.SYS_WRITE, args: [6]uintptr{uintptr(result[1]), pointer(&said[0]), 1}},
		{number: unix.SYS_CLOSE, args: [6]uintptr{uintptr(gate[1])}},
		{number: unix.SYS_READ, args: [6]uintptr{uintptr(gate[0]), pointer(&said[0]), 1}}, // until the gate opens
	}
	var children []int
	runtime.LockOSThread()
	for range 300 {
		pid, e := forkAndDo(calls)
		if e != 0 {
			break // enough, then
		}
		children = append(children, int(pid))
	}
	runtime.UnlockOSThread()
	defer func() {
		_ = unix.Close(gate[1])
		for _, pid := range children {
			_, _ = unix.Wait4(pid, nil, unix.WALL, nil)
		}
		runtime.KeepAlive(calls)
	}()
	for range children {
		if !readable(result[0], answerTime) {
			return fmt.Errorf("%w: not all children came back", errRefused)
		}
		if _, err := unix.Read(result[0], said); err != nil {
			return err
		}
		if said[0] == 0 {
			return nil
		}
	}
	return fmt.Errorf("%d children: %w", len(children), unix.Errno(said[0]))
}

// manySockets makes as many as it may, and tries then.
func manySockets(e *Env) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	var fds []int
	for range min(limit.Cur-50, 20000) {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			break
		}
		fds = append(fds, fd)
	}
	err := tryOpen(e)
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
	return err
}

// haltGuard stops the guard's process, if there is one and it lets that happen, so that nobody reads what it records.
func haltGuard(e *Env) error {
	pid, err := guardProcess()
	if err != nil || pid == 0 {
		return err
	}
	if err := unix.Kill(pid, unix.SIGSTOP); err == nil {
		e.undo(func() error { return unix.Kill(pid, unix.SIGCONT) })
	}
	return nil
}

// guardProcess finds the guard under test, or 0.
func guardProcess() (int, error) {
	binary, err := os.Stat(os.Getenv(envBinary))
	if err != nil {
		return 0, nil // there is none
	}
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, p := range processes {
		var pid int
		if _, err := fmt.Sscan(p.Name(), &pid); err != nil {
			continue
		}
		if exe, err := os.Stat("/proc/" + p.Name() + "/exe"); err == nil && os.SameFile(exe, binary) {
			return pid, nil
		}
	}
	return 0, nil
}
