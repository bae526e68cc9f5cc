package fanotify

import (
	"cmp"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stockade-security/stockade/policy/compile"
)

const (
	// defaultBound is how long a task may wait unless told otherwise.
	defaultBound = 2 * time.Second
	// retiringMax bounds the groups that answer for images of before; a user may have 128 groups.
	retiringMax = 8
)

// Guard answers for the marked files. It is safe for concurrent use.
type Guard struct {
	cfg Config

	asked, denied, allowed, own, released, kept, overflows, failed atomic.Uint64

	releases chan Release
	retiring chan struct{} // holds one for each group that retires
	done     chan struct{}
	wg       sync.WaitGroup

	line *line // to the keeper

	mu     sync.Mutex
	group  *group // nil: there is nothing to guard
	groups uint64 // so many were made
	closed bool
}

// Open starts to guard what cfg.Image asks for. It needs root. Image and Identify must be there.
func Open(cfg Config) (*Guard, error) {
	if cfg.Image == nil || cfg.Identify == nil {
		return nil, errors.New("fanotify: an image and a way to identify tasks are needed")
	}
	cfg.Bound = cmp.Or(cfg.Bound, defaultBound)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	g := &Guard{cfg: cfg, releases: make(chan Release, 64), retiring: make(chan struct{}, retiringMax), done: make(chan struct{})}
	var err error
	if g.line, err = newLine(cfg.Keeper); err != nil {
		return nil, err
	}
	g.wg.Go(g.speak)
	g.wg.Go(g.listen)
	if err := g.Apply(cfg.Image); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

// Apply puts another image in the place of the present one: its marks are there before the old ones go, and while both are,
// either may deny. After an error all is as before. Of many calls in a second some wait.
func (g *Guard) Apply(img *compile.Image) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return errors.New("fanotify: the guard is closed")
	}
	var next *group
	if objects := plan(img, g.cfg.Mode); len(objects) > 0 {
		var err error
		if next, err = newGroup(g, g.groups+1, img, objects); err != nil {
			return err
		}
		g.groups++
		for name, reason := range next.marks.status().Unguarded {
			g.cfg.Log.Warn("a path cannot be guarded by fanotify", "path", name, "reason", reason)
		}
	}
	if old := g.group; old != nil {
		g.retiring <- struct{}{}
		g.wg.Go(func() {
			old.retire()
			<-g.retiring
		})
	}
	g.group = next
	return nil
}

// Status says what is being done.
func (g *Guard) Status() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	var s Status
	if g.group != nil {
		s = g.group.marks.status()
	}
	s.Keeper = g.line.keeps.Load()
	s.Asked, s.Denied, s.Allowed, s.Own = g.asked.Load(), g.denied.Load(), g.allowed.Load(), g.own.Load()
	s.Released, s.Kept, s.Overflows, s.Failed = g.released.Load(), g.kept.Load(), g.overflows.Load(), g.failed.Load()
	return s
}

// Close lets go of everything: what waits passes. It returns when no function of the configuration runs any more, and may be
// called again.
func (g *Guard) Close() error {
	if g.shut() {
		g.line.close()
		g.wg.Wait()
	}
	return nil
}

// shut ends the group, and says whether that was left to do.
func (g *Guard) shut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.closed = true
	close(g.done)
	if g.group != nil {
		g.group.retire()
		g.group = nil
	}
	return true
}

// tell never waits: the watchdog must not depend on who listens. What finds no room is in the counter all the same.
func (g *Guard) tell(r Release) {
	select {
	case g.releases <- r:
	default:
	}
}

func (g *Guard) speak() {
	for {
		select {
		case r := <-g.releases:
			if g.cfg.Released != nil {
				g.cfg.Released(r)
			}
		case <-g.done:
			return
		}
	}
}

// listen waits for word that the keeper had to let go, and marks everything again.
func (g *Guard) listen() {
	for {
		id, n, err := g.line.hear()
		if err != nil {
			if g.line.conn != nil && !g.ending() {
				g.cfg.Log.Error("the keeper of fanotify has ended: if this process stands still, so does who opens a marked file", "error", err)
			}
			return
		}
		g.kept.Add(n)
		g.mu.Lock()
		if g.group != nil && g.group.id == id {
			g.group.marks.restore()
		}
		g.mu.Unlock()
		g.tell(Release{Time: time.Now(), Opens: n, By: ByKeeper})
	}
}

func (g *Guard) ending() bool {
	select {
	case <-g.done:
		return true
	default:
		return false
	}
}

// status is what a group's marks say.
func (m *marks) status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Status{Unguarded: maps.Clone(m.refused)}
	count := func(here bool) {
		if s.Objects++; !here {
			s.Objects--
			s.Missing++
		}
	}
	for _, d := range m.dirs {
		if d.children {
			count(d.here)
		}
		for _, f := range d.files {
			count(f.here)
		}
	}
	return s
}
