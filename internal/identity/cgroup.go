package identity

import (
	"hash/maphash"
	"unsafe"

	"github.com/stockade-security/stockade/event"
)

// cgroup is one that processes in the table are in. It stays with them when its directory goes.
type cgroup struct {
	charge
	version   uint32
	key       uint64 // in Table.cgroups
	id        uint64 // the directory's inode number; 0: only the path is known
	path      string
	unit      string
	container *event.Container
	tries     int // how often its path has been asked for; once that is known, its container
}

// containerKey is a question to a container runtime.
type containerKey struct{ runtime, id string }

// maxTries bounds the questions about a cgroup that nobody knows, and then about its container.
const maxTries = 3

// in says whether e is in the cgroup of that id, as far as the record can tell.
func (e *entry) in(id uint64) bool { return id == 0 || e.cg != nil && e.cg.id == id }

// moveTo puts e into the cgroup of that id; 0 leaves it where it is.
func (t *Table) moveTo(e *entry, id uint64) {
	if e.in(id) {
		return
	}
	t.setCgroup(e, t.cgroupByID(id))
	e.has |= hasCgroup
	t.publish(e, *e.proc)
}

func (t *Table) setCgroup(e *entry, cg *cgroup) {
	if cg != nil {
		t.hold(&cg.charge)
	}
	if old := e.cg; old != nil {
		t.release(&old.charge)
		if old.refs == 0 && t.cgroups[old.key] == old {
			delete(t.cgroups, old.key)
		}
	}
	e.cg = cg
}

// cgroupByID returns the cgroup, asking for its path when that is new.
func (t *Table) cgroupByID(id uint64) *cgroup {
	cg, ok := t.cgroups[id]
	if ok {
		return cg
	}
	cg = t.addCgroup(id, id)
	if path, ok := t.cgroupfs.cached(id); ok {
		t.nameCgroup(cg, path)
	} else {
		t.askPath(cg)
	}
	return cg
}

// cgroupByPath returns the cgroup of a path from /proc whose id, when 0, could not be had: then the path is the key.
func (t *Table) cgroupByPath(id uint64, path string) *cgroup {
	key := id
	if id == 0 {
		key = maphash.String(t.strings.seed, path) | 1<<63
	}
	cg, ok := t.cgroups[key]
	if !ok {
		cg = t.addCgroup(key, id)
	}
	if cg.path == "" {
		t.nameCgroup(cg, path)
	}
	return cg
}

func (t *Table) addCgroup(key, id uint64) *cgroup {
	cg := &cgroup{key: key, id: id}
	cg.bytes = int64(unsafe.Sizeof(*cg)) + 48
	t.cgroups[key] = cg
	return cg
}

// nameCgroup sets what follows from the path, and asks the runtime about a container.
func (t *Table) nameCgroup(cg *cgroup, path string) {
	cg.path = t.intern(path)
	unit, container := ParseCgroup(cg.path)
	cg.unit, cg.container = unit, container
	cg.version++
	cg.tries = 0
	bytes := int64(unsafe.Sizeof(*cg)) + 48 + int64(len(path)+len(unit))
	if container != nil {
		bytes += int64(unsafe.Sizeof(*container)) + int64(len(container.ID))
	}
	t.recharge(&cg.charge, bytes)
	t.askAbout(cg)
}

func (t *Table) askPath(cg *cgroup) {
	if cg.path == "" && cg.id != 0 && cg.tries < maxTries {
		cg.tries++
		t.cgroupAsks.offer(cg.id)
	}
}

func (t *Table) askAbout(cg *cgroup) {
	if c := cg.container; c != nil && c.Name == "" && c.Image == "" && cg.tries < maxTries {
		cg.tries++
		t.askRuntime.offer(containerKey{c.Runtime, c.ID})
	}
}

// setCgroupPath is called with what the cgroup tree says; ok false: it does not know the id (any more).
func (t *Table) setCgroupPath(id uint64, path string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !ok {
		t.stats.CgroupFailed++
		return
	}
	if cg := t.cgroups[id]; cg != nil && cg.path == "" {
		t.nameCgroup(cg, path)
	}
}

// setContainer is called with what a runtime says about the container.
func (t *Table) setContainer(key containerKey, c event.Container, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !ok {
		t.stats.RuntimeFailed++
		return
	}
	for _, cg := range t.cgroups {
		if cg.container == nil || cg.container.ID != key.id || cg.container.Name != "" || cg.container.Image != "" {
			continue
		}
		known := c
		known.ID = key.id
		grown := int64(len(known.Name) + len(known.Image) + len(known.Pod) + len(known.Namespace))
		cg.container = &known
		cg.version++
		t.recharge(&cg.charge, cg.bytes+grown)
	}
}

// askAgain repeats the questions that had no answer yet, or no place in a queue.
func (t *Table) askAgain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, cg := range t.cgroups {
		t.askPath(cg)
		t.askAbout(cg)
	}
}
