package fanotify

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// settled is how old a directory's change must be for its time to tell it from the next one: kernels before 6.13 stamp
	// changes with the time of the last tick.
	settled = 50 * time.Millisecond
	// remembered bounds the inodes that one path is known to have had.
	remembered = 64
)

// key tells one inode from all others, also from a later one of the same number.
type key struct {
	major, minor uint32
	inode        uint64
	born         unix.StatxTimestamp
}

func keyOf(st *unix.Statx_t) key {
	return key{st.Dev_major, st.Dev_minor, st.Ino, st.Btime}
}

// stat follows links and opens nothing, so that it asks for no permission.
func stat(dirfd int, name string, flags int) (st unix.Statx_t, err error) {
	err = unix.Statx(dirfd, name, flags, unix.STATX_TYPE|unix.STATX_INO|unix.STATX_BTIME|unix.STATX_CTIME|unix.STATX_MNT_ID, &st)
	return st, err
}

// directory is one in which something named by a rule stands, or all of which is.
type directory struct {
	path     string
	children bool
	mask     uint64
	files    []*file

	here bool
	key  key
	// changed is when a name in it last changed, and sure says that any change after would show another time.
	changed unix.StatxTimestamp
	sure    bool
}

// file is one that a rule names by its path.
type file struct {
	path string
	mask uint64
	keys []key // which inodes had that name, oldest first
	here bool
}

// marks are those of one group. Nothing is taken away from them but all at once.
type marks struct {
	group int

	mu    sync.Mutex
	dirs  []*directory
	files map[key][]*file
	// refused holds what the kernel refuses to mark.
	refused map[string]string
	closed  bool
}

// newMarks arranges objects by directory. The first refresh marks what is there.
func newMarks(group int, objects []object) *marks {
	m := &marks{group: group, files: map[key][]*file{}, refused: map[string]string{}}
	byPath := map[string]*directory{}
	in := func(name string) *directory {
		d := byPath[name]
		if d == nil {
			d = &directory{path: name}
			byPath[name] = d
			m.dirs = append(m.dirs, d)
		}
		return d
	}
	for _, o := range objects {
		// An exec asks twice: about the execution, then about the open. Who watches opens has to know which are which.
		mask := uint64(unix.FAN_OPEN_EXEC_PERM)
		if o.read {
			mask |= unix.FAN_OPEN_PERM
		}
		if o.children {
			d := in(o.path)
			d.children, d.mask = true, d.mask|mask
			continue
		}
		d := in(path.Dir(o.path))
		d.mask |= mask
		d.files = append(d.files, &file{path: o.path, mask: mask})
	}
	return m
}

// refresh looks what stands where now. Without all only directories in which a name has changed are looked into.
func (m *marks) refresh(all bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	for _, d := range m.dirs {
		if m.enter(d) || all {
			for _, f := range d.files {
				m.find(f)
			}
		}
	}
}

// enter marks a directory if another one stands there than before, and says whether its names may have changed.
func (m *marks) enter(d *directory) bool {
	st, err := stat(unix.AT_FDCWD, d.path, 0)
	if err == nil && (!d.here || d.key != keyOf(&st)) {
		st, err = m.mark(d.path, d.mask|unix.FAN_EVENT_ON_CHILD)
		d.sure = false
	}
	m.note(d.path, err)
	if err != nil {
		changed := d.here
		d.here, d.sure = false, false
		return changed
	}
	d.here, d.key = true, keyOf(&st)
	if d.sure && st.Ctime == d.changed {
		return false
	}
	age := time.Since(time.Unix(st.Ctime.Sec, int64(st.Ctime.Nsec)))
	d.changed, d.sure = st.Ctime, age.Abs() > settled
	return true
}

// find marks what stands at a file's path, if that is new.
func (m *marks) find(f *file) {
	st, err := stat(unix.AT_FDCWD, f.path, 0)
	known := err == nil && slices.Contains(f.keys, keyOf(&st))
	if err == nil && !known {
		st, err = m.mark(f.path, f.mask)
	}
	m.note(f.path, err)
	f.here = err == nil
	if err != nil || known {
		return
	}
	k := keyOf(&st)
	f.keys = append(f.keys, k)
	m.files[k] = append(m.files[k], f)
	if len(f.keys) > remembered {
		m.forget(f)
	}
}

func (m *marks) forget(f *file) {
	oldest := f.keys[0]
	f.keys = f.keys[1:]
	m.files[oldest] = slices.DeleteFunc(m.files[oldest], func(other *file) bool { return other == f })
	if len(m.files[oldest]) == 0 {
		delete(m.files, oldest)
	}
}

var errServer = errors.New("its file system asks another process (FUSE), which could hold up whoever is to answer")

// mark marks what a path leads to, and says what that is. To answer, the kernel opens the object for this process, so that
// one of a FUSE file system could keep everybody waiting.
func (m *marks) mark(name string, mask uint64) (st unix.Statx_t, err error) {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return st, err
	}
	defer func() { _ = unix.Close(fd) }()
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return st, err
	}
	if fs.Type == unix.FUSE_SUPER_MAGIC {
		return st, errServer
	}
	if st, err = stat(fd, "", unix.AT_EMPTY_PATH); err != nil {
		return st, err
	}
	return st, unix.FanotifyMark(m.group, unix.FAN_MARK_ADD, mask|unix.FAN_ONDIR, unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd))
}

// note keeps why something cannot be marked. That it is not there is no reason: it is looked for again.
func (m *marks) note(name string, err error) {
	switch {
	case err == nil || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR):
		delete(m.refused, name)
	default:
		m.refused[name] = err.Error()
	}
}

// restore marks everything again, after the keeper has taken all marks away.
func (m *marks) restore() {
	m.mu.Lock()
	for _, d := range m.dirs {
		d.here, d.sure = false, false
		for _, f := range d.files {
			f.keys = nil
		}
	}
	clear(m.files)
	m.mu.Unlock()
	m.refresh(true)
}

// flush takes all marks away.
func (m *marks) flush() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	if err := unix.FanotifyMark(m.group, unix.FAN_MARK_FLUSH, 0, unix.AT_FDCWD, ""); err != nil {
		return fmt.Errorf("remove marks: %w", err)
	}
	return nil
}

// names returns the paths to judge an open by: the one that the task used, if it has one, and what rules call the object.
// Denials only follow from block rules, so a name too many can only deny.
func (m *marks) names(fd int, seen string, tid int) []string {
	var out []string
	if seen != "" {
		out = append(out, seen)
	}
	st, err := stat(fd, "", unix.AT_EMPTY_PATH)
	if err != nil {
		return out
	}
	m.refresh(false)
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.files[keyOf(&st)]
	for _, f := range known {
		out = append(out, f.path)
	}
	base := "?" // any name will do: the rule is for all of them
	if seen != "" {
		base = path.Base(seen)
	}
	parent, told := parentOf(&st, seen, tid)
	for _, d := range m.dirs {
		// A parent that is not told may be any of them, unless the object's own mark explains the event.
		if d.children && (told && d.key == parent || !told && len(known) == 0) {
			out = append(out, path.Join(d.path, base))
		}
	}
	return out
}

// parentOf finds the directory in which an open file stands. A path is believed only if file and directory are on the same
// mount: else the file is the root of a mount, or the path is another mount namespace's and leads elsewhere here.
func parentOf(st *unix.Statx_t, seen string, tid int) (key, bool) {
	if !path.IsAbs(seen) {
		return key{}, false
	}
	dir := path.Dir(seen)
	for _, name := range []string{dir, fmt.Sprintf("/proc/%d/root%s", tid, dir)} {
		if at, err := stat(unix.AT_FDCWD, name, 0); err == nil && at.Mnt_id == st.Mnt_id {
			return keyOf(&at), true
		}
	}
	return key{}, false
}
