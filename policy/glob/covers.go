package glob

import "strings"

// Start returns the literal bytes that every match starts with.
func (g *Glob) Start() string { return g.prefix }

// Covers reports whether g matches whatever o matches, as far as their literal beginnings and ends tell: true is certain,
// false is not. If o is no literal, a true answer needs o.Start to begin with g.Start.
func (g *Glob) Covers(o *Glob) bool {
	if o.form == formExact {
		return g.Match(o.prefix)
	}
	if g.text == o.text {
		return true
	}
	before, startsSo := strings.CutPrefix(o.prefix, g.prefix)
	after, endsSo := strings.CutSuffix(o.suffix, g.suffix)
	if !startsSo || !endsSo {
		return false
	}
	switch g.form {
	case formTree:
		return true
	case formRun:
		return o.form == formRun && !strings.Contains(before+after, "/")
	}
	return false
}

// Exact returns the one path that the pattern matches, if it is but one.
func (g *Glob) Exact() (path string, ok bool) { return g.prefix, g.form == formExact }
