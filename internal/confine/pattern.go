package confine

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/stockade-security/stockade/policy/glob"
)

// place is a file, or with tree what is below a directory, the directory itself excepted.
type place struct {
	path string
	tree bool
}

// glob is the pattern of all that the place holds.
func (p place) glob() *glob.Glob {
	text := escape(p.path)
	if p.tree {
		text = strings.TrimSuffix(text, "/") + "/**"
	}
	g, err := glob.Parse(text)
	if err != nil {
		return nil // a path with control characters, which no pattern can name
	}
	return g
}

// escape makes a pattern of a path.
func escape(name string) string {
	var out strings.Builder
	for i := range len(name) {
		if strings.IndexByte(`*?[]{}\,`, name[i]) >= 0 {
			out.WriteByte('\\')
		}
		out.WriteByte(name[i])
	}
	return out.String()
}

// found is what a pattern means in the file system as it is.
type found struct {
	places []place
	// partial: other files may come to match later.
	partial bool
	// beyond is a part of the pattern that no list of places can stand for, and why not; empty if there is none.
	beyond string
}

// maxPlaces bounds what a pattern may stand for, and what is looked at to find out.
const maxPlaces = 10_000

// find looks for what a pattern matches.
func find(g *glob.Glob) found {
	var f found
	for _, one := range alternatives(g.String()) {
		f.alternative(one)
	}
	slices.SortFunc(f.places, func(a, b place) int { return strings.Compare(a.path, b.path) })
	f.places = slices.Compact(f.places)
	if len(f.places) > maxPlaces {
		f.places, f.beyond = nil, "it matches too many files"
	}
	return f
}

// alternative adds what a pattern without braces matches.
func (f *found) alternative(text string) {
	switch {
	case text == "":
		return
	case text == "**":
		text = "/**"
	case text[0] != '/':
		f.beyond = text + " has no directory to begin at"
		return
	}
	if text == "/" {
		f.places = append(f.places, place{path: "/"})
		return
	}
	parts := strings.Split(text[1:], "/")
	dirs := []string{"/"}
	for i, part := range parts {
		switch last := i == len(parts)-1; {
		case part == "" || part == "." || part == "..":
			return // no path of the kernel's has such a part
		case part == "**" && last:
			for _, dir := range dirs {
				f.places = append(f.places, place{path: dir, tree: true})
				if dir == "/" { // the one directory whose own path the pattern matches
					f.places = append(f.places, place{path: dir})
				}
			}
			return
		case strings.Contains(part, "**"):
			f.beyond = text + " has ** before its end"
			return
		case wild(part):
			f.partial = true
			dirs = f.children(dirs, part)
		default:
			for j := range dirs {
				dirs[j] = path.Join(dirs[j], unescape(part))
			}
		}
	}
	for _, name := range dirs {
		f.places = append(f.places, place{path: name})
	}
}

// children lists what is in the directories under a name that a pattern without slashes matches.
func (f *found) children(dirs []string, pattern string) []string {
	g, err := glob.Parse(pattern)
	if err != nil {
		f.beyond = pattern + " is no pattern by itself"
		return nil
	}
	var out []string
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // what cannot be listed has nothing that is known to match
		}
		for _, e := range entries {
			if g.Match(e.Name()) {
				out = append(out, path.Join(dir, e.Name()))
			}
		}
		if len(out) > maxPlaces {
			f.beyond = "it matches too many files"
			return nil
		}
	}
	return out
}

// wild reports whether a part of a path stands for more than itself.
func wild(part string) bool {
	for i := 0; i < len(part); i++ {
		switch part[i] {
		case '\\':
			i++
		case '*', '?', '[':
			return true
		}
	}
	return false
}

func unescape(part string) string {
	var out strings.Builder
	for i := 0; i < len(part); i++ {
		if part[i] == '\\' && i+1 < len(part) {
			i++
		}
		out.WriteByte(part[i])
	}
	return out.String()
}

// alternatives writes out the braces of a pattern that glob.Parse took. Of one with too many it returns the pattern itself,
// which then is beyond what can be found.
func alternatives(text string) []string {
	const most = 1000
	out := []string{""}
	for i := 0; i < len(text); {
		end, options := i+1, []string(nil)
		switch text[i] {
		case '\\':
			end = min(i+2, len(text))
		case '[':
			end = endOfSet(text, i)
		case '{':
			end, options = braces(text, i)
		}
		if options == nil {
			options = []string{text[i:end]}
		}
		var next []string
		for _, before := range out {
			for _, option := range options {
				next = append(next, before+option)
			}
		}
		if len(next) > most {
			return []string{"**" + text}
		}
		out, i = next, end
	}
	return out
}

// endOfSet returns where a set such as [!a-z] that begins at i is over.
func endOfSet(text string, i int) int {
	for at := i + 1; at < len(text); at++ {
		switch text[at] {
		case '\\':
			at++
		case ']':
			return at + 1
		}
	}
	return len(text)
}

// braces returns the alternatives that begin at i, their own braces written out, and where they are over.
func braces(text string, i int) (end int, options []string) {
	from := i + 1
	for at := from; at < len(text); {
		switch text[at] {
		case '\\':
			at += 2
		case '[':
			at = endOfSet(text, at)
		case '{':
			at, _ = braces(text, at)
		case ',', '}':
			options = append(options, alternatives(text[from:at])...)
			if text[at] == '}' {
				return at + 1, options
			}
			at++
			from = at
		default:
			at++
		}
	}
	return len(text), options
}

// reaches reports whether a pattern can match something below a directory.
func reaches(g *glob.Glob, dir string) bool {
	positions := g.Positions()
	alive := make([]bool, len(positions))
	alive[0] = true
	text := strings.TrimSuffix(dir, "/") + "/"
	for i := range len(text) {
		next, some := make([]bool, len(positions)), false
		for n := 1; n < len(positions); n++ {
			p := &positions[n]
			if p.Accept[text[i]/64]&(1<<(text[i]%64)) == 0 {
				continue
			}
			before := func(at int) bool { return alive[at] }
			if p.Loop && alive[n] || slices.ContainsFunc(p.After, before) {
				next[n], some = true, true
			}
		}
		if !some {
			return false
		}
		alive = next
	}
	for n := range positions {
		if alive[n] && continues(positions, n) {
			return true
		}
	}
	return false
}

// continues reports whether anything may come after a position.
func continues(positions []glob.Position, n int) bool {
	return positions[n].Loop || slices.ContainsFunc(positions[n+1:], func(p glob.Position) bool { return slices.Contains(p.After, n) })
}

// status is what a place is in the file system.
type status struct {
	missing, dir bool
	// link is the path that the kernel gives the file; empty if it is the place's own.
	link string
}

func statusOf(name string) status {
	info, err := os.Lstat(name)
	if err != nil {
		return status{missing: true}
	}
	if real, err := realPath(name); err != nil {
		return status{missing: true}
	} else if real != name {
		return status{link: real}
	}
	return status{dir: info.Mode()&fs.ModeType == fs.ModeDir}
}
