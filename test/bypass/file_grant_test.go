//go:build linux

package bypass

import (
	"errors"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// fileGrantTechniques write to a ledger that only one program, the clerk, may write to.
func fileGrantTechniques() []technique {
	grant := func(name string, attempt func(*Env) error) technique {
		return technique{name: "granted program, " + name, before: hireClerk, attempt: attempt, then: forge, effect: forged}
	}
	return []technique{
		grant("not at all", forge),
		grant("its name", func(e *Env) error { return errors.Join(renameCommand(e), forge(e)) }),
		grant("forged by a private mount", forgeClerk(coverVault)),
		grant("forged by a private bind mount", forgeClerk(bindOverClerk)),
		grant("forged by chroot", chrootClerk),
		grant("forged by a rename", forgeClerk(renameClerk)),
		grant("overwritten", forgeClerk(overwriteClerk)),
		grant("hard link to it", linkClerk),
		grant("PR_SET_MM_EXE_FILE", func(e *Env) error { return errors.Join(replaceExecutable(e.clerk()), forge(e)) }).with(func(t *technique) {
			t.before = func(e *Env) error { return errors.Join(needResource(e), hireClerk(e)) }
		}),
		{name: "granted program, LD_PRELOAD", before: hireShell, attempt: preloadClerk, effect: forged},
		grant("mounted over for all", mountOverClerk).with(func(t *technique) { t.after = uncoverClerk }),
		grant("the file renamed over", func(e *Env) error {
			other := e.work("other")
			return errors.Join(os.WriteFile(other, []byte(e.Token+"\n"), 0o644), os.Rename(other, e.ledger()))
		}),
	}
}

func (t technique) with(change func(*technique)) technique {
	change(&t)
	return t
}

func (e *Env) clerk() string  { return e.vault("clerk") }
func (e *Env) ledger() string { return e.vault("ledger") }

// hireClerk makes the ledger, and the program that may write to it.
func hireClerk(e *Env) error {
	return errors.Join(os.WriteFile(e.ledger(), []byte("balance\n"), 0o666), copyFile("/proc/self/exe", e.clerk()))
}

// sendClerk does it as it should be done.
func sendClerk(e *Env) error { return again(e, exec.Command(e.clerk())) }

// forge writes to the ledger as whoever this is.
func forge(e *Env) error { return os.WriteFile(e.ledger(), []byte(e.Token+"\n"), 0o644) }

func forged(e *Env) error { return steal(e, e.ledger()) }

// forgeClerk starts a program of the attacker's that place has put where the clerk is.
func forgeClerk(place func(e *Env, program string) error) func(*Env) error {
	return func(e *Env) error {
		path, err := copySelf(e)
		if err != nil {
			return err
		}
		if err := place(e, path); err != nil {
			return err
		}
		return sendClerk(e)
	}
}

// coverVault covers the folder of the clerk with one of the attacker's, and shows the ledger in it.
func coverVault(e *Env, program string) error {
	aside := e.work("aside")
	return errors.Join(ownMounts(), bind(e.Vault, aside), unix.Mount("tmpfs", e.Vault, "tmpfs", 0, ""), copyFile(program, e.clerk()),
		os.WriteFile(e.ledger(), nil, 0o644), unix.Mount(aside+"/ledger", e.ledger(), "", unix.MS_BIND, ""))
}

// bindOverClerk covers the clerk alone.
func bindOverClerk(e *Env, program string) error {
	return errors.Join(ownMounts(), unix.Mount(program, e.clerk(), "", unix.MS_BIND, ""))
}

// mountOverClerk does so for everybody to see.
func mountOverClerk(e *Env) error {
	return forgeClerk(func(e *Env, program string) error { return unix.Mount(program, e.clerk(), "", unix.MS_BIND, "") })(e)
}

func uncoverClerk(e *Env) error {
	if err := unix.Unmount(e.clerk(), unix.MNT_DETACH); !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}

// chrootClerk makes a tree in which the attacker's program has the path of the clerk.
func chrootClerk(e *Env) error {
	root := e.work("root")
	if err := errors.Join(os.MkdirAll(root+e.Vault, 0o755), copyFile("/proc/self/exe", root+e.clerk()), os.WriteFile(root+e.ledger(), nil, 0o644)); err != nil {
		return err
	}
	if err := errors.Join(ownMounts(), unix.Mount(e.ledger(), root+e.ledger(), "", unix.MS_BIND, ""), unix.Chroot(root), unix.Chdir("/")); err != nil {
		return err
	}
	return become(e.clerk())
}

func renameClerk(e *Env, program string) error { return os.Rename(program, e.clerk()) }

// overwriteClerk keeps the path and the inode of the clerk, and nothing else.
func overwriteClerk(e *Env, program string) error {
	text, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	return os.WriteFile(e.clerk(), text, 0o755)
}

// linkClerk gives the clerk another name in a folder of the attacker's, and starts it by that.
func linkClerk(e *Env) error {
	link := e.work("clerk")
	if err := os.Link(e.clerk(), link); err != nil {
		return err
	}
	return again(e, exec.Command(link))
}

// hireShell makes a clerk that needs libraries.
func hireShell(e *Env) error { return errors.Join(hireClerk(e), copyFile(shell(), e.clerk())) }

// preloadClerk has the clerk itself write what the attacker wants.
func preloadClerk(e *Env) error {
	library, err := writingLibrary(e.ledger(), e.Token+"\n")
	if err != nil {
		return err
	}
	path := e.work("code")
	if err := os.WriteFile(path, library, 0o755); err != nil {
		return err
	}
	_, err = preloaded(path, e.clerk(), "-c", ":")
	return err
}
