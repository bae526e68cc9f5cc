// Package poller tells of programs that start and end by comparing one look at the list of processes with the next. It is
// for systems on which Stockade has no sensor in the kernel.
//
// It refuses to claim more than a list can show: what starts and ends between two looks is never seen, how a process
// ended is not known, and nothing can be prevented. Names come from the system without any proof that the file is still the
// one that was started.
package poller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/stockade-security/stockade/event"
)

// Sample is what every look tells of a process.
type Sample struct {
	PID int
	// Started is the zero time where the system does not tell; the pid alone then names the process.
	Started time.Time
	// Exe is empty where the system does not tell.
	Exe string
}

// Details are asked for when a process is new, or runs another program than before. What is not known is empty, and NoID.
type Details struct {
	Parent               int
	Name                 string
	Argv                 []string
	User                 string
	UID, GID, EUID, EGID uint32
}

// NoID stands for an id that the system does not have or does not tell: (uid_t)-1.
const NoID = ^uint32(0)

// Lister reads the list of processes. Paths are written with slashes on every system.
type Lister interface {
	// List returns every process once, in any order. One that ends meanwhile may be missing.
	List(ctx context.Context) ([]Sample, error)
	// Describe returns what else is known of a process; the zero value with NoIDs if it is gone.
	Describe(ctx context.Context, s Sample) Details
}

// Config says how to look. The zero value looks at this host every second.
type Config struct {
	// Lister is asked by one goroutine at a time; nil: Host.
	Lister Lister
	// Interval is the time from one look to the next; 0: 1 s.
	Interval time.Duration
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Boot is the wall clock at boot, from which start times are counted.
	Boot time.Time
	// Redact takes secrets out of arguments and may return what it was given; nil: they stay.
	Redact func(argv []string) []string
	// Logger gets one line when the list cannot be read any more and one when it can again; nil: none.
	Logger *slog.Logger
}

// Poller remembers what the last look saw. It is used by one goroutine.
type Poller struct {
	cfg Config
	// known is nil until the first look.
	known map[int]*event.Process
	last  time.Time
}

// New returns a Poller that has not looked yet.
func New(cfg Config) *Poller {
	if cfg.Lister == nil {
		cfg.Lister = Host{}
	}
	if cfg.Interval == 0 {
		cfg.Interval = time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Redact == nil {
		cfg.Redact = func(argv []string) []string { return argv }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Poller{cfg: cfg}
}

// Run looks until ctx ends, then once more, and hands the events to emit. The error means that the first look failed, or the
// last; one in between that fails is logged, and the next is compared with the last that did not.
func (p *Poller) Run(ctx context.Context, emit func(*event.Event)) error {
	if err := p.look(context.WithoutCancel(ctx), emit); err != nil {
		return err
	}
	tick := time.NewTicker(p.cfg.Interval)
	defer tick.Stop()
	blind := false
	for {
		select {
		case <-ctx.Done():
			return p.look(context.WithoutCancel(ctx), emit)
		case <-tick.C:
		}
		err := p.look(ctx, emit)
		switch {
		case ctx.Err() != nil:
		case err != nil && !blind:
			p.cfg.Logger.Error("nothing is seen until the list of processes can be read again", "error", err)
		case err == nil && blind:
			p.cfg.Logger.Warn("the list of processes can be read again")
		}
		blind = err != nil
	}
}

func (p *Poller) look(ctx context.Context, emit func(*event.Event)) error {
	events, err := p.Look(ctx)
	for _, e := range events {
		emit(e)
	}
	return err
}

var errEmpty = errors.New("the list is empty")

// Look returns what has changed since the look before, oldest first. The first look finds what was there already, and
// returns nothing. After an error it is as if it had not been called.
func (p *Poller) Look(ctx context.Context) ([]*event.Event, error) {
	samples, err := p.cfg.Lister.List(ctx)
	if err == nil && len(samples) == 0 {
		err = errEmpty // it would hold at least who asks
	}
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	now := p.cfg.Now()
	events := p.compare(ctx, samples, now)
	p.last = now
	return events, nil
}
