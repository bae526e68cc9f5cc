package policy

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/stockade-security/stockade/policy/glob"
)

// execRule reads a pattern for executables. A name without / means that base name in any directory.
func (r *reader) execRule(node ast.Node) (PathRule, bool) {
	s, ok := r.scalar(node, "an exec entry")
	if !ok {
		return PathRule{}, false
	}
	pattern := s.text
	if pattern != "" && !strings.Contains(pattern, "/") && !strings.HasPrefix(pattern, "**") {
		pattern = "**/" + pattern
	}
	return r.pathRule(s, pattern, AccessExecute)
}

// fileRule reads a pattern and, after a space, its access letters.
func (r *reader) fileRule(node ast.Node) (PathRule, bool) {
	s, ok := r.scalar(node, "a file entry")
	if !ok {
		return PathRule{}, false
	}
	pattern, letters, at := splitLetters(s.text)
	if at < 0 {
		return r.pathRule(s, pattern, AccessAll)
	}
	access, ok := ParseAccess(letters)
	if !ok {
		r.problem(s.point(at), `write r, w and x, each once; write "\ " for a space in a name`, "%s are not access letters", quoted(letters))
		return PathRule{}, false
	}
	return r.pathRule(s, pattern, access)
}

// splitLetters cuts off the last word, if it is one that holds letters only; at is its offset, -1 without one.
func splitLetters(text string) (pattern, letters string, at int) {
	space := strings.LastIndexByte(text, ' ')
	if space < 1 || text[space-1] == '\\' {
		return text, "", -1
	}
	letters = text[space+1:]
	for i := range len(letters) {
		if c := letters[i] | 0x20; c < 'a' || c > 'z' {
			return text, "", -1
		}
	}
	return strings.TrimRight(text[:space], " "), letters, space + 1
}

// pathRule compiles the pattern and refuses what no clean absolute path can match.
func (r *reader) pathRule(s scalar, pattern string, access Access) (PathRule, bool) {
	g, err := glob.Parse(pattern)
	if syntax, bad := errors.AsType[*glob.SyntaxError](err); bad {
		// A bare name was compiled with a prefix of its own, which the file does not hold.
		offset := syntax.Offset - max(0, len(pattern)-len(s.text))
		hint := syntaxFix(pattern, syntax.Offset, "write a path, such as /etc/hosts or /srv/**")
		r.problem(s.point(max(0, offset)), hint, "bad pattern %s: %s", quoted(s.text), syntax.Message)
		return PathRule{}, false
	}
	if hint := neverMatches(pattern, g); hint != "" {
		r.problem(s.pos, hint, "the pattern %s can match no path", quoted(pattern))
		return PathRule{}, false
	}
	return PathRule{Text: s.text, Pos: s.pos, Glob: g, Access: access}, true
}

// syntaxFix returns the hint for a pattern that is wrong at an offset; otherwise is for what is no matter of escaping.
func syntaxFix(pattern string, offset int, otherwise string) string {
	if offset < len(pattern) && strings.IndexByte(`[]{}\`, pattern[offset]) >= 0 {
		return `write \ before a character that stands for itself`
	}
	return otherwise
}

// neverMatches returns what to write instead of a pattern that no clean absolute path matches, or "".
func neverMatches(pattern string, g *glob.Glob) string {
	if !g.Rooted() {
		return "start it with / or **/"
	}
	if len(pattern) > 1 && strings.HasSuffix(pattern, "/") {
		return "write " + quoted(pattern+"**") + " for what is below, " + quoted(strings.TrimRight(pattern, "/")) + " for the directory itself"
	}
	for _, part := range []string{"//", "/./", "/../"} {
		if strings.Contains(pattern+"/", part) {
			return "write the path without . and .. and with single slashes"
		}
	}
	return ""
}
