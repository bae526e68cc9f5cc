package poller

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/stockade-security/stockade/event"
)

// maxArgvBytes bounds the arguments that are kept of a process.
const maxArgvBytes = 4096

// forks says whether a process of this system may begin as a copy of its parent.
const forks = runtime.GOOS != "windows"

// compare makes the events of a look, and remembers it.
func (p *Poller) compare(ctx context.Context, samples []Sample, now time.Time) []*event.Event {
	next := make(map[int]*event.Process, len(samples))
	var fresh []Sample
	for _, s := range samples {
		if before := p.known[s.PID]; before != nil && sameProcess(before, s) && (s.Exe == "" || s.Exe == before.Exe) {
			next[s.PID] = before
		} else {
			fresh = append(fresh, s)
		}
	}
	// Parents first, so that their children find them.
	slices.SortFunc(fresh, func(a, b Sample) int { return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.PID, b.PID)) })
	var events []*event.Event
	for _, s := range fresh {
		if e := p.appear(ctx, s, next, now); p.known != nil {
			events = append(events, e)
		}
	}
	for pid, before := range p.known {
		switch after := next[pid]; {
		case after == nil:
			events = append(events, exit(before, now))
		case !after.Started.Equal(before.Started): // another one has the pid by now
			events = append(events, exit(before, p.within(after.Started, now)))
		}
	}
	slices.SortStableFunc(events, func(a, b *event.Event) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(rank(a.Kind), rank(b.Kind)), cmp.Compare(a.Process.PID, b.Process.PID))
	})
	p.known = next
	return events
}

// sameProcess says whether a sample is of a process that is known. Where a start time cannot be read, as when the process
// is about to end, the pid decides.
func sameProcess(known *event.Process, s Sample) bool {
	return s.Started.IsZero() || s.Started.Equal(known.Started)
}

// rank puts the end of a process before the start of the one that gets its pid at the same moment.
func rank(k event.Kind) int {
	if k == event.KindExit {
		return 0
	}
	return 1
}

// appear adds a process that is new or runs another program to next, and returns the event for it.
func (p *Poller) appear(ctx context.Context, s Sample, next map[int]*event.Process, now time.Time) *event.Event {
	before := p.known[s.PID]
	replaced := before != nil && sameProcess(before, s)
	if replaced {
		s.Started = before.Started
	}
	d := p.cfg.Lister.Describe(ctx, s)
	proc := p.process(s, d, next)
	next[s.PID] = proc
	e := &event.Event{Kind: event.KindExec, Evidence: event.EvidencePoller, Process: proc, Time: p.within(s.Started, now)}
	if replaced {
		proc.Existing = before.Existing
		e.Time = now
		e.Exec = &event.Exec{File: event.File{Path: s.Exe}, Caller: before.Exe}
		return e
	}
	proc.Existing = p.known == nil
	if parent := next[d.Parent]; forks && len(proc.Parents) > 0 && isCopy(proc, parent) {
		e.Kind, e.Process = event.KindFork, parent
		e.Fork = &event.Fork{Child: proc.Ref, Parent: parent.Ref}
		return e
	}
	e.Exec = &event.Exec{File: event.File{Path: s.Exe}}
	return e
}

// isCopy says whether a new process still looks as its parent: it was forked, and has started no program of its own.
func isCopy(proc, parent *event.Process) bool {
	return proc.Exe != "" && proc.Exe == parent.Exe && slices.Equal(proc.Argv, parent.Argv)
}

func (p *Poller) process(s Sample, d Details, next map[int]*event.Process) *event.Process {
	argv, truncated := bound(d.Argv)
	proc := &event.Process{
		Ref:  event.Ref{PID: s.PID, Name: d.Name, Exe: s.Exe},
		Argv: p.cfg.Redact(argv), ArgvTruncated: truncated,
		UID: d.UID, GID: d.GID, EUID: d.EUID, EGID: d.EGID, User: d.User,
		Started: s.Started,
	}
	if since := s.Started.Sub(p.cfg.Boot); !s.Started.IsZero() && since > 0 {
		proc.StartNS = uint64(since)
	}
	// Windows keeps the pid of a parent that is gone, and somebody younger may have it.
	if parent := next[d.Parent]; d.Parent != s.PID && parent != nil && !parent.Started.After(s.Started) {
		proc.Parents = append([]event.Ref{parent.Ref}, parent.Parents[:min(len(parent.Parents), event.MaxParents-1)]...)
	}
	return proc
}

// bound cuts arguments to maxArgvBytes.
func bound(argv []string) (_ []string, truncated bool) {
	left := maxArgvBytes
	for i, arg := range argv {
		if left -= len(arg); left < 0 {
			cut := append(slices.Clone(argv[:i]), arg[:len(arg)+left])
			return cut, true
		}
	}
	return argv, false
}

// within returns when something happened that must have been between the look before and this one.
func (p *Poller) within(at, now time.Time) time.Time {
	switch {
	case at.After(now), at.IsZero():
		return now
	case at.Before(p.last):
		return p.last
	}
	return at
}

func exit(proc *event.Process, at time.Time) *event.Event {
	x := &event.Exit{Code: -1}
	if life := at.Sub(proc.Started); !proc.Started.IsZero() && life > 0 {
		x.DurationNS = uint64(life)
	}
	return &event.Event{Kind: event.KindExit, Evidence: event.EvidencePoller, Process: proc, Time: at, Exit: x}
}
