//go:build linux

// Package daemon runs the guard: it opens the parts, moves events from the kernel through the pipeline to whoever keeps
// or shows them, accounts for every record that got lost, and ends cleanly. It decides nothing about events itself.
package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/api"
	"github.com/stockade-security/stockade/internal/audit"
	"github.com/stockade-security/stockade/internal/identity"
	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/internal/kernel/enforcer"
	"github.com/stockade-security/stockade/internal/paths"
	"github.com/stockade-security/stockade/internal/pipeline"
	"github.com/stockade-security/stockade/internal/tally"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// Config says what to run. Paths, Policy and Logger are required.
type Config struct {
	Version, Instance string
	Paths             paths.Paths
	// Policy is in force, read from PolicyPath; that is empty for the built-in one. Mode replaces the policy's own when set.
	Policy     *policy.Policy
	PolicyPath string
	Mode       policy.Mode
	// Sensors names those to use; empty: all.
	Sensors []string
	// GrantedCapabilities reports capability checks that were granted too, not only those refused.
	GrantedCapabilities bool
	Scope               Scope
	// RingBytes is the size of the ring that records come through, a power of two of at least a page; 0: 8 MiB.
	RingBytes uint32
	// Units is where systemd keeps its links to running units; empty: /run/systemd/units.
	Units string
	// Duration ends the run by itself; 0: it lasts until its context does or it is told to stop.
	Duration time.Duration
	Logger   *slog.Logger
}

// Daemon is one run of the guard. Make it with Open, then call Run once, then Close.
type Daemon struct {
	cfg     Config
	started time.Time
	// force is what events are judged by, and changing is held while that changes; enforcer is nil as long as nothing is
	// enforced.
	force    atomic.Pointer[inForce]
	changing sync.Mutex
	enforcer atomic.Pointer[enforcer.Enforcer]

	kernel   *kernel.Kernel
	table    *identity.Table
	pipe     *pipeline.Pipeline
	tally    *tally.Tally
	log      *audit.Log
	segments *audit.Segments
	server   *api.Server
	hub      api.Hub

	// own carries events that the guard makes outside of the reader's goroutine.
	own      chan *event.Event
	stop     chan struct{}
	stopOnce sync.Once
	counts   counts
	losses   losses
	denials  losses    // of the enforcement's own ring
	drained  time.Time // when folded records were last taken; the reader's
}

// ownQueue bounds the events that wait for the reader; makers wait when it is full, the reader never does.
const ownQueue = 1024

// Open loads and attaches everything, so that what happens from its return on is seen by Run. On an error nothing stays
// behind.
func Open(cfg Config) (d *Daemon, err error) {
	d = &Daemon{
		cfg: cfg, started: time.Now(),
		own: make(chan *event.Event, ownQueue), stop: make(chan struct{}),
		counts: newCounts(), losses: newLosses(), denials: newLosses(), drained: time.Now(),
	}
	// Before anything is opened: a policy that cannot hold is no reason to stand in another guard's way.
	image, err := compile.Compile(cfg.Policy)
	if err != nil {
		return d, err
	}
	d.force.Store(&inForce{policy: cfg.Policy, path: cfg.PolicyPath, image: image, mode: cfg.Mode})
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	// First the socket, which tells best that another guard has this place.
	if err := d.openServer(); err != nil {
		return d, err
	}
	if err := d.openRecords(); err != nil {
		return d, err
	}
	d.table = identity.New(identity.Config{})
	d.tally = tally.New(tally.Config{Units: cfg.Units, Latest: d.table.Newest})
	return d, d.openKernel()
}

// Subscribe returns a new reader of the live events; see api.Hub.
func (d *Daemon) Subscribe(buffer int) *api.Subscription { return d.hub.Subscribe(buffer) }

// SubscribeTo returns a new reader of some of the live events; see api.Hub.
func (d *Daemon) SubscribeTo(buffer int, want func(*event.Event) bool) *api.Subscription {
	return d.hub.SubscribeTo(buffer, want)
}

// Stop asks Run to end. It returns at once and may be called more than once, from any goroutine.
func (d *Daemon) Stop() { d.stopOnce.Do(func() { close(d.stop) }) }

// Run reads until ctx ends, Stop is called or the duration is over. Then it detaches, reads what is left, and accounts
// for all of it. The error is nil for each of those ends.
func (d *Daemon) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if d.cfg.Duration > 0 {
		time.AfterFunc(d.cfg.Duration, d.Stop)
	}
	context.AfterFunc(ctx, d.Stop)
	var helpers sync.WaitGroup
	helpers.Go(func() { d.table.Run(ctx) })
	helpers.Go(func() { d.tally.Run(ctx) })
	helpers.Go(func() { d.inventory(ctx) })
	helpers.Go(func() { d.followMounts(ctx) })
	if d.server != nil {
		server := d.server
		helpers.Go(func() { d.serve(server) })
	}
	d.publish(d.pipe.Own(d.guardEvent("start", "version "+d.cfg.Version)))
	err := d.read()
	cancel()
	d.hub.Close()
	err = errors.Join(err, d.closeServer())
	helpers.Wait()
	return err
}

// Close frees everything. It may be called after a failed Open and more than once.
func (d *Daemon) Close() error {
	var errs []error
	if d.kernel != nil {
		errs = append(errs, d.kernel.Close())
	}
	if e := d.enforcer.Swap(nil); e != nil {
		errs = append(errs, e.Close()) // what is pinned stays in force
	}
	errs = append(errs, d.closeServer())
	if d.segments != nil {
		errs = append(errs, d.segments.Close())
	}
	if d.log != nil {
		errs = append(errs, d.log.Close())
	}
	d.kernel, d.segments, d.log = nil, nil, nil
	return errors.Join(errs...)
}

// mode is the one in force.
func (d *Daemon) mode() policy.Mode {
	f := d.force.Load()
	return cmp.Or(f.mode, f.policy.Mode)
}

func (d *Daemon) guardEvent(action, detail string) *event.Event {
	return &event.Event{Kind: event.KindGuard, Guard: &event.Guard{Action: action, Detail: detail}}
}

// submit hands an event from another goroutine to the reader, who numbers and publishes it.
func (d *Daemon) submit(ctx context.Context, e *event.Event) {
	select {
	case d.own <- e:
	case <-ctx.Done():
	}
}

// publish counts an event and hands it to all who keep or show it. None of them makes the reader wait.
func (d *Daemon) publish(e *event.Event) {
	d.counts.add(e)
	d.tally.Add(e)
	d.segments.Append(e)
	d.log.Append(e)
	d.hub.Publish(e)
}

func (d *Daemon) judge() func(*event.Event) []event.Violation {
	return func(e *event.Event) []event.Violation {
		f := d.force.Load()
		return verdict.Judge(f.image, f.mode, e)
	}
}

func wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
