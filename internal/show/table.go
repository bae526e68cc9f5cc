package show

import (
	"bufio"
	"bytes"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/stockade-security/stockade/event"
)

// Widths of the table's columns. A longer value pushes its own line's rest to the right: a shortened name would not be
// the name. Only the place is cut, because names of units and pods are long and their ends say least.
const (
	kindWidth    = 13
	processWidth = 22
	userWidth    = 10
	whereWidth   = 20
	// A terminal narrower than this shows neither user nor place, so that the detail has room.
	narrow = 110
	// minDetail is what the detail keeps of the narrowest terminal.
	minDetail = 24
)

const (
	colorReset  = "\x1b[0m"
	colorDim    = "\x1b[2m"
	colorRed    = "\x1b[1;31m"
	colorYellow = "\x1b[33m"
)

type table struct {
	out    *bufio.Writer
	opts   Options
	line   line
	tail   line
	titled bool
	now    func() time.Time

	// The last line without its time, and how often it came again: the last time as repeat, the first at since.
	last   []byte
	again  uint64
	repeat *event.Event
	since  time.Time
}

// holdFor is how long repeats are counted before they are shown.
const holdFor = time.Second

// timeWidth is that of the time, with the space behind it.
const timeWidth = len("15:04:05.000  ")

func newTable(out *bufio.Writer, opts Options) *table {
	if opts.Location == nil {
		opts.Location = time.Local
	}
	return &table{out: out, opts: opts, now: time.Now}
}

func (t *table) Flush() error {
	if t.again > 0 && t.now().Sub(t.since) >= holdFor {
		if err := t.release(); err != nil {
			return err
		}
	}
	return t.out.Flush()
}

func (t *table) Close() error {
	if err := t.release(); err != nil {
		return err
	}
	return t.out.Flush()
}

func (t *table) Write(e *event.Event) error {
	if !t.titled {
		t.titled = true
		if err := t.title(); err != nil {
			return err
		}
	}
	t.render(e, 1)
	if bytes.Equal(t.line.buf[timeWidth:], t.last) {
		if t.again == 0 {
			t.since = t.now()
		}
		t.again++
		t.repeat = e
		return nil
	}
	if t.again > 0 {
		if err := t.release(); err != nil {
			return err
		}
		t.render(e, 1) // release has used the line
	}
	t.last = append(t.last[:0], t.line.buf[timeWidth:]...)
	_, err := t.out.Write(t.line.buf)
	return err
}

// release shows how often the last line came again.
func (t *table) release() error {
	if t.again == 0 {
		return nil
	}
	t.render(t.repeat, t.again)
	t.again, t.repeat = 0, nil
	_, err := t.out.Write(t.line.buf)
	return err
}

// render makes the line of an event, which stands for as many.
func (t *table) render(e *event.Event, again uint64) {
	l := &t.line
	l.buf = e.Time.In(t.opts.Location).AppendFormat(l.buf[:0], "15:04:05.000  ")
	t.column(kindWidth, func() { l.buf = appendEscaped(l.buf, string(e.Kind)) })
	t.process(e.Process)

	t.tail.buf = t.tail.buf[:0]
	t.tail.result(e)
	v := worst(e.Violations)
	if v != nil {
		t.tail.violation(v, len(e.Violations))
	}
	if again > 1 {
		t.tail.word("x" + strconv.FormatUint(again, 10) + " more")
	}
	t.detail(e)
	t.appendTail(v)
	l.buf = append(trimSpaces(l.buf), '\n')
}

func (t *table) title() error {
	t.line.buf = t.line.buf[:0]
	t.color(colorDim)
	columns := []struct {
		name  string
		width int
	}{{"TIME", 12}, {"KIND", kindWidth}, {"PROCESS", processWidth}, {"USER", userWidth}, {"WHERE", whereWidth}}
	if t.isNarrow() {
		columns = columns[:3]
	}
	for _, c := range columns {
		t.column(c.width, func() { t.line.buf = append(t.line.buf, c.name...) })
	}
	t.line.buf = append(t.line.buf, "DETAIL"...)
	t.color(colorReset)
	_, err := t.out.Write(append(t.line.buf, '\n'))
	return err
}

func (t *table) isNarrow() bool { return t.opts.Width > 0 && t.opts.Width < narrow }

func (t *table) process(p *event.Process) {
	l := &t.line
	t.column(processWidth, func() {
		if p != nil {
			l.buf = appendRef(l.buf, p.Ref)
		} else {
			l.buf = append(l.buf, '-')
		}
	})
	if t.isNarrow() {
		return
	}
	t.column(userWidth, func() {
		switch {
		case p == nil:
			l.buf = append(l.buf, '-')
		case p.User == "":
			l.buf = strconv.AppendUint(l.buf, uint64(p.UID), 10)
		default:
			l.buf = appendName(l.buf, p.User)
		}
	})
	t.column(whereWidth, func() {
		begin := len(l.buf)
		if place := where(p); place != "" {
			l.buf = appendName(l.buf, place)
		} else {
			l.buf = append(l.buf, '-')
		}
		l.buf = clip(l.buf, begin, whereWidth)
	})
}

// column pads what add appends to width characters, and sets it apart from the next.
func (t *table) column(width int, add func()) {
	begin := len(t.line.buf)
	add()
	for n := utf8.RuneCount(t.line.buf[begin:]); n < width; n++ {
		t.line.buf = append(t.line.buf, ' ')
	}
	t.line.buf = append(t.line.buf, ' ', ' ')
}

// detail adds the detail, cut so that the tail still fits on the terminal: an attacker must not be able to push the
// violation out of sight with a long argument.
func (t *table) detail(e *event.Event) {
	l := &t.line
	from := len(l.buf)
	l.start = from
	l.detail(e)
	if t.opts.Width > 0 {
		room := t.opts.Width - utf8.RuneCount(l.buf[:from])
		if n := utf8.RuneCount(t.tail.buf); n > 0 {
			room -= n + 2
		}
		l.buf = clip(l.buf, from, max(room, minDetail))
	}
}

func (t *table) appendTail(v *event.Violation) {
	if len(t.tail.buf) == 0 {
		return
	}
	t.line.buf = append(t.line.buf, ' ', ' ')
	switch {
	case v == nil:
		t.color(colorDim)
	case rank(v.Severity) >= rank(event.SeverityHigh):
		t.color(colorRed)
	default:
		t.color(colorYellow)
	}
	t.line.buf = append(t.line.buf, t.tail.buf...)
	t.color(colorReset)
}

func (t *table) color(code string) {
	if t.opts.Color {
		t.line.buf = append(t.line.buf, code...)
	}
}

// result adds what is worth saying about how it ended: a failure, and how often a folded event happened.
func (l *line) result(e *event.Event) {
	if e.Errno != 0 {
		l.word(ErrnoName(e.Errno))
	}
	if e.Count > 1 {
		l.word("x" + strconv.FormatUint(e.Count, 10))
	}
}

// violation adds severity, outcome and rule of the worst violation, and how many more there are.
func (l *line) violation(v *event.Violation, total int) {
	l.word("!")
	l.word(string(v.Severity))
	l.word(outcome(v))
	l.named("by", v.Rule)
	if total > 1 {
		l.tag("and "+strconv.Itoa(total-1)+" more", "")
	}
}

// clip shortens what stands in buf after begin to width characters; the last one then shows that something is missing.
func clip(buf []byte, begin, width int) []byte {
	if len(buf)-begin <= width || utf8.RuneCount(buf[begin:]) <= width {
		return buf
	}
	end := begin
	for range width - 1 {
		_, size := utf8.DecodeRune(buf[end:])
		end += size
	}
	return append(buf[:end], "…"...)
}

func trimSpaces(buf []byte) []byte {
	for len(buf) > 0 && buf[len(buf)-1] == ' ' {
		buf = buf[:len(buf)-1]
	}
	return buf
}
