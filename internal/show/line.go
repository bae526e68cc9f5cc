package show

import (
	"strconv"
	"strings"
	"time"

	"github.com/stockade-security/stockade/event"
)

// line builds one line of text for a person, from words with one space between. Names from outside are added with
// name, which escapes them and quotes those that could pass for several words; word is for our own text.
type line struct {
	buf []byte
	// start is where this line begins in buf, so that the first word gets no space.
	start int
}

func (l *line) space() {
	if len(l.buf) > l.start {
		l.buf = append(l.buf, ' ')
	}
}

// word adds text that Stockade itself chose. It is escaped all the same: a record may come from a file.
func (l *line) word(text string) {
	if text == "" {
		return
	}
	l.space()
	l.buf = appendEscaped(l.buf, text)
}

func (l *line) words(texts []string) {
	for _, t := range texts {
		l.word(t)
	}
}

// name adds text from outside as one word, "" included.
func (l *line) name(text string) {
	l.space()
	l.buf = appendName(l.buf, text)
}

// named adds a label and a name, or nothing when there is no name.
func (l *line) named(label, text string) {
	if text == "" {
		return
	}
	l.word(label)
	l.name(text)
}

func (l *line) number(label string, n uint64) {
	l.word(label)
	l.space()
	l.buf = strconv.AppendUint(l.buf, n, 10)
}

func (l *line) ref(r event.Ref) {
	l.space()
	l.buf = appendRef(l.buf, r)
}

// tag adds a remark in braces.
func (l *line) tag(label, text string) {
	l.space()
	l.buf = append(append(l.buf, '{'), label...)
	if text != "" {
		l.buf = appendName(append(l.buf, ' '), text)
	}
	l.buf = append(l.buf, '}')
}

func (l *line) bytes(label string, n uint64) {
	l.word(label)
	l.space()
	l.buf = appendBytes(l.buf, n)
}

// lasting adds a duration, rounded to what a person reads.
func (l *line) lasting(label string, ns uint64) {
	if ns == 0 {
		return
	}
	d := time.Duration(min(ns, 1<<63-1))
	switch {
	case d > time.Minute:
		d = d.Round(time.Second)
	case d > time.Second:
		d = d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		d = d.Round(10 * time.Microsecond)
	}
	l.word(label)
	l.word(d.String())
}

// appendName writes a name as one word: quoted when it is empty or when a space, quote, bracket or brace in it could be
// taken for ours.
func appendName(dst []byte, text string) []byte {
	if text != "" && !strings.ContainsAny(text, " \"[]{}") {
		return appendEscaped(dst, text)
	}
	dst = append(dst, '"')
	for {
		before, after, found := strings.Cut(text, `"`)
		dst = appendEscaped(dst, before)
		if !found {
			return append(dst, '"')
		}
		dst = append(dst, `\"`...)
		text = after
	}
}

// appendRef writes name[pid]; a process without a name is shown by its executable.
func appendRef(dst []byte, r event.Ref) []byte {
	name := r.Name
	if name == "" {
		name = r.Exe
	}
	if name == "" {
		name = "?"
	}
	dst = append(appendName(dst, name), '[')
	return append(strconv.AppendInt(dst, int64(r.PID), 10), ']')
}

// Bytes returns a size with the binary unit that keeps it under 1024, such as 1.5 MiB.
func Bytes(n uint64) string { return string(appendBytes(nil, n)) }

func appendBytes(dst []byte, n uint64) []byte {
	const units = "KMGTPE"
	if n < 1024 {
		return append(strconv.AppendUint(dst, n, 10), " B"...)
	}
	size, unit := float64(n)/1024, 0
	for size >= 1024 && unit < len(units)-1 {
		size /= 1024
		unit++
	}
	dst = strconv.AppendFloat(dst, size, 'f', 1, 64)
	return append(dst, ' ', units[unit], 'i', 'B')
}
