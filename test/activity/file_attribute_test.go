//go:build linux

package activity

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
)

func attributeActivities() []activity {
	return []activity{
		{name: "chmod", kind: event.KindFileChmod, do: doChmod, want: wantChmod, none: noneChmod},
		{name: "chown", kind: event.KindFileChown, do: doChown, want: wantChown},
		{name: "chown i386", kind: event.KindFileChown, do: doChown32, want: wantChown32, skip: noCalls32},
		{name: "truncate", kind: event.KindFileTruncate, do: doTruncate, want: wantTruncate},
	}
}

// inDir makes a file a and opens it, with the directory as the working directory.
func inDir(dir string) (fd int, f facts, err error) {
	if err = errors.Join(os.Chdir(dir), write("a")); err != nil {
		return -1, nil, err
	}
	if fd, err = unix.Open("a", unix.O_RDWR, 0); err != nil {
		return -1, nil, err
	}
	f, err = subjectOf(fd)
	return fd, f, err
}

func doChmod(dir string) (facts, error) {
	fd, f, err := inDir(dir)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	err = errors.Join(unix.Chmod("a", 0o600), unix.Fchmod(fd, 0o4755), unix.Fchmodat(unix.AT_FDCWD, "a", 0o640, 0))
	return f, errors.Join(err, asNobody(func() error {
		if err := unix.Chmod("a", 0o777); !errors.Is(err, unix.EPERM) {
			return errors.Join(errors.New("chmod of another's file was not refused"), err)
		}
		return nil
	}))
}

// asNobody runs f with the effective user of nobody.
func asNobody(f func() error) error {
	err := unix.Setresuid(-1, 65534, -1)
	if err != nil {
		return err
	}
	return errors.Join(f(), unix.Setresuid(-1, 0, -1))
}

// attributeEvidence is what changes of attributes by name rest on.
func attributeEvidence() event.Evidence {
	if trampolines() {
		return event.EvidenceTrampoline
	}
	return event.EvidenceArgument
}

func wantChmod(dir string, f facts) []event.Event {
	byName, byFD, at := f.named(dir, "a"), f.file(dir, "a"), f.named(dir, "a")
	byName.Mode, byFD.Mode, at.Mode = "0600", "4755", "0640"
	return []event.Event{{File: &byName, Evidence: attributeEvidence()}, {File: &byFD}, {File: &at}}
}

func noneChmod(dir string, _ facts) []event.Event {
	return []event.Event{{File: &event.File{Mode: "0777"}}}
}

func doChown(dir string) (facts, error) {
	fd, f, err := inDir(dir)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return f, errors.Join(
		unix.Chown("a", 1001, 1002),
		unix.Lchown("a", 1003, -1),
		unix.Fchown(fd, -1, 1004),
		unix.Fchownat(fd, "", 1005, 1006, unix.AT_EMPTY_PATH),
	)
}

func wantChown(dir string, f facts) []event.Event {
	to := func(file event.File, uid, gid uint32) event.Event {
		if uid != 0 {
			file.UID = &uid
		}
		if gid != 0 {
			file.GID = &gid
		}
		return event.Event{File: &file}
	}
	return []event.Event{
		to(f.named(dir, "a"), 1001, 1002),
		to(f.named(dir, "a"), 1003, 0),
		to(f.file(dir, "a"), 0, 1004),
		to(f.named(dir, "a"), 1005, 1006),
	}
}

func doTruncate(dir string) (facts, error) {
	fd, f, err := inDir(dir)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return f, errors.Join(unix.Truncate("a", 5<<32), unix.Ftruncate(fd, 7))
}

func wantTruncate(dir string, f facts) []event.Event {
	byName, byFD := f.named(dir, "a"), f.file(dir, "a")
	large, small := int64(5)<<32, int64(7)
	byName.Size, byFD.Size = &large, &small
	// No third one, without a size.
	return []event.Event{{File: &byName, Evidence: attributeEvidence()}, {File: &byFD}}
}

func xattrActivities() []activity {
	return []activity{{name: "xattr", kind: event.KindFileXattr, do: doXattr, want: wantXattr, none: noneXattr}}
}

func doXattr(dir string) (facts, error) {
	fd, f, err := inDir(dir)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	err = errors.Join(
		unix.Setxattr("a", "trusted.one", []byte("1"), 0),
		unix.Lsetxattr(filepath.Join(dir, "a"), "trusted.two", []byte("2"), 0),
		unix.Fsetxattr(fd, "trusted.three", []byte("3"), 0),
		unix.Removexattr("a", "trusted.one"),
		unix.Fremovexattr(fd, "trusted.two"),
	)
	if err := unix.Removexattr("a", "trusted.absent"); !errors.Is(err, unix.ENODATA) {
		return nil, errors.Join(errors.New("an absent attribute was removed"), err)
	}
	return f, err
}

func wantXattr(dir string, f facts) []event.Event {
	var want []event.Event
	for _, x := range []struct {
		byFD     bool
		name, op string
	}{
		{false, "trusted.one", "set"},
		{false, "trusted.two", "set"},
		{true, "trusted.three", "set"},
		{false, "trusted.one", "remove"},
		{true, "trusted.two", "remove"},
	} {
		file, evidence := event.File{Path: filepath.Join(dir, "a")}, event.EvidenceArgument
		if x.byFD {
			file, evidence = f.file(dir, "a"), event.EvidenceDescriptor
		}
		file.Xattr, file.XattrOp = x.name, x.op
		want = append(want, event.Event{File: &file, Evidence: evidence})
	}
	return want
}

func noneXattr(string, facts) []event.Event {
	return []event.Event{{File: &event.File{Xattr: "trusted.absent"}}}
}

// elfName is what the beginning of every program's file is as a string, from its second byte on.
const elfName = "ELF\x02\x01\x01"

// doChown32 makes the calls of 32-bit programs whose ids have 16 bits, on a file that has such a name.
func doChown32(dir string) (facts, error) {
	const chown, lchown, fchown, open, none = 182, 16, 95, 5, 0xffff
	if err := write(filepath.Join(dir, elfName)); err != nil {
		return nil, err
	}
	path, err := program(dir, call32(chown, at+1, none, 1001), call32(lchown, at+1, 1002, none), call32(open, at+1, 0), call32(fchown, 3, 1003, 1004))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path)
	cmd.Dir = dir
	if err := cmd.Run(); err != nil {
		return nil, err
	}
	return subject(filepath.Join(dir, elfName))
}

func wantChown32(dir string, f facts) []event.Event {
	group, owner, both := f.named(dir, elfName), f.named(dir, elfName), f.file(dir, elfName)
	group.GID, owner.UID = new(uint32(1001)), new(uint32(1002))
	both.UID, both.GID = new(uint32(1003)), new(uint32(1004))
	return []event.Event{{File: &group}, {File: &owner}, {File: &both}}
}
