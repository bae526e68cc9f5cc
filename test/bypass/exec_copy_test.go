//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// execCopyTechniques start the same program from another file: a list of what is blocked does not have it, a list of what is
// allowed does not either.
func execCopyTechniques() []technique {
	both := func(name string, attempt func(*Env) error) []technique {
		return []technique{
			{name: name + ", blocked by a list", attempt: attempt},
			{name: name + ", allowed by none", as: "confined", attempt: attempt},
		}
	}
	var all []technique
	for _, group := range [][]technique{
		both("copy of the tool", useCopy),
		both("copy in memory", useMemory),
		both("copy that is unlinked", useUnlinked),
		both("copy with no name", useUnnamed),
		both("loader", useLoader),
	} {
		all = append(all, group...)
	}
	return append(all,
		technique{name: "copy in memory, by its descriptor", as: "confined", attempt: execMemory},
		technique{name: "loader with a copy, allowed by none", as: "confined", attempt: loadCopy},
		technique{name: "loader, mapping what may not be", before: makeLibrary, attempt: func(e *Env) error { return load(e, e.vault("lib")) }},
	)
}

func useCopy(e *Env) error {
	return errors.Join(copyFile(e.Tool, e.work("copy")), use(e, e.work("copy")))
}

func useMemory(e *Env) error {
	f, err := memoryFile(e.Tool)
	if err != nil {
		return err
	}
	defer f.Close()
	return use(e, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()))
}

func execMemory(e *Env) error {
	f, err := memoryFile(e.Tool)
	if err != nil {
		return err
	}
	defer f.Close()
	return execAt(e, int(f.Fd()), "", unix.AT_EMPTY_PATH)
}

func useUnlinked(e *Env) error {
	path := e.work("copy")
	if err := copyFile(e.Tool, path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return errors.Join(os.Remove(path), use(e, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())))
}

// useUnnamed starts a copy that never had a name.
func useUnnamed(e *Env) error {
	writing, err := unix.Open(e.Work, unix.O_TMPFILE|unix.O_RDWR, 0o755)
	if err != nil {
		return err
	}
	program, err := os.ReadFile(e.Tool)
	if err != nil {
		return err
	}
	path := fmt.Sprintf("/proc/self/fd/%d", writing)
	if _, err := unix.Write(writing, program); err != nil {
		return err
	}
	reading, err := os.Open(path) // what is open for writing cannot be started
	if err != nil {
		return err
	}
	defer reading.Close()
	if err := unix.Close(writing); err != nil {
		return err
	}
	return use(e, fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), reading.Fd()))
}

// load has the dynamic loader, which is a program too, start another.
func load(e *Env, program string) error {
	for _, pattern := range []string{"/lib64/ld-linux-*.so.*", "/lib/ld-linux-*.so.*"} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return use(e, found[0], program)
		}
	}
	return lacks("there is no dynamic loader")
}

func useLoader(e *Env) error { return load(e, e.Tool) }

func loadCopy(e *Env) error {
	return errors.Join(copyFile(e.Tool, e.work("copy")), load(e, e.work("copy")))
}

// makeLibrary makes a file that the attacker may read, but not map as code.
func makeLibrary(e *Env) error { return copyFile("/bin/echo", e.vault("lib")) }

// lendProgram makes a program that confined may start, and may write to.
func lendProgram(e *Env) error {
	return errors.Join(makeAgain(e), copyFile("/bin/true", e.vault("allowed")))
}

// overwriteAllowed puts another program into its file.
func overwriteAllowed(e *Env) error {
	text, err := os.ReadFile(e.vault("again"))
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(e.vault("allowed"), text, 0o755), again(e, exec.Command(e.vault("allowed"))))
}
