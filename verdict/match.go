package verdict

import (
	"path"
	"strings"

	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/compile"
)

// deleted is what the kernel puts behind the name of a file that no directory holds any more (d_path).
const deleted = " (deleted)"

// clean returns the path as rules are matched against it, or that it is too long for that. It allocates only for a path
// that needs it.
func clean(name string, truncated bool) (cleaned string, long bool) {
	if truncated || len(name) > compile.MaxPath {
		return "", true
	}
	name = strings.TrimSuffix(name, deleted)
	if isClean(name) {
		return name, false
	}
	return path.Clean(name), false
}

// isClean is a quick answer, false for some names that are clean: those of hidden files, and relative ones.
func isClean(name string) bool {
	return len(name) > 1 && name[0] == '/' && name[len(name)-1] != '/' && !strings.Contains(name, "//") && !strings.Contains(name, "/.")
}

// match returns the value of text in a table.
func match(img *compile.Image, t *compile.Table, text string) uint32 {
	best := automaton.MatchAll(img.Automata[t.Automata.First:][:t.Automata.Count], text)
	if best == automaton.None {
		return t.Miss
	}
	return best
}
