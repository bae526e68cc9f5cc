//go:build linux

package activity

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
)

func volumeActivities() []activity {
	return []activity{
		{name: "volume", kind: event.KindFileVolume, do: doVolume, want: wantVolume, none: noneVolume},
		{name: "volume of a long path", kind: event.KindFileVolume, do: doLongVolume, want: wantLongVolume},
		{name: manyVolumes, kind: event.KindFileVolume, do: doManyVolumes, want: wantManyVolumes},
	}
}

// doVolume reads and writes in every way that is counted. The process ends before the volumes are taken.
func doVolume(dir string) (facts, error) {
	fd, f, err := inDir(dir)
	if err != nil {
		return nil, err
	}
	to, err := unix.Open("b", unix.O_CREAT|unix.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], 0); err != nil {
		return nil, err
	}
	done := func(_ int, err error) error { return err }
	buf := make([]byte, 100)
	err = errors.Join(
		done(unix.Write(fd, buf[:10])),                                 // a: 10 written
		done(unix.Pwrite(fd, buf[:20], 0)),                             // a: 20 more
		done(unix.Writev(fd, [][]byte{buf[:1], buf[:2]})),              // a: 3 more
		done(unix.Pwritev(fd, [][]byte{buf[:4]}, 0)),                   // a: 4 more
		done(unix.Pread(fd, buf[:7], 0)),                               // a: 7 read
		done(unix.Preadv(fd, [][]byte{buf[:8]}, 0)),                    // a: 8 more
		done(unix.Sendfile(to, fd, new(int64), 5)),                     // a: 5 more; b: 5 written
		done(unix.CopyFileRange(fd, new(int64), to, new(int64), 6, 0)), // a: 6 more; b: 6 more
		done(unix.Write(pipe[1], buf)),
	)
	if _, bad := unix.Read(pipe[1], buf); !errors.Is(bad, unix.EBADF) {
		err = errors.Join(err, errors.New("the wrong end of a pipe was read"), bad)
	}
	return f, err
}

func wantVolume(dir string, f facts) []event.Event {
	a := f.file(dir, "a")
	// inDir wrote 4 bytes to a.
	return []event.Event{
		{File: &a, Volume: &event.Volume{ReadBytes: 26, Reads: 4, WriteBytes: 41, Writes: 5}},
		{File: &event.File{Path: filepath.Join(dir, "b")}, Volume: &event.Volume{WriteBytes: 11, Writes: 2}},
	}
}

func noneVolume(string, facts) []event.Event {
	return []event.Event{{File: &event.File{Type: "fifo"}}}
}

func doLongVolume(dir string) (facts, error) {
	if err := errors.Join(os.Chdir(dir), os.Mkdir(longComponent, 0o700), os.Chdir(longComponent), write("leaf")); err != nil {
		return nil, err
	}
	return subject("leaf")
}

func wantLongVolume(_ string, f facts) []event.Event {
	file := f.file("", "")
	file.Path = strings.Repeat("x", 247) + "/leaf"
	file.PathTruncated = true
	return []event.Event{{File: &file, Volume: &event.Volume{WriteBytes: 4, Writes: 1}}}
}

const (
	manyVolumes = "volume of many files"
	manyFiles   = 6
)

// doManyVolumes writes three bytes to each of many files, one at a time, in turn.
func doManyVolumes(dir string) (facts, error) {
	var files []*os.File
	for i := range manyFiles {
		f, err := os.Create(filepath.Join(dir, strconv.Itoa(i)))
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	for range 3 {
		for _, f := range files {
			if _, err := f.WriteString("x"); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

func wantManyVolumes(dir string, _ facts) []event.Event {
	var want []event.Event
	for i := range manyFiles {
		want = append(want, event.Event{
			File:   &event.File{Path: filepath.Join(dir, strconv.Itoa(i))},
			Volume: &event.Volume{WriteBytes: 3, Writes: 3},
		})
	}
	return want
}
