package posture

import (
	"context"
	"time"

	"github.com/stockade-security/stockade/event"
)

// DefaultInterval is how often Watch looks when the caller has no opinion.
const DefaultInterval = 10 * time.Second

// Watch compares kernel, LSM, sysctl, module and BPF program facts with those in before (an Inventory) every interval,
// and calls emit for each that differs, in inventory order, those that have gone last. Previous is always set; a fact that is new has
// Previous Absent, one that has gone has Value Absent. What comes and goes between two looks is not seen.
// It returns when ctx ends. emit runs on the caller's goroutine. An interval of 0 or less means DefaultInterval.
func (r *Reader) Watch(ctx context.Context, before []event.Posture, interval time.Duration, emit func(event.Posture)) {
	if interval <= 0 {
		interval = DefaultInterval
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var changes []event.Posture
		changes, before = diff(before, r.cheap())
		for _, c := range changes {
			emit(c)
		}
	}
}

type key struct{ subject, name string }

// diff returns what changed from before to now, and the state to compare with next time.
// Of facts with the same subject and name the first counts. Processes and sockets are not compared. A subject whose list is not complete loses no facts: they may only have been left out.
func diff(before, now []event.Posture) (changes, next []event.Posture) {
	old := make(map[key]string, len(before))
	for _, f := range before {
		if _, ok := old[key{f.Subject, f.Name}]; !ok {
			old[key{f.Subject, f.Name}] = f.Value
		}
	}
	seen := make(map[key]bool, len(now))
	partial := map[string]bool{}
	for _, f := range now {
		k := key{f.Subject, f.Name}
		if seen[k] {
			continue
		}
		seen[k] = true
		partial[f.Subject] = partial[f.Subject] || f.Name == ListName
		previous, ok := old[k]
		if !ok {
			previous = Absent
		}
		if previous != f.Value {
			f.Previous = previous
			changes = append(changes, f)
			f.Previous = ""
		}
		next = append(next, f)
	}
	for _, f := range before {
		switch {
		case f.Subject == "process" || f.Subject == "socket" || seen[key{f.Subject, f.Name}]:
		case partial[f.Subject]:
			next = append(next, f)
		default:
			changes = append(changes, event.Posture{Subject: f.Subject, Name: f.Name, Value: Absent, Previous: f.Value})
		}
	}
	return changes, next
}
