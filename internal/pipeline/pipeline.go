//go:build linux

// Package pipeline is the way of an event from a kernel record to a judged event: decode, identify, judge, number. It
// touches no files and starts nothing; what goes in and where events go is internal/daemon's.
package pipeline

import (
	"fmt"
	"strconv"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/identity"
	"github.com/stockade-security/stockade/internal/kernel"
)

// Config says what a Pipeline is made of. All of it is required.
type Config struct {
	// Decode fills an event's detail from a record.
	Decode func(*kernel.Record, *event.Event) error
	// Table is told of every task and names who did what.
	Table *identity.Table
	// Judge says what the policy has against an event; it may be changed with SetJudge.
	Judge func(*event.Event) []event.Violation
	// Boot is the wall clock at the kernel's time 0.
	Boot time.Time
	// Run makes ids unique: it must differ between boots and between runs of the guard.
	Run string
}

// Pipeline turns records into events. It is used by one goroutine.
type Pipeline struct {
	cfg Config
	seq uint64
}

// New returns a Pipeline.
func New(cfg Config) *Pipeline { return &Pipeline{cfg: cfg} }

// SetJudge replaces the policy from the next event on.
func (p *Pipeline) SetJudge(judge func(*event.Event) []event.Violation) { p.cfg.Judge = judge }

// SetBoot corrects the wall clock, which may have been set since.
func (p *Pipeline) SetBoot(boot time.Time) { p.cfg.Boot = boot }

// Record is the whole way of one kernel record. The event keeps nothing of the record's memory.
func (p *Pipeline) Record(r *kernel.Record) (*event.Event, error) {
	e := &event.Event{Kind: r.Kind, Evidence: r.Evidence, Errno: r.Errno, Time: p.wall(r.TimeNS)}
	if err := p.cfg.Decode(r, e); err != nil {
		return nil, fmt.Errorf("decode a record of kind %s: %w", r.Kind, err)
	}
	if err := p.identify(r, e); err != nil {
		return nil, err
	}
	return p.Own(e), nil
}

// Denial is the way of a record of what the kernel has refused. decode fills the event's detail, and returns what adds the
// violation once it is known who did it: the kernel has judged, so nobody judges again.
func (p *Pipeline) Denial(r *kernel.Record, decode func(*kernel.Record, *event.Event) (accuse func(), err error)) (*event.Event, error) {
	e := &event.Event{Kind: r.Kind, Evidence: r.Evidence, Errno: r.Errno, Time: p.wall(r.TimeNS)}
	accuse, err := decode(r, e)
	if err != nil {
		return nil, fmt.Errorf("decode the denial of a %s: %w", r.Kind, err)
	}
	e.Process = p.cfg.Table.Lookup(taskOf(r))
	if e.Exec != nil { // it did not come about: the process runs what it ran before
		e.Exec.Caller = e.Process.Exe
	}
	p.reach(e)
	accuse()
	return p.number(e), nil
}

// Own judges and numbers an event that was not made from one record: a volume, a posture fact, the guard's own acts.
// A zero Time is filled in, and so are Evidence and the id.
func (p *Pipeline) Own(e *event.Event) *event.Event {
	p.number(e)
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if e.Evidence == "" {
		e.Evidence = event.EvidenceGuard
	}
	if e.Process != nil {
		e.Violations = p.cfg.Judge(e)
	}
	return e
}

func (p *Pipeline) number(e *event.Event) *event.Event {
	p.seq++
	e.Seq = p.seq
	e.ID = string(strconv.AppendUint(append([]byte(p.cfg.Run), '-'), p.seq, 10))
	return e
}

// Seq is the number of the latest event.
func (p *Pipeline) Seq() uint64 { return p.seq }

func (p *Pipeline) wall(ns uint64) time.Time { return p.cfg.Boot.Add(time.Duration(ns)) }
