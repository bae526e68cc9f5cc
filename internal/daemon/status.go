//go:build linux

package daemon

import (
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/api"
	"github.com/stockade-security/stockade/internal/identity"
	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/internal/sensor/system"
)

// counts is what has been published.
type counts struct {
	mu         sync.Mutex
	byKind     map[event.Kind]uint64
	bySeverity map[event.Severity]uint64
	wouldDeny  uint64
}

func newCounts() counts {
	return counts{byKind: map[event.Kind]uint64{}, bySeverity: map[event.Severity]uint64{}}
}

func (c *counts) add(e *event.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byKind[e.Kind]++
	for i := range e.Violations {
		c.bySeverity[e.Violations[i].Severity]++
		if e.Violations[i].WouldDeny {
			c.wouldDeny++
		}
	}
}

// Status is the guard's state at this moment; safe from any goroutine until Close.
func (d *Daemon) Status() api.Status {
	s := api.Status{
		Version: d.cfg.Version, Instance: d.cfg.Instance, PID: os.Getpid(), StartedAt: d.started,
		Mode:        string(d.mode()),
		Policy:      api.Policy{Path: d.force.Load().path, Digest: d.force.Load().policy.Digest()},
		Enforcement: d.enforcement(),
		Streams:     d.hub.Streams(),
	}
	d.counts.mu.Lock()
	s.Events, s.Violations.BySeverity = maps.Clone(d.counts.byKind), maps.Clone(d.counts.bySeverity)
	s.Violations.WouldDeny = d.counts.wouldDeny
	d.counts.mu.Unlock()

	a, read := d.losses.account()
	s.Produced, s.Delivered, s.Lost = a.Produced, read, a.Lost
	a, read = d.denials.account()
	s.Produced, s.Delivered = s.Produced+a.Produced, s.Delivered+read
	maps.Copy(s.Lost, a.Lost)
	for _, l := range slices.Concat(d.log.Losses(), d.segments.Losses()) {
		s.Lost[l.Cause] += l.Records
	}
	s.Gaps = gaps(d.table.Stats(), d.tally.Unchecked())
	s.Sensors = rungs(d.kernel.Attached())
	s.CPUSeconds, s.RSSBytes = usage()
	s.KernelMapBytes = d.kernel.MapBytes()
	return s
}

// gaps names the counts of what could not be found out; those that are zero are left out.
func gaps(t identity.Stats, unchecked uint64) map[string]uint64 {
	all := map[string]uint64{
		"processes_forgotten": t.EvictedExited + t.EvictedLive,
		"processes_unknown":   t.FillFailed + t.FillDropped,
		"cgroups_unknown":     t.CgroupFailed + t.CgroupDropped,
		"containers_unknown":  t.RuntimeFailed + t.RuntimeDropped,
		"digests_missing":     t.HashFailed + t.HashDropped,
		"restarts_unchecked":  unchecked,
	}
	maps.DeleteFunc(all, func(_ string, n uint64) bool { return n == 0 })
	return all
}

// rungs sums up each sensor's hooks: its best evidence, and what is missing.
func rungs(attached []kernel.Attached) []api.Sensor {
	var out []api.Sensor
	for _, sensor := range sensors(system.Options{}) {
		s := api.Sensor{Name: sensor.Name}
		if sensor.OnRequest {
			s.Note = "only with --sensors " + sensor.Name
		}
		for _, a := range attached {
			if a.Sensor != sensor.Name {
				continue
			}
			if a.Missing != "" {
				s.Note = a.Target + ": " + a.Missing
				continue
			}
			s.Evidence = better(s.Evidence, a.Evidence())
		}
		out = append(out, s)
	}
	return out
}

// better returns the one of two kinds of evidence that says more about a sensor's rung.
func better(a, b event.Evidence) event.Evidence {
	order := []event.Evidence{"", event.EvidenceCgroup, event.EvidenceTracepoint, event.EvidenceDescriptor, event.EvidenceTrampoline, event.EvidenceLSM}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}
