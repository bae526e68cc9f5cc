//go:build linux

package activity

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
)

func openActivities() []activity {
	return []activity{
		{name: "open", kind: event.KindFileOpen, do: doOpen, want: wantOpen, none: noneOpen},
		{name: "open creates", kind: event.KindFileCreate, do: doCreate, want: wantCreate, none: noneCreate},
		{name: "open tmpfile", kind: event.KindFileCreate, do: doTmpfile, want: wantTmpfile},
		{name: "open2 and legacy calls", kind: event.KindFileOpen, do: doOpenCalls, want: wantOpenCalls},
		{name: "open odd names", kind: event.KindFileOpen, do: doOddNames, want: wantOddNames},
		{name: "open deep", kind: event.KindFileOpen, do: doDeep, want: wantDeep},
		{name: "open by names of every length", kind: event.KindFileOpen, do: doLengths, want: wantLengths},
		{name: "open too deep", kind: event.KindFileOpen, do: doTooDeep, want: wantTooDeep},
		{name: "open deleted", kind: event.KindFileOpen, do: doDeleted, want: wantDeleted},
		{name: "open by symlink", kind: event.KindFileOpen, do: doBySymlink, want: wantTarget},
		{name: "open in bind mount", kind: event.KindFileOpen, do: doBind, want: wantBind},
		{name: "open in chroot", kind: event.KindFileOpen, do: doChroot, want: wantChroot},
		{name: "open in overlay", kind: event.KindFileOpen, do: doOverlay, want: wantOverlay, none: noneOverlay, skip: noOverlay},
	}
}

func doOpen(dir string) (facts, error) {
	name := filepath.Join(dir, "a")
	if err := write(name); err != nil {
		return nil, err
	}
	var errs []error
	for _, flags := range []int{unix.O_RDONLY, unix.O_WRONLY | unix.O_APPEND, unix.O_RDWR | unix.O_TRUNC | unix.O_CREAT | unix.O_CLOEXEC, unix.O_PATH} {
		errs = append(errs, openClose(name, flags, 0))
	}
	if err := openClose(name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o600); !errors.Is(err, unix.EEXIST) {
		errs = append(errs, fmt.Errorf("exclusive open of what exists: %w", err))
	}
	if err := openClose(filepath.Join(dir, "absent"), unix.O_RDONLY, 0); !errors.Is(err, unix.ENOENT) {
		errs = append(errs, fmt.Errorf("open of what does not exist: %w", err))
	}
	errs = append(errs, openClose(dir, unix.O_DIRECTORY, 0))
	f, err := subject(name)
	return f, errors.Join(append(errs, err)...)
}

func wantOpen(dir string, f facts) []event.Event {
	read, appending, both := f.file(dir, "a"), f.file(dir, "a"), f.file(dir, "a")
	read.Access = "r"
	appending.Access, appending.Flags = "w", []string{"O_APPEND"}
	both.Access, both.Flags = "rw", []string{"O_CREAT", "O_TRUNC"}
	evidence := event.EvidenceDescriptor
	if trampolines() {
		evidence = event.EvidenceLSM
	}
	return []event.Event{
		{File: &read, Evidence: evidence},
		{File: &appending, Evidence: evidence},
		{File: &both, Evidence: evidence},
		{File: &event.File{Path: dir, Type: "directory", Access: "r", Flags: []string{"O_DIRECTORY"}}},
	}
}

func noneOpen(dir string, f facts) []event.Event {
	return []event.Event{
		{File: &event.File{Path: filepath.Join(dir, "absent")}},
		{File: &event.File{Path: filepath.Join(dir, "a"), Flags: []string{"O_PATH"}}},
		{File: &event.File{Path: filepath.Join(dir, "a"), Flags: []string{"O_CREAT", "O_EXCL"}}},
		{Kind: event.KindFileTruncate, File: &event.File{Path: filepath.Join(dir, "a")}},
	}
}

func doCreate(dir string) (facts, error) {
	unix.Umask(0o027)
	name := filepath.Join(dir, "new")
	if err := openClose(name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o666); err != nil {
		return nil, err
	}
	return subject(name)
}

func wantCreate(dir string, f facts) []event.Event {
	file := f.file(dir, "new")
	file.Access, file.Flags, file.Mode = "w", []string{"O_CREAT", "O_EXCL"}, "0640"
	return one(file)
}

func noneCreate(dir string, f facts) []event.Event {
	return []event.Event{{Kind: event.KindFileOpen, File: &event.File{Path: filepath.Join(dir, "new")}}}
}

func doTmpfile(dir string) (facts, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return subjectOf(fd)
}

func wantTmpfile(_ string, f facts) []event.Event {
	file := f.file("", "")
	file.Path = "" // a name that the file system makes up
	file.Access, file.Flags, file.Mode = "rw", []string{"O_TMPFILE"}, "0600"
	return one(file)
}

// doOpenCalls opens by each call that can, each with flags of its own.
func doOpenCalls(dir string) (facts, error) {
	name := filepath.Join(dir, "a")
	if err := write(name); err != nil {
		return nil, err
	}
	c, err := unix.BytePtrFromString(name)
	if err != nil {
		return nil, err
	}
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, name, 0)
	if err != nil {
		return nil, err
	}
	for _, open := range []func() (int, error){
		func() (int, error) { return rawOpen(unix.SYS_OPEN, c, unix.O_RDONLY|unix.O_NOFOLLOW) },
		func() (int, error) { return rawOpen(unix.SYS_CREAT, c, 0o600) },
		func() (int, error) {
			return unix.Openat2(unix.AT_FDCWD, name, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_NONBLOCK})
		},
		func() (int, error) { return openByHandle(dir, handle) },
	} {
		fd, err := open()
		if err != nil {
			return nil, err
		}
		_ = unix.Close(fd)
	}
	return subject(name)
}

func rawOpen(nr uintptr, name *byte, argument uintptr) (int, error) {
	fd, _, errno := unix.Syscall(nr, uintptr(unsafe.Pointer(name)), argument, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

func openByHandle(dir string, h unix.FileHandle) (int, error) {
	at, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(at)
	return unix.OpenByHandleAt(at, h, unix.O_RDWR)
}

func wantOpenCalls(dir string, f facts) []event.Event {
	var want []event.Event
	for _, x := range []event.File{
		{Access: "r", Flags: []string{"O_NOFOLLOW"}},
		{Access: "w", Flags: []string{"O_CREAT", "O_TRUNC"}},
		{Access: "r", Flags: []string{"O_NONBLOCK"}},
		{Access: "rw"},
	} {
		file := f.file(dir, "a")
		file.Access, file.Flags = x.Access, x.Flags
		want = append(want, event.Event{File: &file})
	}
	return want
}

// oddName is not UTF-8, and would break a terminal.
const oddName = "new\nline\x1b[31m \xff\xfe\"'"

func doOddNames(dir string) (facts, error) {
	name := filepath.Join(dir, oddName)
	if err := write(name); err != nil {
		return nil, err
	}
	if err := openClose(name, unix.O_RDONLY, 0); err != nil {
		return nil, err
	}
	return subject(name)
}

func wantOddNames(dir string, f facts) []event.Event {
	file := f.file(dir, oddName)
	file.Access = "r"
	return one(file)
}

// descend makes a file leaf below that many directories, and goes there: its name may be longer than an argument can be.
func descend(dir, component string, depth int) error {
	if err := os.Chdir(dir); err != nil {
		return err
	}
	for range depth {
		if err := os.Mkdir(component, 0o700); err != nil {
			return err
		}
		if err := os.Chdir(component); err != nil {
			return err
		}
	}
	return write("leaf")
}

const deep = 200

func doDeep(dir string) (facts, error) {
	if err := descend(dir, "d", deep); err != nil {
		return nil, err
	}
	if err := openClose("leaf", unix.O_RDONLY, 0); err != nil {
		return nil, err
	}
	return subject("leaf")
}

func wantDeep(dir string, f facts) []event.Event {
	file := f.file(dir, strings.Repeat("d/", deep)+"leaf")
	file.Access = "r"
	return one(file)
}

// lengths are names of 1 to 40 bytes, one below the other: the kernel program copies short ones in words.
func lengths() (names []string) {
	for i := range 40 {
		names = append(names, "0123456789abcdefghijABCDEFGHIJ.,:;-_+#@=!"[:i+1])
	}
	return names
}

func doLengths(dir string) (facts, error) {
	name := filepath.Join(dir, filepath.Join(lengths()...))
	if err := os.MkdirAll(name, 0o700); err != nil {
		return nil, err
	}
	if err := write(filepath.Join(name, "leaf")); err != nil {
		return nil, err
	}
	if err := openClose(filepath.Join(name, "leaf"), unix.O_RDONLY, 0); err != nil {
		return nil, err
	}
	return subject(filepath.Join(name, "leaf"))
}

func wantLengths(dir string, f facts) []event.Event {
	file := f.file(dir, filepath.Join(filepath.Join(lengths()...), "leaf"))
	file.Access = "r"
	return one(file)
}

var longComponent = strings.Repeat("x", 250)

func doTooDeep(dir string) (facts, error) {
	if err := descend(dir, longComponent, 20); err != nil {
		return nil, err
	}
	if err := openClose("leaf", unix.O_RDONLY, 0); err != nil {
		return nil, err
	}
	return subject("leaf")
}

func wantTooDeep(_ string, f facts) []event.Event {
	file := f.file("", "")
	file.Path = strings.Repeat("/"+longComponent, 16) + "/leaf" // 4021 bytes; another component does not fit in 4096
	file.PathTruncated = true
	file.Access = "r"
	return one(file)
}

func doDeleted(dir string) (facts, error) {
	name := filepath.Join(dir, "gone")
	if err := write(name); err != nil {
		return nil, err
	}
	held, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	f, err := subject(name)
	if err != nil {
		return nil, err
	}
	return f, errors.Join(os.Remove(name), openClose(fmt.Sprintf("/proc/self/fd/%d", held.Fd()), unix.O_RDWR, 0))
}

func wantDeleted(dir string, f facts) []event.Event {
	file := f.file(dir, "gone")
	file.Access = "rw"
	return one(file)
}

func doBySymlink(dir string) (facts, error) {
	err := errors.Join(write(filepath.Join(dir, "real")), os.Symlink("real", filepath.Join(dir, "alias")))
	if err != nil {
		return nil, err
	}
	if err := openClose(filepath.Join(dir, "alias"), unix.O_RDONLY, 0); err != nil {
		return nil, err
	}
	return subject(filepath.Join(dir, "real"))
}

func wantTarget(dir string, f facts) []event.Event {
	file := f.file(dir, "real")
	file.Access = "r"
	return one(file)
}
