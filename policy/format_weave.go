package policy

import "strings"

// weave joins the lines, the comments between and behind them, and the source's empty lines.
func (p *printer) weave(comments []comment) string {
	w := weaver{source: p.source}
	for i, l := range p.lines {
		for len(comments) > 0 && comments[0].line < l.line {
			w.comment(comments[0], p.lines[:i], l)
			comments = comments[1:]
		}
		w.line(l.line, l.indent, l.text)
		w.free = true
	}
	for _, c := range comments {
		w.comment(c, p.lines, printed{})
	}
	return strings.Join(w.out, "\n") + "\n"
}

// weaver writes a file line by line.
type weaver struct {
	source []string
	out    []string
	// last is the line of the source that was written last.
	last int
	// free: a comment may stand behind the last line.
	free bool
}

// line writes what stood on a line of the source, after an empty line if one stood before it there.
func (w *weaver) line(at, indent int, text string) {
	if w.last > 0 && at > w.last+1 && strings.TrimSpace(w.source[at-2]) == "" {
		w.out = append(w.out, "")
	}
	if text != "" {
		text = strings.Repeat(" ", indent) + text
	}
	w.out, w.last = append(w.out, text), at
}

// comment writes a comment behind the last line if it stood there, else on a line of its own. It is indented like the next line, or
// if it stood deeper like the last line that did not.
func (w *weaver) comment(c comment, before []printed, next printed) {
	if !c.own && w.free {
		w.out[len(w.out)-1] += c.gap + c.text
		w.free = false
		return
	}
	indent := next.indent
	for i := len(before) - 1; i >= 0 && c.column > next.column; i-- {
		if before[i].column <= c.column {
			indent = max(indent, before[i].indent)
			break
		}
	}
	w.line(c.line, indent, c.text)
	w.free = false
}
