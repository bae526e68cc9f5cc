package tally

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stockade-security/stockade/event"
)

const (
	// queued bounds the executions to look at, waitingMax the cgroups whose name is not known yet.
	queued, waitingMax = 4096, 1024
	// retryEvery and maxTries give the process table a second to find out to which unit a process belongs.
	retryEvery, maxTries = 25 * time.Millisecond, 40
)

// linkPrefix is what systemd puts before a unit's name, for the link to its invocation's id (unit_export_invocation_id).
// The link is there before the unit's first program is executed, and goes when the unit stops.
const linkPrefix = "invocation:"

// units knows the invocation of each service. Every start of a unit is a new invocation; see systemd.exec(5).
type units struct {
	dir       string
	max       int
	latest    func(*event.Process) *event.Process
	queue     chan *event.Event
	unchecked atomic.Uint64

	mu      sync.Mutex
	known   map[string]*unit
	waiting map[uint64]waiting // by cgroup
	ready   []*event.Event
}

type unit struct {
	invocation string
	restarts   uint64
}

// waiting is the first exec in a cgroup whose name is not known yet.
type waiting struct {
	exec  *event.Event
	tries int
}

// add queues the exec of a process in a service, or in a cgroup without a name so far: that of a service just started.
func (u *units) add(e *event.Event) {
	p := e.Process
	if unnamed := p.Cgroup == "" && p.CgroupID != 0; !unnamed && !hostService(p) {
		return
	}
	select {
	case u.queue <- e:
	default:
		u.unchecked.Add(1)
	}
}

// hostService says whether a process belongs to a service of the host's own systemd, not of one that itself runs in a
// unit: a user's manager, a container's or a machine's.
func hostService(p *event.Process) bool {
	if p.Container != nil || !strings.HasSuffix(p.Unit, ".service") {
		return false
	}
	above, _, found := strings.Cut(p.Cgroup, "/"+p.Unit)
	above += "/"
	return found && !strings.Contains(above, ".service/") && !strings.Contains(above, ".scope/")
}

func (u *units) run(ctx context.Context) {
	u.prime()
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-u.queue:
			u.look(waiting{exec: e})
		case <-retry:
			retry = nil
			u.again()
		}
		if retry == nil && u.waits() {
			retry = time.After(retryEvery)
		}
	}
}

// prime remembers the services that run already, so that the first restart of each is seen.
func (u *units) prime() {
	entries, err := os.ReadDir(u.dir)
	if err != nil {
		return // no systemd here: then no process has a unit either
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, entry := range entries {
		if name, ok := strings.CutPrefix(entry.Name(), linkPrefix); ok && strings.HasSuffix(name, ".service") && len(u.known) < u.max {
			u.compare(name)
		}
	}
}

func (u *units) look(w waiting) {
	p := u.latest(w.exec.Process)
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case p.Cgroup != "":
		if hostService(p) && u.compare(p.Unit) {
			u.ready = append(u.ready, &event.Event{
				Kind: event.KindUnitRestart, Time: w.exec.Time, Evidence: w.exec.Evidence, Process: p,
				Volume: &event.Volume{Unit: p.Unit, Total: u.known[p.Unit].restarts},
			})
		}
	case u.waiting[p.CgroupID].exec != nil: // its service is being asked for
	case w.tries >= maxTries || len(u.waiting) >= waitingMax:
		u.unchecked.Add(1)
	default:
		u.waiting[p.CgroupID] = waiting{w.exec, w.tries + 1}
	}
}

// compare reads the id of a unit's invocation, and says whether it is another than before.
func (u *units) compare(name string) (restarted bool) {
	invocation, err := os.Readlink(filepath.Join(u.dir, linkPrefix+name))
	if err != nil || invocation == "" {
		return false // it has stopped meanwhile
	}
	known := u.known[name]
	switch {
	case known == nil && len(u.known) >= u.max && !u.forget():
		u.unchecked.Add(1)
	case known == nil:
		u.known[name] = &unit{invocation: invocation}
	case known.invocation != invocation:
		known.invocation = invocation
		known.restarts++
		return true
	}
	return false
}

// forget makes room by dropping the services that have stopped, and says whether that helped.
func (u *units) forget() bool {
	maps.DeleteFunc(u.known, func(name string, _ *unit) bool {
		_, err := os.Lstat(filepath.Join(u.dir, linkPrefix+name))
		return err != nil
	})
	return len(u.known) < u.max
}

// again looks once more at every exec that waits.
func (u *units) again() {
	u.mu.Lock()
	list := u.waiting
	u.waiting = map[uint64]waiting{}
	u.mu.Unlock()
	for _, w := range list {
		u.look(w)
	}
}

func (u *units) waits() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.waiting) > 0
}

// finish looks at all that has not been looked at, for the last time.
func (u *units) finish() {
	for {
		select {
		case e := <-u.queue:
			u.look(waiting{exec: e})
			continue
		default:
		}
		u.again()
		return
	}
}

// take returns the restarts found since the last call.
func (u *units) take() []*event.Event {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := u.ready
	u.ready = nil
	return out
}
