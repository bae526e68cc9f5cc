package identity

import (
	"unsafe"

	"github.com/stockade-security/stockade/event"
)

// line is a process and its forebears, nearest first, as they were when it forked. Its children share it.
type line struct {
	charge
	refs []event.Ref
}

func newLine(self event.Ref, up *line) *line {
	n := 1
	if up != nil {
		n = min(1+len(up.refs), event.MaxParents)
	}
	l := &line{refs: append(make([]event.Ref, 0, n), self)}
	if up != nil {
		l.refs = append(l.refs, up.refs[:n-1]...)
	}
	// The strings belong to the processes' images, which may go first: they count here as well.
	l.bytes = int64(unsafe.Sizeof(*l)) + int64(cap(l.refs))*int64(unsafe.Sizeof(self))
	for _, r := range l.refs {
		l.bytes += int64(len(r.Name) + len(r.Exe))
	}
	return l
}

func (t *Table) setLine(at **line, l *line) {
	if l != nil {
		t.hold(&l.charge)
	}
	if *at != nil {
		t.release(&(*at).charge)
	}
	*at = l
}

// adopt makes parent the parent of e and shows it in e's current version.
func (t *Table) adopt(parent, e *entry) {
	if e.has&hasParent != 0 || parent == e || parent.start > e.start+tickNS {
		return
	}
	e.has |= hasParent
	if parent.asParent == nil {
		t.setLine(&parent.asParent, newLine(parent.proc.Ref, parent.line))
	}
	t.setLine(&e.line, parent.asParent)
	p := *e.proc
	p.Parents = e.line.refs
	old := e.proc.Ref
	e.proc = &p
	if !e.exited {
		e.parent = parent
		parent.kids++
		if parent.list == &t.exited {
			parent.unlist()
			t.live.push(parent)
		}
	}
	t.reline(e, old)
}

// reline corrects the lines of e's descendants after more has become known about e, which they name as old.
// It looks at the whole table, but only when e forked before it was known, which takes a lost record.
func (t *Table) reline(e *entry, old event.Ref) {
	if e.asParent == nil {
		return
	}
	renewed := map[*line]*line{}
	renew := func(at **line) bool {
		if *at == nil {
			return false
		}
		l, done := renewed[*at]
		if !done {
			l = (*at).with(e, old)
			renewed[*at] = l
		}
		if l == nil {
			return false
		}
		t.setLine(at, l)
		return true
	}
	for _, x := range t.byPID {
		for ; x != nil; x = x.older {
			renew(&x.asParent)
			if renew(&x.line) {
				p := *x.proc
				p.Parents = x.line.refs
				x.proc = &p
			}
		}
	}
}

// with returns the line with e as it is now in place of old; nil: old is not in it.
func (l *line) with(e *entry, old event.Ref) *line {
	for i, r := range l.refs {
		if r.PID != old.PID || r.StartNS != old.StartNS {
			continue
		}
		n := newLine(e.proc.Ref, e.line)
		for i--; i >= 0; i-- {
			n = newLine(l.refs[i], n)
		}
		return n
	}
	return nil
}
