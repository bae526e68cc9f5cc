// Package show writes events for people and their tools: an aligned table for a terminal, JSON lines, or CSV.
// Whatever came from outside is escaped in all three, so that no file name or argument can drive a terminal, forge a
// line or start a formula in a spreadsheet. It refuses to look anything up: it shows what the event says.
package show

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/stockade-security/stockade/event"
)

// Format names a form of output.
type Format string

// The formats.
const (
	Table Format = "table"
	JSON  Format = "json"
	CSV   Format = "csv"
)

// Formats lists every format once.
func Formats() []Format { return []Format{Table, JSON, CSV} }

// Writer writes events in one format. It buffers: whoever has nothing more to write calls Flush, and so a reader of a
// live view waits for no line. A table shows a line that comes again and again once, and how often more when another
// line comes, or at the next Flush a second or more after. Close shows that at once, and flushes; it closes nothing below.
// A Writer is for one goroutine, and keeps the event that it wrote last. After an error every further call returns an error.
type Writer interface {
	Write(*event.Event) error
	Flush() error
	Close() error
}

// Options tune a table; the other formats have no choices, so that their readers can rely on them.
type Options struct {
	// Color marks violations and failures with terminal colours. See ForTerminal.
	Color bool
	// Width is how many columns the terminal has; the detail is cut to fit. 0: nothing is cut.
	Width int
	// Location is where times are shown; nil: the local time zone.
	Location *time.Location
}

// New returns a Writer of the format on w. The error names an unknown format.
func New(format Format, w io.Writer, opts Options) (Writer, error) {
	out := bufio.NewWriterSize(w, 32<<10)
	switch format {
	case Table:
		return newTable(out, opts), nil
	case JSON:
		return &jsonWriter{out: out}, nil
	case CSV:
		return &csvWriter{out: out}, nil
	}
	return nil, fmt.Errorf("unknown format %q: want %s", format, formatList())
}

func formatList() string {
	var names []string
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// worst returns the violation that a single line has to show: the most severe, and among those the first.
func worst(violations []event.Violation) *event.Violation {
	var v *event.Violation
	for i := range violations {
		if v == nil || rank(violations[i].Severity) > rank(v.Severity) {
			v = &violations[i]
		}
	}
	return v
}

func rank(s event.Severity) int {
	switch s {
	case event.SeverityCritical:
		return 4
	case event.SeverityHigh:
		return 3
	case event.SeverityMedium:
		return 2
	case event.SeverityLow:
		return 1
	}
	return 0
}

// outcome says what the policy did to an access: blocked and killed are what happened, the rest is what was noted.
func outcome(v *event.Violation) string {
	switch {
	case v.Action == event.ActionBlocked || v.Action == event.ActionKilled:
		return string(v.Action)
	case v.WouldDeny:
		return "would deny"
	default:
		return string(v.Action)
	}
}

// where is the place that people know a process by: its container, else its unit.
func where(p *event.Process) string {
	switch {
	case p == nil:
		return ""
	case p.Container == nil:
		return p.Unit
	case p.Container.Name != "":
		return p.Container.Name
	default:
		// Runtimes show the first twelve digits of an id.
		return p.Container.ID[:min(12, len(p.Container.ID))]
	}
}
