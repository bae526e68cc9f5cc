//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// mountTechniques mount a vault, which nobody may, in mounts of their own. What they read there shows that they did.
func mountTechniques() []technique {
	at := func(name string, do func(e *Env, target string) error) technique {
		return technique{name: "mount: " + name, attempt: func(e *Env) error { return mountAndSteal(e, do) }}
	}
	from := func(name string, source func(e *Env) (string, error), flags uintptr) technique {
		return at(name, func(e *Env, target string) error {
			path, err := source(e)
			if err != nil {
				return err
			}
			return mount(path, target, "", flags, "")
		})
	}
	inNamespace := from("bind in a user namespace", vaultPath, unix.MS_BIND|unix.MS_REC)
	inNamespace.then = inNamespace.attempt
	inNamespace.attempt = func(e *Env) error {
		cmd := exec.Command(e.program("attacker"))
		id := []syscall.SysProcIDMap{{Size: 1}}
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, UidMappings: id, GidMappings: id}
		return again(e, cmd)
	}
	return []technique{
		from("bind", vaultPath, unix.MS_BIND),
		from("bind, with all below", vaultPath, unix.MS_BIND|unix.MS_REC),
		from("bind of a relative path", func(e *Env) (string, error) { return "vault", os.Chdir(e.Root) }, unix.MS_BIND),
		from("bind by a symbolic link", func(e *Env) (string, error) { return e.work("link"), os.Symlink(e.Vault, e.work("link")) }, unix.MS_BIND),
		from("bind by a descriptor", func(e *Env) (string, error) {
			fd, err := unix.Open(e.Vault, unix.O_PATH, 0)
			return fmt.Sprintf("/proc/thread-self/fd/%d", fd), err
		}, unix.MS_BIND),
		from("bind by /proc/thread-self/root", func(e *Env) (string, error) { return "/proc/thread-self/root" + e.Vault, nil }, unix.MS_BIND),
		from("bind of a roundabout path", func(e *Env) (string, error) { return e.Work + "/../vault/.", nil }, unix.MS_BIND),
		from("bind of a moved folder", func(e *Env) (string, error) { return e.work("moved"), os.Rename(e.Vault, e.work("moved")) }, unix.MS_BIND).
			with(func(t *technique) {
				t.after = func(e *Env) error { _ = os.Rename(e.work("moved"), e.Vault); return nil }
			}),
		inNamespace,
		at("open_tree and move_mount", func(e *Env, target string) error {
			fd, err := cloneTree(e.Vault)
			if err != nil {
				return err
			}
			if err := unix.MoveMount(fd, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
				return fmt.Errorf("move_mount: %w", err)
			}
			return nil
		}),
		at("lower layer of an overlay", func(e *Env, target string) error {
			return mount("overlay", target, "overlay", 0, "lowerdir="+e.Vault+":"+e.Bin)
		}),
		at("lower layer of an overlay by fsopen", overlayByFsopen),
		{name: "mount: open_tree alone", attempt: cloneTreeAndSteal},
		{name: "mount: what holds it", attempt: func(e *Env) error {
			if err := errors.Join(ownMounts(), bind(e.Root, e.work("bound"))); err != nil {
				return err
			}
			return steal(e, e.work("bound/vault/secret"))
		}},
	}
}

func vaultPath(e *Env) (string, error) { return e.Vault, nil }

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mount %s: %w", source, err)
	}
	return nil
}

func mountAndSteal(e *Env, do func(e *Env, target string) error) error {
	target := filepath.Join(e.Root, "target")
	if err := errors.Join(ownMounts(), os.MkdirAll(target, 0o755)); err != nil {
		return unfair("prepare", err)
	}
	if err := do(e, target); err != nil {
		return err
	}
	return steal(e, filepath.Join(target, "secret"))
}

// overlayByFsopen never names the folder in mount(2).
func overlayByFsopen(e *Env, target string) error {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return fmt.Errorf("fsopen: %w", err)
	}
	if err := errors.Join(unix.FsconfigSetString(fs, "lowerdir", e.Vault+":"+e.Bin), unix.FsconfigCreate(fs)); err != nil {
		return fmt.Errorf("fsconfig: %w", err)
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("fsmount: %w", err)
	}
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("move_mount: %w", err)
	}
	return nil
}

func mountSomethingElse(e *Env) error {
	runtime.LockOSThread()
	if err := errors.Join(ownMounts(), bind(e.Bin, e.work("bound"))); err != nil {
		return err
	}
	_, err := os.Stat(e.work("bound/attacker"))
	return err
}
