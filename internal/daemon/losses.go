//go:build linux

package daemon

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
)

// losses compares the programs' counters with what was read.
type losses struct {
	// delivered is the reader's own count.
	delivered uint64

	mu    sync.Mutex
	last  kernel.Accounts
	since time.Time
	read  uint64
}

func newLosses() losses {
	return losses{last: kernel.Accounts{Lost: map[string]uint64{}}, since: time.Now()}
}

// update returns a loss for each cause that has grown since the last call.
func (l *losses) update(a kernel.Accounts, now time.Time) []event.Loss {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []event.Loss
	for _, cause := range slices.Sorted(maps.Keys(a.Lost)) {
		if n := a.Lost[cause] - l.last.Lost[cause]; n > 0 {
			out = append(out, event.Loss{Cause: cause, Records: n, From: l.since, To: now, Total: a.Lost[cause]})
		}
	}
	l.last, l.since, l.read = a, now, l.delivered
	return out
}

// account returns the latest counters, with the records read when they were taken.
func (l *losses) account() (a kernel.Accounts, read uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return kernel.Accounts{Produced: l.last.Produced, Lost: maps.Clone(l.last.Lost)}, l.read
}
