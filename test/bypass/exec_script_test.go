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

// execScriptTechniques have the kernel or an interpreter start what the attacker may not.
func execScriptTechniques() []technique {
	return []technique{
		{name: "script with a blocked interpreter", before: makeShell, attempt: useScriptOf("#!%s\n")},
		{name: "script with a blocked interpreter, nested", before: makeShell, attempt: useNested},
		{name: "script with a blocked interpreter, in memory", before: makeShell, attempt: useMemoryScript},
		{name: "interpreter behind a symbolic link", before: makeShell, attempt: func(e *Env) error {
			return errors.Join(os.Symlink(e.vault("sh"), e.work("link")), useScript(e, "#!"+e.work("link")+"\n"))
		}},
		{name: "env with a blocked interpreter", before: makeShell, attempt: useScriptOf("#!/usr/bin/env %s\n")},
		{name: "blocked script", before: makeScript, attempt: func(e *Env) error { return use(e, e.vault("script")) }},
		{name: "blocked script by a hard link", before: makeScript, attempt: func(e *Env) error {
			return errors.Join(os.Link(e.vault("script"), e.work("link")), useLink(e))
		}},
		{name: "blocked script as the interpreter's argument", before: makeScript, attempt: func(e *Env) error { return use(e, "/bin/sh", e.vault("script")) }},
		{name: "blocked script as the interpreter's input", before: makeScript, attempt: readScript},
		{name: "script where a list allows the shell", as: "confined", before: makeScript, attempt: func(e *Env) error { return use(e, e.vault("script")) }},
		{name: "tool started by a shell", attempt: func(e *Env) error { return uses(e, exec.Command("/bin/sh", "-c", e.Tool+" "+e.Token)) }},
		{name: "tool started by env", attempt: func(e *Env) error { return use(e, "/usr/bin/env", e.Tool) }},
		{name: "binfmt_misc", before: keepFormats(""), attempt: useFormat, after: unregister},
		{name: "binfmt_misc, opened when registered", before: keepFormats("F"), attempt: useFormat, after: unregister},
		{name: "binfmt_misc, registered before", before: registerBefore, attempt: useRegistered, after: unregister},
	}
}

// makeShell puts a shell into the vault.
func makeShell(e *Env) error { return copyFile(shell(), e.vault("sh")) }

func shell() string { return "/bin/sh" }

// makeScript puts a script into the vault that prints its argument.
func makeScript(e *Env) error {
	return errors.Join(os.WriteFile(e.vault("script"), []byte("#!/bin/sh\necho $1\n"), 0o755), os.Chmod(e.vault("script"), 0o755))
}

func useScriptOf(head string) func(*Env) error {
	return func(e *Env) error { return useScript(e, fmt.Sprintf(head, e.vault("sh"))) }
}

// useScript starts a script of the attacker's with this first line.
func useScript(e *Env, head string) error {
	path := e.work("script")
	return errors.Join(os.WriteFile(path, []byte(head+"echo $1\n"), 0o755), use(e, path))
}

// useNested starts a script whose interpreter is a script whose interpreter is blocked.
func useNested(e *Env) error {
	inner := e.work("inner")
	return errors.Join(os.WriteFile(inner, []byte("#!"+e.vault("sh")+"\necho $2\n"), 0o755), useScript(e, "#!"+inner+"\n"))
}

// useMemoryScript starts a script that is a file nowhere.
func useMemoryScript(e *Env) error {
	fd, err := unix.MemfdCreate("script", 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), "script")
	defer f.Close()
	if _, err := f.WriteString("#!" + e.vault("sh") + "\necho $1\n"); err != nil {
		return err
	}
	return use(e, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd))
}

func readScript(e *Env) error {
	f, err := os.Open(e.vault("script"))
	if err != nil {
		return err
	}
	defer f.Close()
	cmd := exec.Command("/bin/sh", "-s", e.Token)
	cmd.Stdin = f
	return uses(e, cmd)
}

const formats = "/proc/sys/fs/binfmt_misc"

// keepFormats sees to it that formats can be registered, and that none of the attempt's is left.
func keepFormats(flags string) func(*Env) error {
	return func(e *Env) error {
		if err := wholeMachine(e); err != nil {
			return err
		}
		e.Facts["flags"], e.Facts["format"] = flags, "bypass-"+strings.ToLower(e.Token[len(e.Token)-8:])
		if err := makeShell(e); err != nil {
			return err
		}
		if _, err := os.Stat(formats + "/register"); err == nil {
			return nil
		}
		_ = exec.Command("modprobe", "binfmt_misc").Run() // or it is there already
		if err := unix.Mount("binfmt_misc", formats, "binfmt_misc", 0, ""); err != nil {
			return lacks("this kernel has no binfmt_misc: " + err.Error())
		}
		return nil
	}
}

// useFormat makes the blocked shell the interpreter of files of a certain name, and starts one.
func useFormat(e *Env) error {
	if err := register(e); err != nil {
		return err
	}
	return useRegistered(e)
}

func register(e *Env) error {
	f, err := os.OpenFile(formats+"/register", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, ":%s:E::%s::%s:%s", e.Facts["format"], e.Facts["format"], e.vault("sh"), e.Facts["flags"])
	return errors.Join(err, f.Close())
}

// registerBefore has somebody else do so.
func registerBefore(e *Env) error {
	if err := keepFormats("")(e); err != nil {
		return err
	}
	return register(e)
}

func useRegistered(e *Env) error {
	path := e.work("file." + e.Facts["format"])
	return errors.Join(os.WriteFile(path, []byte("echo $1\n"), 0o755), use(e, path))
}

// unregister is for after an attempt that may have registered a format.
func unregister(e *Env) error {
	err := os.WriteFile(formats+"/"+e.Facts["format"], []byte("-1"), 0o644)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
