package identity

import (
	"unsafe"

	"github.com/stockade-security/stockade/event"
)

// known is a source's knowledge of a process; has says which parts of it count.
type known struct {
	proc event.Process
	img  *image
	cg   *cgroup
	has  facet
}

// complete adds to e the parts that k knows and e does not, and publishes the result.
func (t *Table) complete(e *entry, k known) {
	add := k.has &^ e.has
	if add == 0 {
		return
	}
	p := *e.proc
	if add&hasImage != 0 {
		if k.proc.Name != "" {
			p.Name = k.proc.Name
		}
		p.Exe, p.ExeInode, p.ExeDevice = k.proc.Exe, k.proc.ExeInode, k.proc.ExeDevice
		p.Argv, p.ArgvTruncated, p.CWD = k.proc.Argv, k.proc.ArgvTruncated, k.proc.CWD
		p.KernelThread, p.LoginUID = k.proc.KernelThread, k.proc.LoginUID
		t.setImage(e, k.img)
	}
	if add&hasIDs != 0 {
		p.UID, p.GID, p.EUID, p.EGID = k.proc.UID, k.proc.GID, k.proc.EUID, k.proc.EGID
		p.User, p.Capabilities = k.proc.User, k.proc.Capabilities
	}
	if add&hasNamespaces != 0 && k.proc.Namespaces != nil {
		p.Namespaces = sameNamespaces(p.Namespaces, k.proc.Namespaces)
	}
	if add&hasCgroup != 0 && k.cg != nil {
		t.setCgroup(e, k.cg)
	}
	e.has |= add
	t.publish(e, p)
}

// publish makes p e's current version, with what the shared parts know by now.
func (t *Table) publish(e *entry, p event.Process) {
	p.SHA256 = ""
	if e.img != nil {
		p.SHA256 = e.img.sha256
	}
	if e.cg != nil {
		p.CgroupID, p.Cgroup, p.Unit, p.Container = e.cg.id, e.cg.path, e.cg.unit, e.cg.container
	}
	e.seen = e.stamp()
	e.proc = &p
}

// refresh publishes a new version if a shared part has learnt something.
func (t *Table) refresh(e *entry) {
	if e.seen != e.stamp() {
		t.publish(e, *e.proc)
	}
}

// sameNamespaces shares the old value when nothing has changed, and never keeps the caller's.
func sameNamespaces(old, now *event.Namespaces) *event.Namespaces {
	if old != nil && *old == *now {
		return old
	}
	c := *now
	return &c
}

func (t *Table) setIDs(p *event.Process, ids IDs) {
	p.UID, p.GID, p.EUID, p.EGID = ids.UID, ids.GID, ids.EUID, ids.EGID
	p.User = t.users.name(ids.UID)
	p.Capabilities = t.capabilities(ids.Capabilities)
}

// argv redacts and copies arguments.
func (t *Table) argv(argv []string) []string {
	if len(argv) == 0 {
		return nil
	}
	if !t.cfg.KeepSecrets {
		argv = t.redact.Argv(argv)
	}
	c := make([]string, len(argv))
	for i, a := range argv {
		c[i] = t.intern(a)
	}
	return c
}

// sha256Bytes is the size of a digest in text, reserved for every image before it is known.
const sha256Bytes = 64

// newImage makes the accounting of p's image and asks for its digest.
func (t *Table) newImage(p event.Process, of processKey, changedNS int64) *image {
	img := &image{}
	img.bytes = int64(unsafe.Sizeof(*img)) + sha256Bytes + int64(len(p.Exe)+len(p.ExeDevice)+len(p.CWD))
	img.bytes += int64(len(p.Argv)) * int64(unsafe.Sizeof(""))
	for _, a := range p.Argv {
		img.bytes += int64(len(a))
	}
	if p.ExeInode == 0 || t.cfg.Hash.Off {
		return img
	}
	f := hashAsk{key: fileKey{p.ExeDevice, p.ExeInode, changedNS}, of: of, path: p.Exe, img: img}
	if sum, ok := t.hashes.cached(f.key); ok {
		img.sha256 = sum
	} else {
		t.hashes.asks.offer(f)
	}
	return img
}

// setDigest is called by the hasher.
func (t *Table) setDigest(img *image, sum string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	img.sha256 = sum
	img.version++
}
