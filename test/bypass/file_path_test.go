//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// filePathTechniques write the path of the secret in another way.
func filePathTechniques() []technique {
	return []technique{
		{name: "dots and slashes", attempt: func(e *Env) error { return steal(e, e.Work+"/.././/vault/./secret") }},
		{name: "relative path", attempt: func(e *Env) error { return errors.Join(os.Chdir(e.Work), steal(e, "../vault/secret")) }},
		{name: "symbolic link", attempt: symlinkAndSteal},
		{name: "symbolic link to the folder", attempt: symlinkFolderAndSteal},
		{name: "symbolic link that changes", setup: leaveToken, attempt: raceLink},
		{name: "folder that changes", attempt: raceFolder},
		{name: "another case of letters", before: foldedImage, attempt: stealFolded},
		{name: "path longer than PATH_MAX", before: digDeep, attempt: stealDeep},
		{name: "/proc/self/root", attempt: func(e *Env) error { return steal(e, "/proc/self/root"+e.Secret) }},
		{name: "/proc/PID/root", setup: describeTest, attempt: func(e *Env) error { return steal(e, "/proc/"+e.Facts["pid"]+"/root"+e.Secret) }},
		{name: "/proc/PID/cwd", setup: describeTest, attempt: func(e *Env) error { return steal(e, "/proc/"+e.Facts["pid"]+"/cwd"+e.Facts["up"]+e.Secret) }},
		{name: "/proc/PID/fd", setup: holdSecret, attempt: func(e *Env) error { return steal(e, "/proc/"+e.Facts["pid"]+"/fd/"+e.Facts["fd"]) }},
		{name: "/proc/PID/map_files", setup: mapSecret, attempt: func(e *Env) error { return steal(e, "/proc/"+e.Facts["pid"]+"/map_files/"+e.Facts["range"]) }},
	}
}

func symlinkAndSteal(e *Env) error {
	if err := os.Symlink(e.Secret, e.work("link")); err != nil {
		return err
	}
	return stealLink(e)
}

func symlinkFolderAndSteal(e *Env) error {
	if err := os.Symlink(e.Vault, e.work("folder")); err != nil {
		return err
	}
	return steal(e, e.work("folder/secret"))
}

// race makes an attempt again and again while flip changes what its path means, until it works or time is over.
func race(attempt func() error, flip func(i int) error) error {
	stop, flipped := make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		for i := 0; err == nil; i++ {
			select {
			case <-stop:
				flipped <- nil
				return
			default:
				err = flip(i)
			}
		}
		flipped <- err
	}()
	err := attempt()
	for deadline := time.Now().Add(3 * time.Second); err != nil && time.Now().Before(deadline); {
		err = attempt()
	}
	close(stop)
	if e := <-flipped; e != nil {
		return fmt.Errorf("change what the path means: %w", e)
	}
	if err != nil {
		return fmt.Errorf("%w each time, the last time: %w", errRefused, err)
	}
	return nil
}

// raceLink has a link lead to a harmless file whenever somebody looks.
func raceLink(e *Env) error {
	harmless, next, link := e.work("harmless"), e.work("next"), e.work("link")
	if err := errors.Join(os.WriteFile(harmless, []byte("nothing\n"), 0o644), os.Symlink(harmless, link)); err != nil {
		return err
	}
	return race(func() error { return steal(e, link) }, func(i int) error {
		to := harmless
		if i%2 == 0 {
			to = e.Secret
		}
		return errors.Join(os.Symlink(to, next), os.Rename(next, link))
	})
}

// raceFolder moves the folder of the secret to and fro, so that its path changes while it is read.
func raceFolder(e *Env) error {
	elsewhere := e.work("elsewhere")
	return race(func() error { return steal(e, elsewhere+"/secret") }, func(i int) error {
		if i%2 == 0 {
			return os.Rename(e.Vault, elsewhere)
		}
		return os.Rename(elsewhere, e.Vault)
	})
}

// foldedImage puts the secret on a file system to which letters are the same in both cases.
func foldedImage(e *Env) error {
	if err := makeImage(e, "ext4", "-q", "-O", "casefold"); errors.Is(err, unix.EINVAL) {
		return lacks("this kernel's ext4 has no casefold")
	} else if err != nil {
		return err
	}
	folder := e.vault("folded")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	dir, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer dir.Close()
	const foldedNames = 0x40000000 // FS_CASEFOLD_FL
	if err := unix.IoctlSetPointerInt(int(dir.Fd()), unix.FS_IOC_SETFLAGS, foldedNames); err != nil {
		return lacks("this file system has no casefold: " + err.Error())
	}
	return os.WriteFile(e.vault("folded/hidden"), []byte(e.Token+"\n"), 0o644)
}

// stealFolded asks for the secret first by a name that is not its own.
func stealFolded(e *Env) error { return steal(e, e.vault("folded/HIDDEN")) }

// deepName and deepLevels make a path of more than PATH_MAX bytes, which nobody can write as one.
const (
	deepLevels = 20
	deepLength = 250
)

func deepName() string { return strings.Repeat("d", deepLength) }

// digTo makes such a path in a blocked tree, and opens its end.
func digTo(e *Env) (int, error) {
	if err := os.Mkdir(e.vault("tree"), 0o755); err != nil {
		return 0, err
	}
	return descend(e, func(dir int) error { return unix.Mkdirat(dir, deepName(), 0o755) })
}

// digDeep puts the token there.
func digDeep(e *Env) error {
	dir, err := digTo(e)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(dir) }()
	fd, err := unix.Openat(dir, "leaf", unix.O_CREAT|unix.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = unix.Write(fd, []byte(e.Token+"\n"))
	return errors.Join(err, unix.Close(fd))
}

// descend goes to the bottom of the tree, step by step.
func descend(e *Env, each func(dir int) error) (int, error) {
	dir, err := unix.Open(e.vault("tree"), unix.O_PATH|unix.O_DIRECTORY, 0)
	for range deepLevels {
		if err == nil {
			err = each(dir)
		}
		if err != nil {
			return 0, err
		}
		var next int
		next, err = unix.Openat(dir, deepName(), unix.O_PATH|unix.O_DIRECTORY, 0)
		_ = unix.Close(dir)
		dir = next
	}
	return dir, err
}

func stealDeep(e *Env) error {
	dir, err := descend(e, func(int) error { return nil })
	if err != nil {
		return err
	}
	return openAndSteal(e, dir, "leaf")
}

// describeTest tells the attacker of a process that no rule means: this test.
func describeTest(e *Env) error {
	folder, err := os.Getwd()
	e.Facts["pid"] = fmt.Sprint(os.Getpid())
	e.Facts["up"] = strings.Repeat("/..", strings.Count(folder, "/"))
	return err
}

// holdSecret has the secret open in a process that no rule means.
func holdSecret(e *Env) error {
	f, err := os.Open(e.Secret)
	if err != nil {
		return err
	}
	e.undo(f.Close)
	e.Facts["fd"] = fmt.Sprint(f.Fd())
	return describeTest(e)
}

// mapSecret has the secret mapped there.
func mapSecret(e *Env) error {
	f, err := os.Open(e.Secret)
	if err != nil {
		return err
	}
	defer f.Close()
	memory, err := unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	e.undo(func() error { return unix.Munmap(memory) })
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, e.Secret) {
			e.Facts["range"], _, _ = strings.Cut(line, " ")
			return describeTest(e)
		}
	}
	return errors.New("the mapped secret is not among the mappings")
}
