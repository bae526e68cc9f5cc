package identity

import (
	"hash/maphash"
	"strings"
	"time"
	"unsafe"

	"github.com/stockade-security/stockade/event"
)

// tickNS is the unit of /proc's start times: USER_HZ is 100 on every architecture that Go runs on.
const tickNS = 10_000_000

// entryBytes is what a process costs besides shared parts: the entry, its current version, its namespaces, its comm,
// its login id and its share of the map at average load.
const entryBytes = int64(unsafe.Sizeof(entry{})+unsafe.Sizeof(event.Process{})+unsafe.Sizeof(event.Namespaces{})) + 16 + 4 + 48

// charge is the accounting of a part that several processes share: it counts once, while anyone holds it.
type charge struct {
	refs  int
	bytes int64
}

func (t *Table) hold(c *charge) {
	if c.refs == 0 {
		t.bytes += c.bytes
	}
	c.refs++
}

func (t *Table) release(c *charge) {
	c.refs--
	if c.refs == 0 {
		t.bytes -= c.bytes
	}
}

// recharge changes the size of a part, held or not.
func (t *Table) recharge(c *charge, bytes int64) {
	if c.refs > 0 {
		t.bytes += bytes - c.bytes
	}
	c.bytes = bytes
}

// image is what an exec made: shared by the children that a process forks until they exec themselves.
type image struct {
	charge
	version uint32
	sha256  string
}

func (t *Table) setImage(e *entry, img *image) {
	if img != nil {
		t.hold(&img.charge)
	}
	if e.img != nil {
		t.release(&e.img.charge)
	}
	e.img = img
}

// find returns the entry of a process by its exact start time; 0 means the youngest of that pid.
func (t *Table) find(pid int, start uint64) *entry {
	for e := t.byPID[pid]; e != nil; e = e.older {
		if e.start == start && e.exact || start == 0 {
			return e
		}
	}
	return nil
}

// findTick returns the entry whose start lies closest to that of start's clock tick, at most one tick off: the two
// clocks are rounded in different places. With inexactOnly only entries that /proc made count.
func (t *Table) findTick(pid int, start uint64, inexactOnly bool) *entry {
	var best *entry
	bestOff := int64(2)
	for e := t.byPID[pid]; e != nil; e = e.older {
		if e.exact && inexactOnly {
			continue
		}
		off := int64(e.start/tickNS) - int64(start/tickNS)
		if off = max(off, -off); off < bestOff {
			best, bestOff = e, off
		}
	}
	return best
}

// claim returns the entry of an exact process, giving an entry from /proc its exact start time.
func (t *Table) claim(pid int, start uint64) *entry {
	if e := t.find(pid, start); e != nil {
		return e
	}
	e := t.findTick(pid, start, true)
	if e == nil {
		return nil
	}
	old := e.proc.Ref
	e.start, e.exact = start, true
	p := *e.proc
	p.StartNS, p.Started = start, t.started(start)
	e.proc = &p
	t.reline(e, old)
	return e
}

func (t *Table) started(start uint64) time.Time {
	if t.cfg.Boot.IsZero() || start == 0 {
		return time.Time{}
	}
	return t.cfg.Boot.Add(time.Duration(start)).UTC()
}

// insert adds a process about which only p is known. Whatever else has the pid and started earlier must have exited.
func (t *Table) insert(p event.Process, exact bool) *entry {
	e := &entry{pid: p.PID, start: p.StartNS, exact: exact, proc: &p}
	p.Started = t.started(p.StartNS)
	p.Existing = p.StartNS < t.cfg.SinceNS
	at, younger := t.byPID[e.pid], (*entry)(nil)
	for at != nil && at.start > e.start {
		at, younger = at.older, at
	}
	e.older = at
	if younger == nil {
		t.byPID[e.pid] = e
	} else {
		younger.older = e
	}
	t.bytes += entryBytes
	t.live.push(e)
	if younger != nil {
		t.markExited(e)
	}
	if at != nil {
		t.markExited(at)
	}
	return e
}

func (t *Table) markExited(e *entry) {
	if e.exited {
		return
	}
	e.exited, e.exitNS = true, t.nowNS
	t.leaveParent(e)
	t.retire(e)
}

// retire moves an exited process without live children to those that wait for their end.
func (t *Table) retire(e *entry) {
	if e.exited && e.kids == 0 && !e.gone && e.list != &t.exited {
		e.exitNS = max(e.exitNS, t.nowNS)
		e.unlist()
		t.exited.push(e)
	}
}

func (t *Table) leaveParent(e *entry) {
	if p := e.parent; p != nil {
		e.parent = nil
		p.kids--
		t.retire(p)
	}
}

func (t *Table) remove(e *entry) {
	head := t.byPID[e.pid]
	if head == e {
		if e.older == nil {
			delete(t.byPID, e.pid)
		} else {
			t.byPID[e.pid] = e.older
		}
	} else {
		for head.older != e {
			head = head.older
		}
		head.older = e.older
	}
	e.gone = true
	e.unlist()
	t.leaveParent(e)
	t.setImage(e, nil)
	t.setLine(&e.line, nil)
	t.setLine(&e.asParent, nil)
	t.setCgroup(e, nil)
	t.bytes -= entryBytes
	e.proc, e.older = nil, nil
}

// settle drops what has been exited for long enough, and keeps the table within its bytes: exited processes go
// first, oldest first; then those that no record has named for longest, with a second chance for those looked up.
func (t *Table) settle(nowNS uint64) {
	t.nowNS = max(t.nowNS, nowNS)
	grace := uint64(t.cfg.ExitGrace)
	for e := t.exited.head; e != nil && (t.exited.n > t.cfg.MaxExited || e.exitNS+grace < t.nowNS); e = t.exited.head {
		t.remove(e)
	}
	for t.bytes > t.cfg.MaxBytes && t.exited.n > 0 {
		t.remove(t.exited.head)
		t.stats.EvictedExited++
	}
	for t.bytes > t.cfg.MaxBytes && t.live.n > 0 {
		e := t.live.head
		if e.touched.Swap(false) && t.live.n > 1 {
			e.unlist()
			t.live.push(e)
			continue
		}
		t.remove(e)
		t.stats.EvictedLive++
	}
}

// interner shares equal strings in a direct-mapped cache. What it returns never points into the caller's memory,
// so that a short string cannot keep a long buffer alive.
type interner struct {
	seed  maphash.Seed
	slots []string
	bytes int64
}

const (
	internSlots  = 4096
	internLength = 256
)

func newInterner() interner {
	return interner{maphash.MakeSeed(), make([]string, internSlots), internSlots * int64(unsafe.Sizeof(""))}
}

func (i *interner) intern(s string) string {
	if s == "" || len(s) > internLength {
		return strings.Clone(s)
	}
	slot := &i.slots[maphash.String(i.seed, s)%internSlots]
	if *slot != s {
		i.bytes += int64(len(s) - len(*slot))
		*slot = strings.Clone(s)
	}
	return *slot
}

// intern charges what the cache itself keeps to the table.
func (t *Table) intern(s string) string {
	before := t.strings.bytes
	s = t.strings.intern(s)
	t.bytes += t.strings.bytes - before
	return s
}
