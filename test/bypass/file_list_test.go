//go:build linux

package bypass

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// fileListTechniques are tried by a program that may use its own directory and what the system needs, and nothing else.
func fileListTechniques() []technique {
	listed := func(name string, attempt func(*Env) error) technique {
		return technique{name: "allow list, " + name, as: "confined", attempt: attempt}
	}
	return []technique{
		listed("not on it", stealSecret),
		listed("hard link to an allowed path", linkAndSteal),
		listed("hard link made before", stealLink).with(func(t *technique) { t.before = linkSecret }),
		listed("rename to an allowed path", renameAndSteal),
		listed("symbolic link at an allowed path", symlinkAndSteal),
		listed("bind mount at an allowed path", bindAndSteal),
		listed("bind mount at an allowed path, for all", stealBound).with(func(t *technique) { t.before = bindVault }),
		listed("mount moved to an allowed path", moveMountAndSteal),
		listed("open_tree clone", cloneTreeAndSteal),
		listed("chroot to an allowed path", chrootToAllowed),
		listed("O_PATH and reopen", reopenPath),
		listed("open by handle", openHandle),
		listed("exec of an ordinary program", runCat),
	}
}

// chrootToAllowed makes a root in which the vault is where the attacker's directory was.
func chrootToAllowed(e *Env) error {
	root := e.work("root")
	if err := errors.Join(ownMounts(), os.MkdirAll(root+e.Work, 0o755), unix.Mount(e.Vault, root+e.Work, "", unix.MS_BIND, "")); err != nil {
		return err
	}
	return chrootAndSteal(e, root, e.work("secret"))
}
