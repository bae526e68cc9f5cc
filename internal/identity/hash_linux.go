package identity

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// open finds the file of a record: what the process still runs, its path as the process sees it, its path as the
// guard sees it. It returns the file with its full key.
func (h *hasher) open(a hashAsk) (*os.File, fileKey, error) {
	pid := filepath.Join(h.procfs, strconv.Itoa(a.of.pid))
	for _, c := range []struct{ path, mounts string }{
		{filepath.Join(pid, "exe"), filepath.Join(pid, "mountinfo")},
		{filepath.Join(pid, "root", a.path), filepath.Join(pid, "mountinfo")},
		{a.path, filepath.Join(h.procfs, "self/mountinfo")},
	} {
		if f, key, err := h.openSame(c.path, c.mounts, a.key); err == nil {
			return f, key, nil
		}
	}
	return nil, fileKey{}, fmt.Errorf("hash %q: %w", a.path, errNotSameFile)
}

// openSame opens path for reading if it is the file of key. It looks before it opens: what has taken the name may be
// a device or a fifo, whose opening has effects.
func (h *hasher) openSame(path, mounts string, key fileKey) (*os.File, fileKey, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, key, err
	}
	defer unix.Close(fd)
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_MNT_ID, &st); err != nil {
		return nil, key, err
	}
	changed := st.Ctime.Sec*1e9 + int64(st.Ctime.Nsec)
	same := st.Mode&unix.S_IFMT == unix.S_IFREG && st.Ino == key.inode && (key.changedNS == 0 || key.changedNS == changed)
	if !same || !sameDevice(&st, mounts, key.device) {
		return nil, key, errNotSameFile
	}
	key.changedNS = changed
	f, err := os.Open(filepath.Join(h.procfs, "self/fd", strconv.Itoa(fd)))
	return f, key, err
}

// sameDevice compares with the superblock's device. stat shows another one on btrfs and some overlays; the mount's
// line in mountinfo then has the superblock's.
func sameDevice(st *unix.Statx_t, mounts, device string) bool {
	if deviceText(unix.Mkdev(st.Dev_major, st.Dev_minor)) == device {
		return true
	}
	if st.Mask&unix.STATX_MNT_ID == 0 {
		return false
	}
	f, err := os.Open(mounts)
	if err != nil {
		return false
	}
	defer f.Close()
	for _, m := range parseMountinfo(f) {
		if uint64(m.id) == st.Mnt_id {
			return m.device == device
		}
	}
	return false
}

func fileVersion(f *os.File) (size, changedNS int64, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, 0, err
	}
	return st.Size, st.Ctim.Nano(), nil
}
