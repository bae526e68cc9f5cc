package identity

import (
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// kernfsHandle is FILEID_KERNFS of the kernel's exportfs.h: the handle is the 64-bit id.
const kernfsHandle = 0xfe

// findMount finds the cgroup v2 tree: at /sys/fs/cgroup, or beside the v1 ones.
func (c *cgroupfs) findMount() string {
	f, err := os.Open(filepath.Join(c.procfs, "self/mountinfo"))
	if err != nil {
		return ""
	}
	defer f.Close()
	for _, m := range parseMountinfo(f) {
		if m.filesystem == "cgroup2" {
			return m.point
		}
	}
	return ""
}

// byHandle opens a cgroup's directory by its id; that takes CAP_DAC_READ_SEARCH.
func (c *cgroupfs) byHandle(id uint64) (string, bool) {
	mount := c.mount()
	if mount == "" {
		return "", false
	}
	root, err := os.Open(mount)
	if err != nil {
		return "", false
	}
	defer root.Close()
	handle := unix.NewFileHandle(kernfsHandle, binary.NativeEndian.AppendUint64(nil, id))
	fd, err := unix.OpenByHandleAt(int(root.Fd()), handle, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return "", false
	}
	defer unix.Close(fd)
	full, err := os.Readlink(filepath.Join(c.procfs, "self/fd", strconv.Itoa(fd)))
	if err != nil || strings.HasSuffix(full, " (deleted)") {
		return "", false
	}
	return c.relative(full)
}

func (c *cgroupfs) relative(full string) (string, bool) {
	p, ok := strings.CutPrefix(full, strings.TrimSuffix(c.mount(), "/"))
	if ok && p == "" {
		p = "/"
	}
	return p, ok && p[0] == '/'
}

// scan walks the tree and remembers every cgroup in it.
func (c *cgroupfs) scan() {
	root := c.mount()
	if root == "" {
		return
	}
	seen := 0
	// A directory that goes while it is walked is no error; the walk goes on with the next.
	_ = filepath.WalkDir(root, func(full string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		if seen++; seen > cgroupScanLimit {
			return filepath.SkipAll
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			if p, ok := c.relative(full); ok {
				c.paths.Add(st.Ino, p)
			}
		}
		return nil
	})
}

// idOf returns the id of the cgroup at a path from /proc; 0 when it cannot be had.
func (c *cgroupfs) idOf(path string) uint64 {
	root := c.mount()
	if root == "" || strings.HasPrefix(path, "/..") {
		return 0
	}
	var st unix.Stat_t
	if unix.Stat(filepath.Join(root, path), &st) != nil {
		return 0
	}
	return st.Ino
}
