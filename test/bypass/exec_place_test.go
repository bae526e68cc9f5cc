//go:build linux

package bypass

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// execPlaceTechniques show the tool at another place of the tree.
func execPlaceTechniques() []technique {
	bound := func(e *Env) error { return use(e, e.work("bound/tool")) }
	return []technique{
		{name: "bind mount made before", before: bindVault, attempt: bound},
		{name: "bind mount made after", setup: bindVault, attempt: bound},
		{name: "bind mount in a namespace", attempt: func(e *Env) error { return errors.Join(ownMounts(), bind(e.Vault, e.work("bound")), bound(e)) }},
		{name: "bind mount of a blocked tree in a namespace", before: plantProgram, attempt: func(e *Env) error {
			return errors.Join(ownMounts(), bind(e.vault("tree"), e.work("bound")), use(e, e.work("bound/branch/leaf")))
		}},
		{name: "open_tree clone", attempt: execClone},
		{name: "overlay over the folder", attempt: func(e *Env) error { return errors.Join(overlay(e, e.Vault), use(e, e.work("merged/tool"))) }},
		{name: "file system mounted again", before: programImage, attempt: useImageAgain},
		{name: "chroot into the folder", before: makeAgain, attempt: func(e *Env) error { return execIn(e.Vault, "/again") }, then: succeed},
		{name: "chroot into a blocked tree", before: plantAgain, attempt: func(e *Env) error { return execIn(e.vault("tree"), "/again") }, then: succeed},
		{name: "pivot_root", before: makeAgain, attempt: func(e *Env) error { return errors.Join(pivot(e, e.Vault), become("/again")) }, then: succeed},
		{name: "allowed path covered by a private mount", as: "confined", attempt: func(e *Env) error {
			return errors.Join(ownMounts(), mountFile(e.Tool, shell()), use(e, shell()))
		}},
		{name: "allowed path forged by chroot", as: "confined", before: makeAgain, attempt: forgeAllowed, then: succeed},
		{name: "allowed path overwritten", as: "confined", before: lendProgram, attempt: overwriteAllowed, then: succeed},
	}
}

// makeAgain puts this program into the vault: it needs no library, so it starts in any root.
func makeAgain(e *Env) error { return copyFile("/proc/self/exe", e.vault("again")) }

func plantAgain(e *Env) error {
	return errors.Join(os.MkdirAll(e.vault("tree"), 0o755), copyFile("/proc/self/exe", e.vault("tree/again")))
}

// succeed: that it runs at all is what was forbidden.
func succeed(*Env) error { return nil }

// mountFile shows a file where another is.
func mountFile(from, to string) error { return unix.Mount(from, to, "", unix.MS_BIND, "") }

// execClone starts the tool from a mount that is nowhere in the tree.
func execClone(e *Env) error {
	fd, err := cloneTree(e.Vault)
	if err != nil {
		return err
	}
	return execAt(e, fd, "tool", 0)
}

func programImage(e *Env) error { return errors.Join(image(e), copyFile("/bin/echo", e.Tool)) }

func useImageAgain(e *Env) error {
	at := e.work("again")
	return errors.Join(ownMounts(), os.Mkdir(at, 0o755), unix.Mount(e.Facts["device"], at, e.Facts["kind"], 0, ""), use(e, at+"/tool"))
}

func execIn(root, program string) error {
	runtime.LockOSThread()
	if err := errors.Join(unix.Unshare(unix.CLONE_FS), unix.Chroot(root), unix.Chdir("/")); err != nil {
		return err
	}
	return become(program)
}

// forgeAllowed makes a tree in which a program has the path of one that may be started.
func forgeAllowed(e *Env) error {
	root := e.work("root")
	at := root + e.program("confined")
	return errors.Join(os.MkdirAll(root+e.Bin, 0o755), copyFile(e.vault("again"), at), execIn(root, e.program("confined")))
}
