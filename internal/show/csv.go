package show

import (
	"bufio"
	"strconv"
	"strings"
	"time"

	"github.com/stockade-security/stockade/event"
)

// Columns returns the header of the csv form. The columns keep their names, meanings and order; new ones are added at the end.
// An event with several violations shows the worst, and their number in the column violations.
func Columns() []string {
	return []string{
		"time", "seq", "id", "kind", "evidence", "pid", "process", "exe", "uid", "user", "unit", "container", "detail",
		"errno", "count", "violations", "severity", "action", "would_deny", "rule", "violation",
	}
}

// csvWriter writes RFC 4180 with \n as the end of line. Times are RFC 3339 in UTC.
type csvWriter struct {
	out    *bufio.Writer
	buf    []byte
	cell   line
	titled bool
}

func (w *csvWriter) Flush() error { return w.out.Flush() }

func (w *csvWriter) Close() error { return w.out.Flush() }

func (w *csvWriter) Write(e *event.Event) error {
	w.buf = w.buf[:0]
	if !w.titled {
		w.titled = true
		w.buf = append(append(w.buf, strings.Join(Columns(), ",")...), '\n')
	}
	w.buf = e.Time.UTC().AppendFormat(w.buf, time.RFC3339Nano)
	w.number(e.Seq)
	w.text(e.ID)
	w.text(string(e.Kind))
	w.text(string(e.Evidence))
	w.process(e.Process)
	w.cell.buf = w.cell.buf[:0]
	w.cell.detail(e)
	w.escaped()
	w.number(uint64(max(e.Errno, 0)))
	w.number(max(e.Count, 1))
	w.violations(e.Violations)
	w.buf = append(w.buf, '\n')
	_, err := w.out.Write(w.buf)
	return err
}

func (w *csvWriter) process(p *event.Process) {
	if p == nil {
		w.buf = append(w.buf, ",,,,,,,"...)
		return
	}
	w.number(uint64(max(p.PID, 0)))
	w.text(p.Name)
	w.text(p.Exe)
	w.number(uint64(p.UID))
	w.text(p.User)
	w.text(p.Unit)
	if c := p.Container; c == nil {
		w.text("")
	} else if c.Name != "" {
		w.text(c.Name)
	} else {
		w.text(c.ID)
	}
}

func (w *csvWriter) violations(violations []event.Violation) {
	w.number(uint64(len(violations)))
	v := worst(violations)
	if v == nil {
		w.buf = append(w.buf, ",,,,,"...)
		return
	}
	w.text(string(v.Severity))
	w.text(string(v.Action))
	w.buf = strconv.AppendBool(append(w.buf, ','), v.WouldDeny)
	w.text(v.Rule)
	w.text(v.Detail)
}

func (w *csvWriter) number(n uint64) {
	w.buf = strconv.AppendUint(append(w.buf, ','), n, 10)
}

func (w *csvWriter) text(s string) {
	w.cell.buf = appendEscaped(w.cell.buf[:0], s)
	w.escaped()
}

// escaped adds the escaped text in cell. Every text that is not empty is quoted, so that a spreadsheet with another
// idea of the separator takes it as one cell too; text that a spreadsheet would run as a formula starts with an
// apostrophe (https://owasp.org/www-community/attacks/CSV_Injection).
func (w *csvWriter) escaped() {
	w.buf = append(w.buf, ',')
	if len(w.cell.buf) == 0 {
		return
	}
	w.buf = append(w.buf, '"')
	if formula(w.cell.buf) {
		w.buf = append(w.buf, '\'')
	}
	for _, c := range w.cell.buf {
		if c == '"' {
			w.buf = append(w.buf, '"')
		}
		w.buf = append(w.buf, c)
	}
	w.buf = append(w.buf, '"')
}

// formula reports whether a cell could be one: spaces before the sign do not stop every program, and some take the
// full-width forms of the signs for the signs.
func formula(cell []byte) bool {
	text := strings.TrimLeft(string(cell), " ")
	for _, sign := range []string{"=", "+", "-", "@", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(text, sign) {
			return true
		}
	}
	return false
}
