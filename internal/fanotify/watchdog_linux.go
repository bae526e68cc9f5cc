package fanotify

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// refreshEvery is how often objects are looked for whose marks no event has asked for.
	refreshEvery = time.Second
	// linger is how long a group goes on to answer after its marks are gone.
	linger = time.Second
)

// watch releases what waits too long, and tells the keeper as long as the reader moves. It needs nothing of the other
// goroutines but the lock that they hold for a write.
func (g *group) watch() {
	bound := g.guard.cfg.Bound
	tick := time.NewTicker(bound / 8)
	defer tick.Stop()
	for {
		select {
		case <-g.end:
			return
		case now := <-tick.C:
			if n := g.release(now.Add(-bound)); n > 0 {
				g.guard.tell(Release{Time: now, Opens: n, By: ByWatchdog})
			}
			if g.moves(now) {
				_ = g.guard.line.say(sayBeat, g.id, nil) // the keeper takes silence for what it is
			}
		}
	}
}

// moves says whether the reader goes on: within Bound it has either read something, or found nothing to read. It may stand in
// the kernel too, where a file is opened for it whose server does not answer.
func (g *group) moves(now time.Time) bool {
	pending, err := unix.IoctlGetInt(g.marks.group, unix.TIOCINQ) // FIONREAD
	if err != nil || pending == 0 && g.idle.Load() {
		g.moved.Store(now.UnixNano())
	}
	return now.UnixNano()-g.moved.Load() < int64(g.guard.cfg.Bound)
}

// release lets through what has waited since before a time.
func (g *group) release(before time.Time) (n uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for q := range g.waiting {
		if q.since.After(before) {
			continue
		}
		if q.taken {
			q.released = true
			g.stuck++
		}
		if g.reply(q, unix.FAN_ALLOW, &g.guard.released) {
			n++
		}
	}
	if g.stuck == workers {
		g.drain()
	}
	return n
}

// drain takes out of the queue what nobody will take: the reader may be waiting for room in it.
func (g *group) drain() {
	for {
		select {
		case q, open := <-g.queue:
			if !open {
				return
			}
			g.reply(q, unix.FAN_ALLOW, &g.guard.released)
		default:
			return
		}
	}
}

func (g *group) refresh() {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		select {
		case <-g.end:
			return
		case <-tick.C:
			g.marks.refresh(true)
		}
	}
}
