package audit

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stockade-security/stockade/event"
)

// ledger counts what was lost by cause, and remembers which part of it has not been recorded yet.
type ledger struct {
	now func() time.Time

	mu     sync.Mutex
	causes map[string]*account
}

type account struct {
	first  time.Time
	last   time.Time
	total  uint64
	opened time.Time
	owed   uint64
}

func newLedger(now func() time.Time) *ledger {
	return &ledger{now: now, causes: make(map[string]*account)}
}

func (l *ledger) add(cause string, n int) {
	if n <= 0 {
		return
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.causes[cause]
	if a == nil {
		a = &account{first: now}
		l.causes[cause] = a
	}
	if a.owed == 0 {
		a.opened = now
	}
	a.last = now
	a.total += uint64(n)
	a.owed += uint64(n)
}

// settle returns what was lost since the last call, one for each cause.
func (l *ledger) settle() []event.Loss {
	return l.collect(func(cause string, a *account) event.Loss {
		loss := event.Loss{Cause: cause, Records: a.owed, From: a.opened, To: a.last, Total: a.total}
		a.owed = 0
		return loss
	})
}

// totals returns what was lost since the start, one for each cause.
func (l *ledger) totals() []event.Loss {
	return l.collect(func(cause string, a *account) event.Loss {
		return event.Loss{Cause: cause, Records: a.total, From: a.first, To: a.last, Total: a.total}
	})
}

func (l *ledger) collect(view func(string, *account) event.Loss) []event.Loss {
	l.mu.Lock()
	defer l.mu.Unlock()
	var losses []event.Loss
	for cause, a := range l.causes {
		if loss := view(cause, a); loss.Records > 0 {
			losses = append(losses, loss)
		}
	}
	slices.SortFunc(losses, func(a, b event.Loss) int { return strings.Compare(a.Cause, b.Cause) })
	return losses
}
