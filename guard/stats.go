package guard

import (
	"maps"
	"path"
	"sync"
	"time"
)

// Stats is what a guard has counted since it was made.
type Stats struct {
	// TotalEvents counts checks, Violations those that the policy does not allow.
	TotalEvents uint64 `json:"total_events"`
	Violations  uint64 `json:"violations"`
	// ByProcess is by the base name of the executable; names beyond the first 1,024 are counted together as "(other)".
	ByProcess map[string]Count `json:"by_process"`
	// ByType is by the type that violations have.
	ByType map[string]Count `json:"by_type"`
	// Dropped counts violations that no handler was told of, Panics the calls of handlers that panicked.
	Dropped   uint64    `json:"dropped"`
	Panics    uint64    `json:"panics"`
	StartedAt time.Time `json:"started_at"`
}

// Count is of checks, and of those that the policy does not allow.
type Count struct {
	Events     uint64 `json:"events"`
	Violations uint64 `json:"violations"`
}

const (
	maxProcesses = 1024
	otherProcess = "(other)"
)

type stats struct {
	mu        sync.Mutex
	total     Count
	byProcess map[string]Count
	byType    map[string]Count
	started   time.Time
}

func newStats(started time.Time) stats {
	return stats{byProcess: map[string]Count{}, byType: map[string]Count{}, started: started}
}

func (s *stats) add(exe, typ string, violation bool) {
	process := path.Base(exe)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.byProcess[process]; !ok && len(s.byProcess) >= maxProcesses {
		process = otherProcess
	}
	s.total = s.total.and(violation)
	s.byProcess[process] = s.byProcess[process].and(violation)
	s.byType[typ] = s.byType[typ].and(violation)
}

func (c Count) and(violation bool) Count {
	c.Events++
	if violation {
		c.Violations++
	}
	return c
}

// Stats returns the counts of this moment. They are the caller's.
func (g *Guard) Stats() Stats {
	s := &g.stats
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		TotalEvents: s.total.Events, Violations: s.total.Violations,
		ByProcess: maps.Clone(s.byProcess), ByType: maps.Clone(s.byType),
		Dropped: g.handlers.dropped.Load(), Panics: g.handlers.panics.Load(), StartedAt: s.started,
	}
}
