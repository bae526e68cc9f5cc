package identity

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// maxPasswdBytes bounds what is read of the user database.
const maxPasswdBytes = 8 << 20

// users names user ids from a passwd file. Names of other databases (LDAP, systemd-homed) stay unknown: asking them
// would take cgo or a round trip.
type users struct {
	path  string
	names atomic.Pointer[map[uint32]string]
	mtime time.Time
	size  int64
}

func newUsers(path string) *users {
	u := &users{path: path}
	u.names.Store(&map[uint32]string{})
	u.reload()
	return u
}

func (u *users) name(uid uint32) string { return (*u.names.Load())[uid] }

// reload reads the file again if it has changed. An unreadable file leaves the names as they are.
func (u *users) reload() {
	info, err := os.Stat(u.path)
	if err != nil || info.ModTime().Equal(u.mtime) && info.Size() == u.size {
		return
	}
	f, err := os.Open(u.path)
	if err != nil {
		return
	}
	defer f.Close()
	names, err := parsePasswd(io.LimitReader(f, maxPasswdBytes))
	if err != nil {
		return
	}
	u.mtime, u.size = info.ModTime(), info.Size()
	u.names.Store(&names)
}

// parsePasswd reads passwd(5). The first entry of an id counts, as for getpwuid; lines of another form are skipped.
func parsePasswd(r io.Reader) (map[uint32]string, error) {
	names := map[uint32]string{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		_, rest, _ = strings.Cut(rest, ":")
		id, _, ok := strings.Cut(rest, ":")
		if !ok || name == "" || strings.ContainsAny(name[:1], "#+-") {
			continue
		}
		uid, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			continue
		}
		if _, known := names[uint32(uid)]; !known {
			names[uint32(uid)] = strings.Clone(name)
		}
	}
	return names, lines.Err()
}
