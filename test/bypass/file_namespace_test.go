//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// fileNamespaceTechniques go to namespaces where the attacker is root, first or alone.
func fileNamespaceTechniques() []technique {
	mapped := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}}
	user := func(flags uintptr) *syscall.SysProcAttr {
		return &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | flags, UidMappings: mapped, GidMappings: mapped}
	}
	return []technique{
		{name: "user namespace", attempt: needing("user", spawn(user(0))), then: stealSecret},
		{name: "user and mount namespace, bind mount", attempt: needing("user", spawn(user(unix.CLONE_NEWNS))), then: bindAndSteal},
		{name: "pid namespace", attempt: needing("pid", spawn(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID})), then: stealSecret},
		{name: "cgroup namespace", attempt: needing("cgroup", spawn(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWCGROUP})), then: stealSecret},
		{name: "mount namespace", attempt: func(e *Env) error { return errors.Join(ownMounts(), stealSecret(e)) }},
		{name: "setns to another's mounts", setup: startNeighbour, attempt: enterAndSteal},
		{name: "/proc/PID/root of another's mounts", setup: startNeighbour, attempt: func(e *Env) error { return steal(e, "/proc/"+e.Facts["pid"]+"/root"+e.work("bound/secret")) }},
	}
}

// needing turns the kernel's answer that it has no such namespaces into what it is.
func needing(namespace string, attempt func(*Env) error) func(*Env) error {
	return func(e *Env) error {
		err := attempt(e)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSPC) {
			return lacks("this kernel has no " + namespace + " namespaces: " + err.Error())
		}
		return err
	}
}

// startNeighbour starts a process that no rule means, with the vault mounted elsewhere in a mount namespace of its own.
func startNeighbour(e *Env) error {
	script := fmt.Sprintf("mkdir '%s' && mount --make-rprivate / && mount --bind '%s' '%s' && echo ready && exec sleep 1000", e.work("bound"), e.Vault, e.work("bound"))
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	e.undo(func() error {
		err := cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		return err
	})
	e.Facts["pid"] = fmt.Sprint(cmd.Process.Pid)
	if n, err := out.Read(make([]byte, 10)); n == 0 {
		return fmt.Errorf("the neighbour mounts nothing: %w", err)
	}
	return nil
}

// enterAndSteal goes where the vault is mounted elsewhere.
func enterAndSteal(e *Env) error {
	runtime.LockOSThread()
	fd, err := unix.Open("/proc/"+e.Facts["pid"]+"/ns/mnt", unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Unshare(unix.CLONE_FS), unix.Setns(fd, unix.CLONE_NEWNS)); err != nil {
		return err
	}
	return stealBound(e)
}
