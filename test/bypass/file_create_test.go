//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// fileCreateTechniques make a file where none may be. It did not exist when the policy was loaded, so no inode is known.
func fileCreateTechniques() []technique {
	return []technique{
		{name: "create", attempt: func(e *Env) error { return os.WriteFile(e.absent(), nil, 0o644) }, effect: created},
		{name: "create through a dangling link", attempt: createThroughLink, effect: created},
		{name: "mkdir", attempt: func(e *Env) error { return unix.Mkdir(e.absent(), 0o755) }, effect: created},
		{name: "mknod", attempt: func(e *Env) error { return unix.Mknod(e.absent(), unix.S_IFIFO|0o644, 0) }, effect: created},
		{name: "symlink", attempt: func(e *Env) error { return os.Symlink("/", e.absent()) }, effect: created},
		{name: "bind a socket", attempt: bindSocket, effect: created},
		{name: "hard link to it", setup: leaveToken, attempt: func(e *Env) error { return os.Link(e.work("mine"), e.absent()) }, effect: created},
		{name: "rename to it", setup: leaveToken, attempt: func(e *Env) error { return os.Rename(e.work("mine"), e.absent()) }, effect: created},
		{name: "rename a folder to its folder", before: dropVault, attempt: moveFolderIn, effect: created},
		{name: "O_TMPFILE and linkat", attempt: linkUnnamed, effect: created},
		{name: "create in a bind mount", attempt: createInBind, effect: created},
		{name: "create in an open_tree clone", attempt: createInClone, effect: created},
		{name: "create after chroot", attempt: createAfterChroot, effect: created},
		{name: "create in a blocked tree", before: plantTree, attempt: func(e *Env) error { return os.WriteFile(e.vault("tree/new"), nil, 0o644) }, effect: grown},
		{name: "remove from a blocked tree", before: plantTree, attempt: func(e *Env) error { return os.Remove(e.leaf()) }, effect: shrunk},
	}
}

func (e *Env) absent() string { return e.vault("absent") }

func created(e *Env) error { return exists(e.absent()) }

func grown(e *Env) error { return exists(e.vault("tree/new")) }

func exists(path string) error {
	_, err := os.Lstat(path)
	return err
}

func shrunk(e *Env) error {
	if exists(e.leaf()) == nil {
		return errors.New("the file is still there")
	}
	return nil
}

func createThroughLink(e *Env) error {
	link := e.work("link")
	return errors.Join(os.Symlink(e.absent(), link), os.WriteFile(link, nil, 0o644))
}

func bindSocket(e *Env) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := unix.Chdir(e.Vault); err != nil { // the path is too long for a socket's address
		return err
	}
	return unix.Bind(fd, &unix.SockaddrUnix{Name: "absent"})
}

// dropVault removes the vault, so that the attacker can bring his own.
func dropVault(e *Env) error { return os.RemoveAll(e.Vault) }

// moveFolderIn brings the folder, with the file in it.
func moveFolderIn(e *Env) error {
	folder := e.work("folder")
	return errors.Join(os.Mkdir(folder, 0o755), os.WriteFile(folder+"/absent", nil, 0o644), os.Rename(folder, e.Vault))
}

// linkUnnamed makes a file that has no name until it is complete.
func linkUnnamed(e *Env) error {
	fd, err := unix.Open(e.Work, unix.O_TMPFILE|unix.O_WRONLY, 0o644)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return lacks("this file system has no unnamed files")
	}
	if err != nil {
		return err
	}
	return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), unix.AT_FDCWD, e.absent(), unix.AT_SYMLINK_FOLLOW)
}

func createInBind(e *Env) error {
	if err := errors.Join(ownMounts(), bind(e.Vault, e.work("bound"))); err != nil {
		return err
	}
	return os.WriteFile(e.work("bound/absent"), nil, 0o644)
}

func createInClone(e *Env) error {
	tree, err := cloneTree(e.Vault)
	if err != nil {
		return err
	}
	fd, err := unix.Openat(tree, "absent", unix.O_CREAT|unix.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func createAfterChroot(e *Env) error {
	return errors.Join(unix.Chroot(e.Vault), os.WriteFile("/absent", nil, 0o644))
}
