//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// fileWriteTechniques change the secret, or what is known about it.
func fileWriteTechniques() []technique {
	return []technique{
		{name: "open for writing", attempt: writeSecret, effect: changed},
		{name: "open for reading, truncating", attempt: truncatingOpen, effect: changed},
		{name: "truncate", attempt: func(e *Env) error { return unix.Truncate(e.Secret, 0) }, effect: changed},
		{name: "truncate by /proc/self/fd", attempt: truncateReopened, effect: changed},
		{name: "inherited descriptor, write", as: "porter", attempt: passOn(unix.O_RDWR), then: writePassed, effect: changed},
		{name: "inherited descriptor, ftruncate", as: "porter", attempt: passOn(unix.O_RDWR), then: func(*Env) error { return unix.Ftruncate(3, 0) }, effect: changed},
		{name: "inherited descriptor, fallocate", as: "porter", attempt: passOn(unix.O_RDWR), then: punch, effect: changed},
		{name: "inherited descriptor, mmap for writing", as: "porter", attempt: passOn(unix.O_RDWR), then: scribble, effect: changed},
		{name: "inherited descriptor, fchmod", as: "porter", attempt: passOn(unix.O_RDONLY), then: func(*Env) error { return unix.Fchmod(3, 0) }, effect: modeChanged},
		{name: "chmod", attempt: func(e *Env) error { return unix.Chmod(e.Secret, 0) }, effect: modeChanged},
		{name: "chmod by O_PATH", attempt: chmodByPath, effect: modeChanged},
		{name: "chmod by a hard link", before: linkSecret, attempt: func(e *Env) error { return unix.Chmod(e.work("link"), 0) }, effect: modeChanged},
		{name: "chown", attempt: func(e *Env) error { return unix.Lchown(e.Secret, 65534, 65534) }, effect: ownerChanged},
		{name: "setxattr", attempt: func(e *Env) error { return setAttribute(e.Secret) }, effect: attributeSet},
		{name: "setxattr by a hard link", before: linkSecret, attempt: func(e *Env) error { return setAttribute(e.work("link")) }, effect: attributeSet},
		{name: "utimensat", attempt: func(e *Env) error { return os.Chtimes(e.Secret, time.Unix(1, 0), time.Unix(1, 0)) }, effect: timeChanged},
		{name: "rename over it", attempt: renameOver, effect: changed},
		{name: "unlink", attempt: func(e *Env) error { return unix.Unlink(e.Secret) }, effect: changed},
		{name: "unlink and create", attempt: replaceSecret, effect: changed},
		{name: "unlink by the folder's descriptor", attempt: unlinkAt, effect: changed},
		{name: "mount over it", attempt: mountOver, effect: changed, after: unmountSecret},
		{name: "folder replaced", attempt: replaceFolder, effect: changed},
		{name: "accounting file", before: wholeMachine, attempt: accounting, effect: changed, after: stopAccounting},
	}
}

// changed: what the path of the secret leads to holds something else now.
func changed(e *Env) error {
	text, err := os.ReadFile(e.Secret)
	if err == nil && e.check(text) == nil {
		return errors.New("the secret is as it was")
	}
	return nil
}

func modeChanged(e *Env) error {
	return differs(e, func(s *syscall.Stat_t) bool { return s.Mode&0o777 != 0o666 })
}

func ownerChanged(e *Env) error {
	return differs(e, func(s *syscall.Stat_t) bool { return s.Uid != 0 })
}

func timeChanged(e *Env) error {
	return differs(e, func(s *syscall.Stat_t) bool { return s.Mtim.Sec == 1 })
}

func differs(e *Env, is func(*syscall.Stat_t) bool) error {
	var s syscall.Stat_t
	if err := syscall.Stat(e.Secret, &s); err != nil {
		return err
	}
	if !is(&s) {
		return errors.New("the secret is as it was")
	}
	return nil
}

const attribute = "trusted.bypass"

func setAttribute(path string) error {
	err := unix.Setxattr(path, attribute, []byte("x"), 0)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return lacks("this file system has no extended attributes")
	}
	return err
}

func attributeSet(e *Env) error {
	_, err := unix.Getxattr(e.Secret, attribute, nil)
	return err
}

func writeSecret(e *Env) error { return os.WriteFile(e.Secret, []byte("forged\n"), 0o644) }

// truncatingOpen asks only to read.
func truncatingOpen(e *Env) error {
	fd, err := unix.Open(e.Secret, unix.O_RDONLY|unix.O_TRUNC, 0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func truncateReopened(e *Env) error {
	fd, err := unix.Open(e.Secret, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	return unix.Truncate(fmt.Sprintf("/proc/self/fd/%d", fd), 0)
}

func writePassed(*Env) error {
	_, err := unix.Pwrite(3, []byte("forged\n"), 0)
	return err
}

// punch makes a hole where the secret was.
func punch(*Env) error {
	return unix.Fallocate(3, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 4096)
}

// scribble writes to the secret as to memory.
func scribble(*Env) error {
	memory, err := unix.Mmap(3, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	copy(memory, "forged")
	return unix.Msync(memory, unix.MS_SYNC)
}

func chmodByPath(e *Env) error {
	fd, err := unix.Open(e.Secret, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	return unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), 0)
}

func renameOver(e *Env) error {
	forged := e.work("forged")
	return errors.Join(os.WriteFile(forged, []byte("forged\n"), 0o644), os.Rename(forged, e.Secret))
}

func replaceSecret(e *Env) error { return errors.Join(unix.Unlink(e.Secret), writeSecret(e)) }

func unlinkAt(e *Env) error {
	dir, err := unix.Open(e.Vault, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	return unix.Unlinkat(dir, "secret", 0)
}

// mountOver shows everybody another file by the name of the secret.
func mountOver(e *Env) error {
	forged := e.work("forged")
	return errors.Join(os.WriteFile(forged, []byte("forged\n"), 0o644), unix.Mount(forged, e.Secret, "", unix.MS_BIND, ""))
}

// unmountSecret undoes it, if it was done.
func unmountSecret(e *Env) error {
	if err := unix.Unmount(e.Secret, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}

// replaceFolder puts a folder of the attacker's where the vault was.
func replaceFolder(e *Env) error {
	return errors.Join(os.Rename(e.Vault, e.work("vault")), os.Mkdir(e.Vault, 0o755), writeSecret(e))
}

// accounting has the kernel itself write to the secret.
func accounting(e *Env) error {
	if err := unix.Acct(e.Secret); errors.Is(err, unix.ENOSYS) {
		return lacks("this kernel has no process accounting")
	} else if err != nil {
		return fmt.Errorf("acct: %w", err)
	}
	child, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	if err != nil {
		return err
	}
	_, err = child.Wait()
	return err
}

func stopAccounting(*Env) error {
	_, _, errno := unix.Syscall(unix.SYS_ACCT, 0, 0, 0)
	if errno != 0 && errno != unix.ENOSYS {
		return errno
	}
	return nil
}

// wholeMachine keeps what changes more than a directory to machines that are there to be spoiled.
func wholeMachine(*Env) error {
	if os.Getenv(envBinary) == "" {
		return lacks("it changes the whole machine, so it is tried in guests only")
	}
	return nil
}
