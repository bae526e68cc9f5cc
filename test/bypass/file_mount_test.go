//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// fileMountTechniques show the secret at another place of the tree.
func fileMountTechniques() []technique {
	return []technique{
		{name: "bind mount made before", before: bindVault, attempt: stealBound},
		{name: "bind mount made after", setup: bindVault, attempt: stealBound},
		{name: "bind mount in a namespace", attempt: bindAndSteal},
		{name: "bind mount of a blocked tree in a namespace", before: plantTree, attempt: bindTreeAndSteal},
		{name: "bind mount of the file in a namespace", attempt: bindFileAndSteal},
		{name: "source of a bind mount that a pattern names", before: bindTree, attempt: func(e *Env) error { return steal(e, e.work("source/leaf")) }},
		{name: "open_tree clone", attempt: cloneTreeAndSteal},
		{name: "open_tree clone of a blocked tree", before: plantTree, attempt: cloneBlockedTreeAndSteal},
		{name: "open_tree clone and move_mount", attempt: moveMountAndSteal},
		{name: "overlay over the folder", attempt: overlayAndSteal},
		{name: "overlay over a blocked tree", before: plantTree, attempt: overlayTreeAndSteal},
		{name: "overlay, copied up", attempt: overlayCopyAndSteal},
		{name: "overlay, its lower layer", before: layers("secret", ""), attempt: stealIn("lower/secret")},
		{name: "overlay, its upper layer", before: layers("", "secret"), attempt: stealIn("upper/secret")},
		{name: "file system mounted again", before: image, attempt: mountAgainAndSteal},
		{name: "block device below the file system", before: image, attempt: readDevice},
		{name: "chroot into the folder", attempt: func(e *Env) error { return chrootAndSteal(e, e.Vault, "/secret") }},
		{name: "chroot above the folder", attempt: func(e *Env) error { return chrootAndSteal(e, e.Root, "/vault/secret") }},
		{name: "chroot into a blocked tree", before: plantTree, attempt: func(e *Env) error { return chrootAndSteal(e, e.vault("tree"), "/branch/leaf") }},
		{name: "pivot_root", attempt: pivotAndSteal},
		{name: "pivot_root into a blocked tree", before: plantTree, attempt: pivotTreeAndSteal},
	}
}

// ownMounts gives the calling thread a mount namespace of its own, from which nothing spreads, and stays on that thread.
func ownMounts() error {
	runtime.LockOSThread()
	return errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
}

// bind mounts from on a new directory.
func bind(from, to string) error {
	return errors.Join(os.Mkdir(to, 0o755), unix.Mount(from, to, "", unix.MS_BIND, ""))
}

// bindVault has somebody else mount the vault in the attacker's directory, for all to see.
func bindVault(e *Env) error {
	at := e.work("bound")
	if err := bind(e.Vault, at); err != nil {
		return err
	}
	e.undo(func() error { return unix.Unmount(at, unix.MNT_DETACH) })
	return nil
}

func stealBound(e *Env) error { return steal(e, e.work("bound/secret")) }

// bindAndSteal mounts the vault elsewhere, where only the attacker sees it.
func bindAndSteal(e *Env) error {
	if err := errors.Join(ownMounts(), bind(e.Vault, e.work("bound"))); err != nil {
		return err
	}
	return stealBound(e)
}

// bindTreeAndSteal mounts the folder that a pattern begins with.
func bindTreeAndSteal(e *Env) error {
	if err := errors.Join(ownMounts(), bind(e.vault("tree"), e.work("bound"))); err != nil {
		return err
	}
	return steal(e, e.work("bound/branch/leaf"))
}

// bindTree makes the blocked tree a mount of another folder.
func bindTree(e *Env) error {
	source := e.work("source")
	err := errors.Join(os.Mkdir(source, 0o755), os.WriteFile(source+"/leaf", []byte(e.Token+"\n"), 0o644), bind(source, e.vault("tree")))
	e.undo(func() error { return unix.Unmount(e.vault("tree"), unix.MNT_DETACH) })
	return err
}

// bindFileAndSteal mounts the secret alone, on a file of the attacker's.
func bindFileAndSteal(e *Env) error {
	at := e.work("bound")
	if err := errors.Join(ownMounts(), os.WriteFile(at, nil, 0o644), unix.Mount(e.Secret, at, "", unix.MS_BIND, "")); err != nil {
		return err
	}
	return steal(e, at)
}

// cloneTree makes a mount of the folder that is nowhere in the tree.
func cloneTree(folder string) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, folder, unix.OPEN_TREE_CLONE)
	if err != nil {
		return 0, fmt.Errorf("open_tree %s: %w", folder, err)
	}
	return fd, nil
}

func openAndSteal(e *Env, dir int, name string) error {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("openat: %w", err)
	}
	return stealFD(e, fd)
}

func cloneTreeAndSteal(e *Env) error {
	fd, err := cloneTree(e.Vault)
	if err != nil {
		return err
	}
	return openAndSteal(e, fd, "secret")
}

func cloneBlockedTreeAndSteal(e *Env) error {
	fd, err := cloneTree(e.vault("tree/branch"))
	if err != nil {
		return err
	}
	return openAndSteal(e, fd, "leaf")
}

// moveMountAndSteal hangs such a mount into the tree.
func moveMountAndSteal(e *Env) error {
	at := e.work("bound")
	if err := errors.Join(ownMounts(), os.Mkdir(at, 0o755)); err != nil {
		return err
	}
	fd, err := cloneTree(e.Vault)
	if err != nil {
		return err
	}
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("move_mount: %w", err)
	}
	return stealBound(e)
}

// overlay mounts a view of a folder in the attacker's own namespace, with a tmpfs for what is changed there.
func overlay(e *Env, lower string) error {
	if err := errors.Join(ownMounts(), unix.Mount("tmpfs", e.Work, "tmpfs", 0, "")); err != nil {
		return err
	}
	for _, name := range []string{"upper", "change", "merged"} {
		if err := os.Mkdir(e.work(name), 0o755); err != nil {
			return err
		}
	}
	return mountOverlay(lower, e.work("upper"), e.work("change"), e.work("merged"))
}

func mountOverlay(lower, upper, change, at string) error {
	err := unix.Mount("overlay", at, "overlay", 0, "lowerdir="+lower+",upperdir="+upper+",workdir="+change)
	switch {
	case errors.Is(err, unix.ENODEV):
		return lacks("this kernel has no overlayfs")
	case errors.Is(err, unix.EINVAL):
		return lacks("overlayfs takes no layer of this file system")
	}
	return err
}

// overlayAndSteal reads the secret as a file of another file system, which opens the real one by itself.
func overlayAndSteal(e *Env) error {
	if err := overlay(e, e.Vault); err != nil {
		return err
	}
	return steal(e, e.work("merged/secret"))
}

func overlayTreeAndSteal(e *Env) error {
	if err := overlay(e, e.vault("tree")); err != nil {
		return err
	}
	return steal(e, e.work("merged/branch/leaf"))
}

// overlayCopyAndSteal has the file system copy the secret into the attacker's directory.
func overlayCopyAndSteal(e *Env) error {
	if err := errors.Join(overlay(e, e.Vault), os.Chmod(e.work("merged/secret"), 0o600)); err != nil {
		return err
	}
	return steal(e, e.work("upper/secret"))
}

// layers mounts an overlay in the vault, whose secret the policy blocks, with the token in its lower or its upper layer.
func layers(lower, upper string) func(*Env) error {
	return func(e *Env) error {
		if err := unix.Mount("tmpfs", e.Vault, "tmpfs", 0, "mode=755"); err != nil {
			return err
		}
		e.undo(func() error { return unix.Unmount(e.Vault, unix.MNT_DETACH) })
		for _, name := range []string{"lower", "upper", "change", "merged"} {
			if err := os.Mkdir(e.vault(name), 0o755); err != nil {
				return err
			}
		}
		for layer, name := range map[string]string{"lower": lower, "upper": upper} {
			if name != "" {
				if err := os.WriteFile(e.vault(filepath.Join(layer, name)), []byte(e.Token+"\n"), 0o644); err != nil {
					return err
				}
			}
		}
		if err := mountOverlay(e.vault("lower"), e.vault("upper"), e.vault("change"), e.vault("merged")); err != nil {
			return err
		}
		e.undo(func() error { return unix.Unmount(e.vault("merged"), unix.MNT_DETACH) })
		return nil
	}
}

// stealIn reads what lies below the vault under a name that the policy does not have.
func stealIn(name string) func(*Env) error {
	return func(e *Env) error { return steal(e, e.vault(name)) }
}

func chrootAndSteal(e *Env, root, path string) error {
	runtime.LockOSThread()
	if err := errors.Join(unix.Unshare(unix.CLONE_FS), unix.Chroot(root), unix.Chdir("/")); err != nil {
		return err
	}
	return steal(e, path)
}

// pivot makes a folder the root of a mount namespace, and lets go of all else.
func pivot(e *Env, folder string) error {
	at := e.work("bound")
	if err := errors.Join(ownMounts(), bind(folder, at), unix.Chdir(at)); err != nil {
		return err
	}
	return errors.Join(unix.PivotRoot(".", "."), unix.Unmount(".", unix.MNT_DETACH))
}

func pivotAndSteal(e *Env) error {
	if err := pivot(e, e.Vault); err != nil {
		return err
	}
	return steal(e, "/secret")
}

func pivotTreeAndSteal(e *Env) error {
	if err := pivot(e, e.vault("tree")); err != nil {
		return err
	}
	return steal(e, "/branch/leaf")
}
