package confine

import (
	"maps"
	"path"
	"slices"
)

// access is a set of Landlock's rights for files, in the kernel's numbers (include/uapi/linux/landlock.h).
type access uint64

const (
	accessExecute access = 1 << iota
	accessWriteFile
	accessReadFile
	accessReadDir
	accessRemoveDir
	accessRemoveFile
	accessMakeChar
	accessMakeDir
	accessMakeReg
	accessMakeSock
	accessMakeFifo
	accessMakeBlock
	accessMakeSym
	accessRefer    // from version 2
	accessTruncate // from version 3

	accessRead  = accessReadFile | accessReadDir
	accessWrite = accessWriteFile | accessTruncate | accessRefer | accessRemoveDir | accessRemoveFile |
		accessMakeChar | accessMakeDir | accessMakeReg | accessMakeSock | accessMakeFifo | accessMakeBlock | accessMakeSym
	// accessOfFile are the rights that a file that is no directory can have.
	accessOfFile = accessExecute | accessWriteFile | accessReadFile | accessTruncate
)

// The rights for TCP ports, from version 4.
const (
	netBind    = 1 << 0
	netConnect = 1 << 1

	landlockNet = 4
)

// ruleset is a Landlock ruleset: what it handles is refused except for what rules grant.
type ruleset struct {
	handled access
	// paths holds rights by the resolved path of a file, or of a directory with all that is below.
	paths         map[string]access
	bind, connect *ports
}

// grant adds rights for a path.
func (r *ruleset) grant(path string, rights access) {
	if r.paths == nil {
		r.paths = map[string]access{}
	}
	r.paths[path] |= rights
}

// missing returns which of some rights a file lacks.
func (r *ruleset) missing(name string, rights access) access {
	rights &= r.handled
	for at := name; ; at = path.Dir(at) {
		rights &^= r.paths[at]
		if at == "/" || at == "." {
			return rights
		}
	}
}

// finish fits the ruleset to a version of Landlock. Moving files between directories is refused by every ruleset about files
// that does not speak of it.
func (r *ruleset) finish(version int) {
	if version == 0 {
		*r = ruleset{}
		return
	}
	if r.handled != 0 && r.handled&accessRefer == 0 {
		r.handled |= accessRefer
		r.grant("/", accessRefer)
	}
	if version < 2 {
		r.handled &^= accessRefer
	}
	if version < 3 {
		r.handled &^= accessTruncate
	}
	for path := range r.paths {
		if r.paths[path] &= r.handled; r.paths[path] == 0 {
			delete(r.paths, path)
		}
	}
}

func (r *ruleset) empty() bool { return r.handled == 0 && r.bind == nil && r.connect == nil }

// sorted lists the paths in order.
func (r *ruleset) sorted() []string { return slices.Sorted(maps.Keys(r.paths)) }

// ports is a set of port numbers.
type ports [1 << 16 / 64]uint64

func (s *ports) add(first, last uint16) {
	for p := int(first); p <= int(last); p++ {
		s[p/64] |= 1 << (p % 64)
	}
}

func (s *ports) has(p uint16) bool { return s[p/64]&(1<<(p%64)) != 0 }

func (s *ports) full() bool {
	return !slices.ContainsFunc(s[:], func(w uint64) bool { return w != ^uint64(0) })
}

func (s *ports) join(o *ports) {
	for i := range s {
		s[i] |= o[i]
	}
}

// meets reports whether the sets have a port in common.
func (s *ports) meets(o *ports) bool {
	for i := range s {
		if s[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

// hasAll reports whether o is in s.
func (s *ports) hasAll(o *ports) bool {
	for i := range s {
		if o[i]&^s[i] != 0 {
			return false
		}
	}
	return true
}
