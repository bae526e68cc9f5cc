//go:build linux

package bypass

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// fileMountTechniques show the secret at another place of the tree.
func fileMountTechniques() []technique {
	return []technique{
		{name: "bind mount made before", before: bindVault, attempt: stealBound},
		{name: "bind mount made after", setup: bindVault, attempt: stealBound},
		{name: "bind mount in a namespace", attempt: bindAndSteal},
	}
}

// ownMounts gives the calling thread a mount namespace of its own, from which nothing spreads, and stays on that thread.
func ownMounts() error {
	runtime.LockOSThread()
	return errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
}

// bindVault has somebody else mount the vault in the attacker's directory, for all to see.
func bindVault(e *Env) error {
	at := e.work("bound")
	if err := errors.Join(os.Mkdir(at, 0o755), unix.Mount(e.Vault, at, "", unix.MS_BIND, "")); err != nil {
		return err
	}
	e.undo(func() error { return unix.Unmount(at, unix.MNT_DETACH) })
	return nil
}

func stealBound(e *Env) error { return steal(e, e.work("bound/secret")) }

// bindAndSteal mounts the vault elsewhere, where only the attacker sees it.
func bindAndSteal(e *Env) error {
	at := e.work("bound")
	if err := errors.Join(ownMounts(), os.Mkdir(at, 0o755), unix.Mount(e.Vault, at, "", unix.MS_BIND, "")); err != nil {
		return err
	}
	return stealBound(e)
}
