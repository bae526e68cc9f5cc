//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// filePassedTechniques use a descriptor of the secret that a program which may open it left open over exec, as number 3.
func filePassedTechniques() []technique {
	passed := func(name string, then func(*Env) error) technique {
		return technique{name: "inherited descriptor, " + name, as: "porter", attempt: passOn(unix.O_RDONLY), then: then}
	}
	return []technique{
		passed("read", func(e *Env) error { return stealFD(e, 3) }),
		passed("mmap", mapAndSteal),
		passed("sendfile", sendAndSteal),
		passed("splice", spliceAndSteal),
		passed("copy_file_range", copyRangeAndSteal),
		passed("reopen", func(e *Env) error { return steal(e, "/proc/self/fd/3") }),
		{name: "inherited descriptor of the folder", as: "porter", attempt: passOnFolder, then: func(e *Env) error { return openAndSteal(e, 3, "secret") }},
		{name: "inherited descriptor, reflink", as: "porter", before: reflinkImage, attempt: passOn(unix.O_RDONLY), then: cloneAndSteal},
		{name: "reflink", before: reflinkImage, attempt: openCloneAndSteal},
	}
}

// passOn opens the secret, and becomes the attacker.
func passOn(flags int) func(*Env) error {
	return func(e *Env) error { return pass(e, e.Secret, flags) }
}

func passOnFolder(e *Env) error { return pass(e, e.Vault, unix.O_PATH|unix.O_DIRECTORY) }

func pass(e *Env, path string, flags int) error {
	fd, err := unix.Open(path, flags, 0)
	if err != nil {
		return err
	}
	if err := unix.Dup3(fd, 3, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	if _, err := unix.FcntlInt(3, unix.F_SETFD, 0); err != nil {
		return err
	}
	return become(e.program("attacker"))
}

func mapAndSteal(e *Env) error {
	memory, err := unix.Mmap(3, 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	return e.check(memory[:len(e.Token)+1])
}

// loot makes a file of the attacker's, and reads the token from it once fill has put it there.
func loot(e *Env, fill func(fd int) error) error {
	f, err := os.Create(e.work("loot"))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := fill(int(f.Fd())); err != nil {
		return err
	}
	return steal(e, f.Name())
}

func sendAndSteal(e *Env) error {
	return loot(e, func(fd int) error {
		_, err := unix.Sendfile(fd, 3, nil, 4096)
		return os.NewSyscallError("sendfile", err)
	})
}

func spliceAndSteal(e *Env) error {
	return loot(e, func(fd int) error {
		var pipe [2]int
		if err := unix.Pipe(pipe[:]); err != nil {
			return err
		}
		n, err := unix.Splice(3, nil, pipe[1], nil, 4096, 0)
		if err == nil {
			_, err = unix.Splice(pipe[0], nil, fd, nil, int(n), 0)
		}
		return os.NewSyscallError("splice", err)
	})
}

func copyRangeAndSteal(e *Env) error {
	return loot(e, func(fd int) error {
		_, err := unix.CopyFileRange(3, nil, fd, nil, 4096, 0)
		return os.NewSyscallError("copy_file_range", err)
	})
}

// reflinkImage puts the vault on a file system whose files can share blocks, the attacker's directory with it.
func reflinkImage(e *Env) error {
	if err := makeImage(e, "xfs", "-q", "-m", "reflink=1"); err != nil {
		return err
	}
	return os.Mkdir(e.vault("work"), 0o777)
}

// cloneAndSteal has a file of the attacker's share the secret's blocks.
func cloneAndSteal(e *Env) error { return clone(e, 3) }

func openCloneAndSteal(e *Env) error {
	fd, err := unix.Open(e.Secret, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	return clone(e, fd)
}

func clone(e *Env, from int) error {
	f, err := os.Create(e.vault("work/loot"))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.IoctlFileClone(int(f.Fd()), from); err != nil {
		return fmt.Errorf("clone: %w", err)
	}
	return steal(e, f.Name())
}
