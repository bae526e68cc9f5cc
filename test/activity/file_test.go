//go:build linux

package activity

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
)

func fileActivities() []activity {
	var all []activity
	for _, group := range [][]activity{openActivities(), nameActivities(), attributeActivities(), xattrActivities(), volumeActivities()} {
		all = append(all, group...)
	}
	return all
}

// subject takes the identity of the file that an activity works on; a symbolic link is not followed.
func subject(path string) (facts, error) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	return identityOf(st), err
}

// subjectOf is subject of an open file.
func subjectOf(fd int) (facts, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	return identityOf(st), err
}

func identityOf(st unix.Stat_t) facts {
	return facts{
		"inode":  strconv.FormatUint(st.Ino, 10),
		"device": fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)),
	}
}

// file is what is expected of a file in the directory whose identity is in the facts.
func (f facts) file(dir, name string) event.File {
	inode, err := strconv.ParseUint(f["inode"], 10, 64)
	if err != nil {
		panic(err)
	}
	return event.File{Path: filepath.Join(dir, name), Inode: inode, Device: f["device"], Type: "file"}
}

// named is file as the rung tells it that knows names but no inodes.
func (f facts) named(dir, name string) event.File {
	if trampolines() {
		return f.file(dir, name)
	}
	return event.File{Path: filepath.Join(dir, name)}
}

func one(f event.File) []event.Event { return []event.Event{{File: &f}} }

// write makes a file with four bytes.
func write(path string) error { return os.WriteFile(path, []byte("data"), 0o640) }

func openClose(path string, flags int, mode uint32) error {
	fd, err := unix.Open(path, flags, mode)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}
