package audit

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	plainExt  = ".jsonl"
	packedExt = ".jsonl.zst"
	tempExt   = ".tmp"
)

// series is a directory's files of the form STEM-TIME-NUMBER.jsonl, packed or plain; the number gives their order.
type series struct {
	dir, stem string
}

// part is one file of a series. After a crash while it was being packed it may exist in both forms with the same content.
type part struct {
	// name is without the extension.
	name          string
	number        uint64
	plain, packed bool
	// bytes is the sum of both forms.
	bytes int64
}

// file names the form to read: the plain one as long as it is there.
func (p part) file() string {
	if p.plain {
		return p.name + plainExt
	}
	return p.name + packedExt
}

func (s series) partName(t time.Time, number uint64) string {
	return fmt.Sprintf("%s-%s-%012d", s.stem, t.UTC().Format("20060102T150405Z"), number)
}

func (s series) path(name string) string { return filepath.Join(s.dir, name) }

// list returns the parts that exist, in order. A directory that does not exist holds none.
func (s series) list() ([]part, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list %s: %w", s.dir, err)
	}
	found := make(map[string]*part)
	for _, entry := range entries {
		name, number, ok := s.parse(entry.Name())
		info, err := entry.Info()
		if !ok || err != nil || !info.Mode().IsRegular() {
			continue
		}
		p := found[name]
		if p == nil {
			p = &part{name: name, number: number}
			found[name] = p
		}
		p.bytes += info.Size()
		if strings.HasSuffix(entry.Name(), packedExt) {
			p.packed = true
		} else {
			p.plain = true
		}
	}
	parts := make([]part, 0, len(found))
	for _, p := range found {
		parts = append(parts, *p)
	}
	slices.SortFunc(parts, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.number, b.number), strings.Compare(a.name, b.name))
	})
	return parts, nil
}

// parse takes a file name apart into the part's name and its number.
func (s series) parse(file string) (name string, number uint64, ok bool) {
	name = trimExt(file)
	rest, mine := strings.CutPrefix(name, s.stem+"-")
	stamp, digits, split := strings.Cut(rest, "-")
	if name == file || !mine || !split {
		return "", 0, false
	}
	if _, err := time.Parse("20060102T150405Z", stamp); err != nil {
		return "", 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	return name, number, err == nil
}

// excess returns the oldest parts that must go for the rest to fit into limit bytes.
func excess(parts []part, limit int64) []part {
	var total int64
	for _, p := range parts {
		total += p.bytes
	}
	n := 0
	for ; n < len(parts) && total > limit; n++ {
		total -= parts[n].bytes
	}
	return parts[:n]
}

// remove deletes a part in whichever forms it exists.
func (s series) remove(p part) error {
	for _, ext := range []string{plainExt, packedExt} {
		if err := os.Remove(s.path(p.name + ext)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("delete %s: %w", p.name, err)
		}
	}
	return syncDir(s.dir)
}

// trimExt takes the extension of either form off a file name.
func trimExt(file string) string {
	return strings.TrimSuffix(strings.TrimSuffix(file, packedExt), plainExt)
}
