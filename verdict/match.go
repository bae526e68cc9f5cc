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

// isClean is a quick answer, false for some names that are clean: those of hidden files, and relative ones. A slash
// before a slash or a dot is what it looks for, eight bytes at a time: / and . differ in the last bit alone.
func isClean(name string) bool {
	if len(name) < 2 || name[0] != '/' || name[len(name)-1] == '/' {
		return false
	}
	for ; len(name) > 8; name = name[8:] {
		// A byte of this is zero where the text has such a pair.
		if pair := (word(name) ^ each*'/') | (word(name[1:])&(each*0xfe) ^ each*'.'); (pair-each)&^pair&(each*0x80) != 0 {
			return false
		}
	}
	for i := range len(name) - 1 {
		if name[i] == '/' && name[i+1]|1 == '/' {
			return false
		}
	}
	return true
}

// each times a byte is a word of eight such bytes.
const each = 0x0101010101010101

// word is the first eight bytes of a text that has them.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// match returns the value of text in a table.
func match(img *compile.Image, t *compile.Table, text string) uint32 {
	best := automaton.MatchAll(img.Automata[t.Automata.First:][:t.Automata.Count], text)
	if best == automaton.None {
		return t.Miss
	}
	return t.Base + best
}
