package policy

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Bounds on what a policy includes.
const (
	maxFiles = 100
	maxDepth = 8 // files within files
)

// include reads other files, as if what they hold stood here.
func (r *reader) include(e entry, p *Policy) {
	names := list(r, e, func(r *reader, node ast.Node) (scalar, bool) { return r.scalar(node, "the name of a file") })
	for _, s := range names.Rules {
		r.includeFile(s, p)
	}
}

func (r *reader) includeFile(s scalar, p *Policy) {
	depth := 1
	for up := r.from; up != nil; up = up.from {
		depth++
	}
	switch {
	case r.info == nil:
		r.problem(s.pos, "load the policy by its path: what it includes is found from there", "a policy without a file includes none")
		return
	case s.text == "" || strings.ContainsRune(s.text, 0):
		r.problem(s.pos, "write the path of a file, from this one's folder", "%s names no file", quoted(s.text))
		return
	case strings.ContainsAny(s.text, "*?[{"):
		r.problem(s.pos, "name each file", "an included file is named by no pattern")
		return
	case depth > maxDepth:
		r.problem(s.pos, "include it further up", "files include each other more than %d deep", maxDepth)
		return
	case len(r.files) >= maxFiles:
		r.problem(s.pos, "join some of them", "the policy has more than %d files", maxFiles)
		return
	}
	path := s.text
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(r.name), path)
	}
	// Opening a pipe would wait for somebody to write to it.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		r.problem(s.pos, "name a file", "cannot include %s: it is no regular file", quoted(path))
		return
	}
	src, text, err := readFile(path)
	if err != nil {
		r.problem(s.pos, "the path starts at this file's folder", "cannot include %s: %v", quoted(path), reason(err))
		return
	}
	if r.again(s, src) {
		return
	}
	if len(text) > r.room {
		r.problem(s.pos, "shorten the policy", "the policy's files are larger than %d bytes together", maxTotal)
		return
	}
	r.file(src, text, r, p)
}

// again refuses a file that the policy has already.
func (r *reader) again(s scalar, src source) bool {
	for up := r; up != nil; up = up.from {
		if os.SameFile(up.info, src.info) {
			r.problem(s.pos, "remove one of the two", "%s includes itself", quoted(src.name))
			return true
		}
	}
	for _, file := range r.files {
		if os.SameFile(file.info, src.info) {
			r.problem(s.pos, "remove it here or there", "%s is already part of the policy", quoted(src.name))
			return true
		}
	}
	return false
}

// once reads a key of the root that only one file may hold.
func once(read func(*reader, entry, *Policy)) func(*reader, entry, *Policy) {
	return func(r *reader, e entry, p *Policy) {
		if r.take(e.key, e.pos) {
			read(r, e, p)
		}
	}
}

// take notes where a name of the whole policy stands; false, after a problem, if another file has it.
func (r *reader) take(name string, pos Position) bool {
	if first, taken := r.taken[name]; taken {
		r.problem(pos, "keep one of the two", "%s is already at %s", quoted(strings.TrimPrefix(name, "processes.")), printable(first.String()))
		return false
	}
	r.taken[name] = pos
	return true
}
