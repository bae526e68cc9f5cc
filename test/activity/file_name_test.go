//go:build linux

package activity

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
)

func nameActivities() []activity {
	return []activity{
		{name: "create without open", kind: event.KindFileCreate, do: doMake, want: wantMake, none: noneMake},
		{name: "delete", kind: event.KindFileDelete, do: doDelete, want: wantDelete, none: noneDelete},
		{name: "rename", kind: event.KindFileRename, do: doRename, want: wantRename, none: noneRename},
		{name: "link", kind: event.KindFileLink, do: doLink, want: wantLink},
		{name: "link tmpfile", kind: event.KindFileLink, do: doLinkTmpfile, want: wantLinkTmpfile},
	}
}

func doMake(dir string) (facts, error) {
	unix.Umask(0o022)
	if err := os.Chdir(dir); err != nil {
		return nil, err
	}
	at, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(at)
	err = errors.Join(
		unix.Mkdir("made", 0o777),
		unix.Mkdirat(at, "./made/../madeat", 0o700),
		unix.Mknod(filepath.Join(dir, "fifo"), unix.S_IFIFO|0o666, 0),
		unix.Mknodat(at, "char", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))),
		unix.Mknod("plain", unix.S_IFREG|0o644, 0),
		unix.Symlink("/no/where", "dangling"),
		unix.Symlinkat("there", at, "dangling at"),
	)
	if again := unix.Mkdir("made", 0o700); !errors.Is(again, unix.EEXIST) {
		err = errors.Join(err, fmt.Errorf("mkdir of what exists: %w", again))
	}
	return facts{}, err
}

func wantMake(dir string, _ facts) []event.Event {
	var want []event.Event
	for _, f := range []event.File{
		{Path: "made", Type: "directory", Mode: "0755"},
		{Path: "madeat", Type: "directory", Mode: "0700"},
		{Path: "fifo", Type: "fifo", Mode: "0644"},
		{Path: "char", Type: "char", Mode: "0600"},
		{Path: "plain", Type: "file", Mode: "0644"},
		{Path: "dangling", Type: "symlink", Target: "/no/where"},
		{Path: "dangling at", Type: "symlink", Target: "there"},
	} {
		f.Path = filepath.Join(dir, f.Path)
		want = append(want, event.Event{File: &f, Evidence: nameEvidence()})
	}
	// Not twice, though the second was tried.
	return append(want, event.Event{File: &event.File{Path: filepath.Join(dir, "made")}})
}

func noneMake(dir string, _ facts) []event.Event {
	return []event.Event{{Kind: event.KindFileOpen, File: &event.File{Path: filepath.Join(dir, "plain")}}}
}

// nameEvidence is what names of paths rest on.
func nameEvidence() event.Evidence {
	if trampolines() {
		return event.EvidenceLSM
	}
	return event.EvidenceArgument
}

func doDelete(dir string) (facts, error) {
	at, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(at)
	in := func(name string) string { return filepath.Join(dir, name) }
	err = errors.Join(write(in("a")), write(in("b")), unix.Mkdir(in("c"), 0o700), unix.Mkdir(in("d"), 0o700), unix.Mkdir(in("full"), 0o700), write(in("full/x")))
	if err != nil {
		return nil, err
	}
	f, err := subject(in("a"))
	err = errors.Join(err, unix.Unlink(in("a")), unix.Unlinkat(at, "b", 0), unix.Rmdir(in("c")), unix.Unlinkat(at, "d", unix.AT_REMOVEDIR))
	if absent := unix.Unlink(in("absent")); !errors.Is(absent, unix.ENOENT) {
		err = errors.Join(err, fmt.Errorf("unlink of what does not exist: %w", absent))
	}
	return f, err
}

func wantDelete(dir string, f facts) []event.Event {
	a := f.named(dir, "a")
	want := []event.Event{{File: &a}, {File: &event.File{Path: filepath.Join(dir, "b")}}}
	for _, name := range []string{"c", "d"} {
		want = append(want, event.Event{File: &event.File{Path: filepath.Join(dir, name), Type: "directory"}})
	}
	return want
}

func noneDelete(dir string, _ facts) []event.Event {
	return []event.Event{{File: &event.File{Path: filepath.Join(dir, "absent")}}}
}

func doRename(dir string) (facts, error) {
	at, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(at)
	in := func(name string) string { return filepath.Join(dir, name) }
	err = errors.Join(write(in("a")), write(in("b")), write(in("c")), write(in("d")), os.Mkdir(in("sub"), 0o700), os.Chdir(in("sub")))
	if err != nil {
		return nil, err
	}
	f, err := subject(in("a"))
	err = errors.Join(err,
		unix.Rename("../a", "A"),
		unix.Renameat(at, "b", unix.AT_FDCWD, "B"),
		unix.Renameat2(at, "c", at, "d", unix.RENAME_EXCHANGE),
		unix.Renameat2(at, "c", at, "e", unix.RENAME_NOREPLACE),
	)
	if taken := unix.Renameat2(at, "d", at, "e", unix.RENAME_NOREPLACE); !errors.Is(taken, unix.EEXIST) {
		err = errors.Join(err, fmt.Errorf("rename to what exists: %w", taken))
	}
	return f, err
}

func wantRename(dir string, f facts) []event.Event {
	moved := func(from event.File, to string, flags ...string) event.Event {
		from.Target, from.Flags = filepath.Join(dir, to), flags
		return event.Event{File: &from, Evidence: nameEvidence()}
	}
	named := func(name string) event.File { return event.File{Path: filepath.Join(dir, name)} }
	return []event.Event{
		moved(f.named(dir, "a"), "sub/A"),
		moved(named("b"), "sub/B"),
		moved(named("c"), "d", "RENAME_EXCHANGE"),
		moved(named("c"), "e", "RENAME_NOREPLACE"),
	}
}

func noneRename(dir string, _ facts) []event.Event {
	return []event.Event{{File: &event.File{Path: filepath.Join(dir, "d")}}}
}

func doLink(dir string) (facts, error) {
	if err := errors.Join(os.Chdir(dir), write("a")); err != nil {
		return nil, err
	}
	f, err := subject("a")
	return f, errors.Join(err, unix.Link("a", "b"), unix.Linkat(unix.AT_FDCWD, "a", unix.AT_FDCWD, "c", 0))
}

func wantLink(dir string, f facts) []event.Event {
	b, c := f.named(dir, "a"), f.named(dir, "a")
	b.Target, c.Target = filepath.Join(dir, "b"), filepath.Join(dir, "c")
	return []event.Event{{File: &b, Evidence: nameEvidence()}, {File: &c}}
}

// doLinkTmpfile gives a file without a name one, by its descriptor.
func doLinkTmpfile(dir string) (facts, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return facts{}, unix.Linkat(fd, "", unix.AT_FDCWD, filepath.Join(dir, "named"), unix.AT_EMPTY_PATH)
}

func wantLinkTmpfile(dir string, _ facts) []event.Event {
	return one(event.File{Target: filepath.Join(dir, "named")})
}
