//go:build linux

package daemon_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/audit"
	"github.com/stockade-security/stockade/internal/daemon"
)

// TestForcedLossesAreAccountedFor opens a file faster than a small ring can be emptied. Whatever was made must have been
// delivered or counted, and the losses must stand in the audit log with their spans, up to the last record.
func TestForcedLossesAreAccountedFor(t *testing.T) {
	root(t)
	cfg := config(t)
	cfg.Sensors, cfg.RingBytes = []string{"file"}, 64<<10
	cfg.Scope.PIDs = []int{os.Getpid()}
	d, stop := start(t, cfg)
	name := filepath.Join(t.TempDir(), "forced")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	opens := 0
	for range 3 { // so that there are several spans
		opens += overrun(t, d, name)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s := d.Status()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	logged := lossesIn(t, logOf(t, cfg))
	lost := uint64(0)
	for _, cause := range []string{"ring_full", "scratch_busy", "state_full"} {
		lost += s.Lost[cause]
		if logged[cause] != s.Lost[cause] {
			t.Errorf("%s: %d records lost, the log says %d", cause, s.Lost[cause], logged[cause])
		}
	}
	if lost == 0 || s.Produced != s.Delivered+lost {
		t.Errorf("produced %d, delivered %d, lost %v", s.Produced, s.Delivered, s.Lost)
	}
	seen := 0
	if _, err := audit.Scan(filepath.Join(cfg.Paths.State, "segments"), nil, func(e *event.Event) error {
		if e.Kind == event.KindFileOpen && e.File.Path == name {
			seen++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	all := uint64(seen)
	for _, n := range s.Lost { // by segments too, if they could not keep up
		all += n
	}
	if seen == 0 || seen >= opens || all < uint64(opens) {
		t.Errorf("of %d opens %d were seen, and lost %v", opens, seen, s.Lost)
	}
}

// overrun opens a file until the guard tells of more losses, and returns how often.
func overrun(t *testing.T, d *daemon.Daemon, name string) (opens int) {
	t.Helper()
	const atOnce, each = 4, 1000
	before := d.Status().Lost["ring_full"]
	for deadline := time.Now().Add(20 * time.Second); d.Status().Lost["ring_full"] == before; opens += atOnce * each {
		if time.Now().After(deadline) {
			t.Fatal("the ring did not overflow, or nobody says so")
		}
		var all sync.WaitGroup
		for range atOnce {
			all.Go(func() {
				for range each {
					f, err := os.Open(name)
					if err := errors.Join(err, f.Close()); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
	}
	return opens
}

// lossesIn adds up the losses in a log by cause. Their totals must agree, and no two spans of a cause may overlap.
func lossesIn(t *testing.T, records []audit.Record) map[string]uint64 {
	t.Helper()
	sums, until := map[string]uint64{}, map[string]time.Time{}
	for _, r := range records {
		if r.Event.Kind != event.KindLoss {
			continue
		}
		l := r.Event.Loss
		sums[l.Cause] += l.Records
		if l.Records == 0 || l.Total != sums[l.Cause] {
			t.Errorf("a loss of %d records makes %d, not %d", l.Records, sums[l.Cause], l.Total)
		}
		if l.From.Before(until[l.Cause]) || !l.From.Before(l.To) || r.Event.Time.Before(l.To) {
			t.Errorf("%s: from %v to %v, told at %v, after one until %v", l.Cause, l.From, l.To, r.Event.Time, until[l.Cause])
		}
		until[l.Cause] = l.To
	}
	return sums
}
