//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// fileTaskTechniques try to be another task than the policy speaks of.
func fileTaskTechniques() []technique {
	own := func(change func(*Env) error) func(*Env) error {
		return func(e *Env) error { return errors.Join(change(e), stealSecret(e)) }
	}
	return []technique{
		{name: "command renamed", attempt: own(renameCommand)},
		{name: "executable renamed", attempt: renamedExecutable, then: stealSecret},
		{name: "PR_SET_MM_EXE_FILE", before: needResource, attempt: own(func(e *Env) error { return replaceExecutable(e.program("porter")) })},
		{name: "copy of the binary", attempt: startCopy, then: stealSecret},
		{name: "copy of the binary, by somebody else", as: "stranger", before: makeCommon, attempt: func(e *Env) error { return steal(e, e.vault("common")) }},
		{name: "copy of the binary in memory", attempt: startMemory, then: stealSecret},
		{name: "executable unlinked", attempt: startUnlinked, then: stealSecret},
		{name: "exec of an ordinary program", attempt: runCat},
		{name: "exec of a program with rights", attempt: func(e *Env) error { return again(e, exec.Command(e.program("porter"))) }, then: stealSecret},
		{name: "exec from another thread", attempt: execFromThread, then: stealSecret},
		{name: "another thread", attempt: stealFromThread},
		{name: "double fork", attempt: forkTwice},
		{name: "new session", attempt: spawn(&syscall.SysProcAttr{Setsid: true}), then: stealSecret},
		{name: "CLONE_PARENT", attempt: cloneParent, then: stealSecret},
		{name: "vfork", attempt: spawn(&syscall.SysProcAttr{Cloneflags: unix.CLONE_VFORK | unix.CLONE_VM}), then: stealSecret},
		{name: "uid change", attempt: own(func(*Env) error { return syscall.Setresuid(65534, 65534, 65534) })},
		{name: "uid change and exec", attempt: spawn(&syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}), then: stealSecret},
		{name: "cgroup move", attempt: own(moveCgroup), after: removeCgroup},
		{name: "cgroup move and exec", attempt: moveCgroupAndStart, then: stealSecret, after: removeCgroup},
		{name: "clone into a cgroup", attempt: cloneIntoCgroup, then: stealSecret, after: removeCgroup},
		{name: "pid reuse", before: wholeMachine, setup: passAway, attempt: reusePID, then: stealSecret},
	}
}

func renameCommand(*Env) error {
	return os.WriteFile(fmt.Sprintf("/proc/self/task/%d/comm", os.Getpid()), []byte("porter"), 0o644)
}

// copySelf gives the attacker's program another path.
func copySelf(e *Env) (string, error) {
	path := e.work("porter")
	return path, copyFile("/proc/self/exe", path)
}

// renamedExecutable moves a copy of itself while it runs: what the kernel calls its executable changes.
func renamedExecutable(e *Env) error {
	path, err := copySelf(e)
	if err != nil {
		return err
	}
	return again(e, exec.Command("/bin/sh", "-c", fmt.Sprintf("mv '%s' '%s.moved' && exec '%s.moved'", path, path, path)))
}

func startCopy(e *Env) error {
	path, err := copySelf(e)
	if err != nil {
		return err
	}
	return again(e, exec.Command(path))
}

// makeCommon makes a file that the policy's default keeps from everybody it does not know.
func makeCommon(e *Env) error { return os.WriteFile(e.vault("common"), []byte(e.Token+"\n"), 0o644) }

// startMemory starts a copy that is a file nowhere.
func startMemory(e *Env) error {
	f, err := memoryFile("/proc/self/exe")
	if err != nil {
		return err
	}
	defer f.Close()
	return again(e, exec.Command(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())))
}

// memoryFile makes a copy of a program that has no path.
func memoryFile(program string) (*os.File, error) {
	fd, err := unix.MemfdCreate("program", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "program")
	data, err := os.ReadFile(program)
	if err == nil {
		_, err = f.Write(data)
	}
	return f, err
}

// startUnlinked starts a copy whose name is gone.
func startUnlinked(e *Env) error {
	path, err := copySelf(e)
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Remove(path); err != nil {
		return err
	}
	return again(e, exec.Command(fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())))
}

// runCat has another program read the secret.
func runCat(e *Env) error { return uses(e, exec.Command("/bin/cat", e.Secret)) }

// execFromThread becomes its own program again from another thread than the first.
func execFromThread(e *Env) error {
	return inThread(func() error { return become(e.program("attacker")) })
}

// inThread calls f on another thread than the process began with.
func inThread(f func() error) error {
	runtime.LockOSThread()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			done <- errors.New("this is the first thread")
			return
		}
		done <- f()
	}()
	return <-done
}

func stealFromThread(e *Env) error { return inThread(func() error { return stealSecret(e) }) }

// spawn makes the second part of the attempt in a child that is started in an unusual way.
func spawn(attr *syscall.SysProcAttr) func(*Env) error {
	return func(e *Env) error {
		cmd := exec.Command(e.program("attacker"))
		cmd.SysProcAttr = attr
		return again(e, cmd)
	}
}

// orphan reads what a process prints that is nobody's child here.
func orphan(e *Env, start func(out *os.File) error) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	err = errors.Join(start(w), w.Close())
	if err != nil {
		return err
	}
	out, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if o := parse(string(out), e.Token); !o.done {
		return o.err()
	}
	return nil
}

// forkTwice steals from a process whose parents are gone.
func forkTwice(e *Env) error {
	return orphan(e, func(out *os.File) error {
		cmd := exec.Command("/bin/sh", "-c", orphaned(fmt.Sprintf("cat '%s'", e.Secret)))
		cmd.Stdout = out
		return cmd.Run()
	})
}

// orphaned is a shell's script that ends before the command in it begins, and has that tell when it fails.
func orphaned(command string) string {
	return "((while kill -0 $$; do :; done; " + command + ` || echo '{"error":"the command failed","refused":true}') 2>/dev/null &)`
}

// cloneParent makes a brother in place of a child.
func cloneParent(e *Env) error {
	return orphan(e, func(out *os.File) error {
		_, err := os.StartProcess(e.program("attacker"), []string{"attacker"}, &os.ProcAttr{
			Env: secondPart(), Files: []*os.File{nil, out, os.Stderr}, Sys: &syscall.SysProcAttr{Cloneflags: unix.CLONE_PARENT},
		})
		return err
	})
}

// testCgroup is a cgroup of the attempt's own, at the top of the tree.
func testCgroup(e *Env) (string, error) {
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(root + "/cgroup.controllers"); err == nil {
			return root + "/bypass-" + e.Token[len(e.Token)-8:], nil
		}
	}
	return "", lacks("no cgroup v2 tree is mounted")
}

func moveCgroup(e *Env) error {
	path, err := testCgroup(e)
	if err != nil {
		return err
	}
	return errors.Join(os.Mkdir(path, 0o755), os.WriteFile(path+"/cgroup.procs", []byte("0"), 0o644))
}

func moveCgroupAndStart(e *Env) error {
	if err := moveCgroup(e); err != nil {
		return err
	}
	return again(e, exec.Command(e.program("attacker")))
}

func cloneIntoCgroup(e *Env) error {
	path, err := testCgroup(e)
	if err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		return err
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return spawn(&syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())})(e)
}

// removeCgroup waits until the kernel has emptied it, which is a little after its last task is gone.
func removeCgroup(e *Env) error {
	path, err := testCgroup(e)
	if err != nil {
		return err
	}
	return eventually(func() error {
		if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	})
}

// passAway has a program that may read the secret run and end.
func passAway(e *Env) error {
	friend := exec.Command(e.program("porter"), "-test.run=^$")
	if err := friend.Run(); err != nil {
		return err
	}
	e.Facts["pid"] = fmt.Sprint(friend.Process.Pid)
	return nil
}

// reusePID takes the number of that process.
func reusePID(e *Env) error {
	want, err := strconv.Atoi(e.Facts["pid"])
	if err != nil {
		return err
	}
	last := "/proc/sys/kernel/ns_last_pid"
	for range 200 {
		if err := os.WriteFile(last, fmt.Append(nil, want-1), 0o644); errors.Is(err, os.ErrNotExist) {
			return lacks("this kernel lets nobody choose a process number")
		} else if err != nil {
			return err
		}
		cmd := exec.Command(e.program("attacker"))
		cmd.Env = secondPart()
		var out strings.Builder
		cmd.Stdout = &out
		if err := cmd.Run(); err != nil {
			return err
		}
		if cmd.Process.Pid == want {
			if o := parse(out.String(), e.Token); !o.done {
				return o.err()
			}
			return nil
		}
	}
	return fmt.Errorf("nobody got number %d again", want)
}
