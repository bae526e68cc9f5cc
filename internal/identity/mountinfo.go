package identity

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// mount is a line of /proc/PID/mountinfo, as far as it matters here.
type mount struct {
	id          int
	device      string // major:minor of the superblock
	root, point string
	filesystem  string
}

// parseMountinfo reads proc_pid_mountinfo(5) and skips what is not of that form.
func parseMountinfo(r io.Reader) []mount {
	var mounts []mount
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		left, right, ok := strings.Cut(lines.Text(), " - ")
		f := strings.Fields(left)
		if !ok || len(f) < 6 {
			continue
		}
		id, err := strconv.Atoi(f[0])
		if err != nil {
			continue
		}
		filesystem, _, _ := strings.Cut(right, " ")
		mounts = append(mounts, mount{id, f[2], unescapeMount(f[3]), unescapeMount(f[4]), filesystem})
	}
	return mounts
}

// unescapeMount undoes the kernel's \ooo for blanks and backslashes.
func unescapeMount(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
