// Package tally counts what no single event shows: executions by user and day, and restarts of systemd's services.
//
// It takes events from the one goroutine that publishes them, and gives that goroutine events of its own to publish. It
// never makes it wait: what must be read from a directory is read by Run. It refuses to guess: a user beyond its bound
// is counted with others and not forgotten, and a service that it never saw before has not restarted. Counts begin with
// the run of the guard.
package tally

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/stockade-security/stockade/event"
)

// Config bounds a Tally and says where it looks. The zero value is the default throughout.
type Config struct {
	// MaxUsers bounds the users counted by name on one day; 0: 1024.
	MaxUsers int
	// MaxUnits bounds the services watched, running ones first; 0: 4096.
	MaxUnits int
	// Units is where systemd keeps a link for each running unit, named invocation:UNIT; empty: /run/systemd/units.
	Units string
	// Latest returns what is known of a process by now: to which unit it belongs may be found out only after its exec.
	// It is called from any goroutine. nil: no more than its exec told.
	Latest func(*event.Process) *event.Process
}

// Tally is made with New. Add, Due and Flush are for one goroutine, Run for another.
type Tally struct {
	execs execs
	units units
}

// New returns an empty Tally. Restarts are seen while Run runs.
func New(cfg Config) *Tally {
	latest := cfg.Latest
	if latest == nil {
		latest = func(p *event.Process) *event.Process { return p }
	}
	return &Tally{
		execs: execs{max: cmp.Or(cfg.MaxUsers, 1024), days: map[int64]map[string]*execCount{}},
		units: units{
			dir: cmp.Or(cfg.Units, "/run/systemd/units"), max: cmp.Or(cfg.MaxUnits, 4096), latest: latest,
			queue: make(chan *event.Event, queued), known: map[string]*unit{}, waiting: map[uint64]waiting{},
		},
	}
}

// Add counts a published event. It neither waits nor reads anything.
func (t *Tally) Add(e *event.Event) {
	if e.Kind != event.KindExec || e.Process == nil || e.Errno != 0 {
		return
	}
	t.execs.add(e)
	t.units.add(e)
}

// Due returns the events to publish at this time: a count that has changed, at most once in Interval and when its day
// is over, and every restart found since the last call. Call it every second or so.
func (t *Tally) Due(now time.Time) []*event.Event {
	return slices.Concat(t.execs.due(now, false), t.units.take())
}

// Flush is Due at the end of the run: it returns all that has not been told, and looks itself at what Run has left.
func (t *Tally) Flush(now time.Time) []*event.Event {
	t.units.finish()
	return slices.Concat(t.execs.due(now, true), t.units.take())
}

// Run looks for restarts until ctx ends. Call it once.
func (t *Tally) Run(ctx context.Context) { t.units.run(ctx) }

// Unchecked counts executions whose service was not looked at: the queue or the table was full, or nobody could say to
// which unit the process belonged. It may be called from any goroutine.
func (t *Tally) Unchecked() uint64 { return t.units.unchecked.Load() }
