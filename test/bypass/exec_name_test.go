//go:build linux

package bypass

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// execNameTechniques give the tool another name.
func execNameTechniques() []technique {
	moved := func(e *Env) string { return filepath.Join(e.Root, "moved", "tool") }
	return []technique{
		{name: "hard link made before", before: linkTool, attempt: useLink},
		{name: "hard link made after", setup: linkTool, attempt: useLink},
		{name: "hard link", attempt: func(e *Env) error { return errors.Join(linkTool(e), useLink(e)) }},
		{name: "hard link out of a blocked tree", before: plantProgram, attempt: func(e *Env) error { return errors.Join(os.Link(e.leaf(), e.work("link")), useLink(e)) }},
		{name: "rename", attempt: func(e *Env) error { return errors.Join(os.Rename(e.Tool, e.work("link")), useLink(e)) }},
		{name: "rename of the folder", attempt: func(e *Env) error { return errors.Join(renameFolder(e), use(e, moved(e))) }},
		{name: "rename of a blocked tree", before: plantProgram, attempt: func(e *Env) error {
			return errors.Join(os.Rename(e.vault("tree"), e.work("tree")), use(e, e.work("tree/branch/leaf")))
		}},
		{name: "symbolic link", attempt: func(e *Env) error { return errors.Join(os.Symlink(e.Tool, e.work("link")), useLink(e)) }},
		{name: "dots and slashes", attempt: func(e *Env) error { return use(e, e.Work+"/.././/vault/./tool") }},
		{name: "relative path", attempt: useRelative},
		{name: "another argv[0]", attempt: useDisguised},
		{name: "path longer than PATH_MAX", before: digDeepProgram, attempt: useDeep},
		{name: "/proc/self/root", attempt: func(e *Env) error { return use(e, "/proc/self/root"+e.Tool) }},
	}
}

// linkTool has somebody else give the tool a second name.
func linkTool(e *Env) error { return os.Link(e.Tool, e.work("link")) }

func useLink(e *Env) error { return use(e, e.work("link")) }

// plantProgram puts a program into a tree that a pattern blocks: no rule names the file.
func plantProgram(e *Env) error {
	return errors.Join(os.MkdirAll(e.vault("tree/branch"), 0o755), copyFile("/bin/echo", e.leaf()))
}

func useRelative(e *Env) error {
	cmd := exec.Command("./tool", e.Token)
	cmd.Dir = e.Vault
	return uses(e, cmd)
}

// useDisguised tells the program that it is another.
func useDisguised(e *Env) error {
	return uses(e, &exec.Cmd{Path: e.Tool, Args: []string{"/bin/echo", e.Token}})
}

// digDeepProgram puts the tool where its path is too long to write.
func digDeepProgram(e *Env) error {
	dir, err := digTo(e)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(dir) }()
	return unix.Linkat(unix.AT_FDCWD, e.Tool, dir, "leaf", 0)
}

func useDeep(e *Env) error {
	dir, err := descend(e, func(int) error { return nil })
	if err != nil {
		return err
	}
	return execAt(e, dir, "leaf", 0)
}
