//go:build linux

package activity

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
)

// ownMounts gives the calling thread a mount namespace of its own, from which nothing spreads, and stays on that thread.
func ownMounts() error {
	runtime.LockOSThread()
	return errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
}

func doBind(dir string) (facts, error) {
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	err := errors.Join(ownMounts(), os.Mkdir(from, 0o700), os.Mkdir(to, 0o700), write(filepath.Join(from, "a")), unix.Mount(from, to, "", unix.MS_BIND, ""))
	if err != nil {
		return nil, err
	}
	if err := openClose(filepath.Join(to, "a"), unix.O_RDONLY, 0); err != nil {
		return nil, err
	}
	return subject(filepath.Join(from, "a"))
}

func wantBind(dir string, f facts) []event.Event {
	file := f.file(dir, "to/a")
	file.Access = "r"
	return one(file)
}

func doChroot(dir string) (facts, error) {
	if err := write(filepath.Join(dir, "a")); err != nil {
		return nil, err
	}
	f, err := subject(filepath.Join(dir, "a"))
	return f, errors.Join(err, unix.Chroot(dir), openClose("/a", unix.O_RDONLY, 0))
}

// wantChroot: paths are as the task names them.
func wantChroot(_ string, f facts) []event.Event {
	file := f.file("/", "a")
	file.Access = "r"
	return one(file)
}

func noOverlay() string {
	b, err := os.ReadFile("/proc/filesystems")
	if err == nil && !strings.Contains(string(b), "\toverlay\n") {
		return "the kernel has no overlayfs, or its module is not loaded"
	}
	return ""
}

// doOverlay changes files of both layers, one of them with a copy-up, in which overlayfs opens files of its own.
func doOverlay(dir string) (facts, error) {
	if err := errors.Join(ownMounts(), unix.Mount("tmpfs", dir, "tmpfs", 0, "")); err != nil {
		return nil, err
	}
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(
		write(at("lower/read")), write(at("lower/copied")), write(at("lower/removed")),
		unix.Mount("overlay", at("merged"), "overlay", 0, "lowerdir="+at("lower")+",upperdir="+at("upper")+",workdir="+at("work")),
		openClose(at("merged/read"), unix.O_RDONLY, 0),
		openClose(at("merged/copied"), unix.O_RDWR, 0),
		openClose(at("merged/made"), unix.O_CREAT|unix.O_WRONLY, 0o600),
		os.Remove(at("merged/removed")),
		os.Mkdir(at("merged/folder"), 0o700),
		os.Chmod(at("merged/made"), 0o640),
	)
	return facts{}, err
}

func wantOverlay(dir string, f facts) []event.Event {
	file := func(name, access string) *event.File {
		return &event.File{Path: filepath.Join(dir, "merged", name), Access: access}
	}
	return []event.Event{
		{File: file("read", "r")},
		{File: file("copied", "rw")},
		{Kind: event.KindFileCreate, File: file("made", "w")},
		{Kind: event.KindFileDelete, File: file("removed", "")},
		{Kind: event.KindFileCreate, File: file("folder", "")},
		{Kind: event.KindFileChmod, File: file("made", "")},
	}
}

// noneOverlay: what overlayfs does in its layers is not the task's doing, by whatever name it appears there.
func noneOverlay(dir string, _ facts) []event.Event {
	var none []event.Event
	for _, name := range []string{"read", "copied"} {
		for _, layer := range []string{"/", "/upper", "/lower", filepath.Join(dir, "upper"), filepath.Join(dir, "work")} {
			none = append(none, event.Event{File: &event.File{Path: filepath.Join(layer, name)}})
		}
		none = append(none, event.Event{File: &event.File{Path: filepath.Join(dir, "lower", name), Access: "r"}})
	}
	return none
}
