//go:build linux

package file

import (
	"fmt"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
)

// From file.h.
const (
	accessRead   = 1
	accessWrite  = 2
	accessExec   = 4
	xattrRemoved = 1
	leftAlone    = ^uint32(0)
)

func decode(r *kernel.Record, e *event.Event) error {
	if r.Kind == event.KindFileVolume {
		return decodeVolume(r, e)
	}
	c, err := kernel.Body[bpfChange](r)
	if err != nil {
		return err
	}
	n := names{record: r, argued: c.Argued != 0}
	f := kernel.File(n.next(), c.Object.Inode, c.Object.Device, c.Object.Mode)
	if f.Type == "" {
		f.Type = kernel.FileType(uint16(c.Mode)) // made by name: the type asked for
	}
	switch r.Kind {
	case event.KindFileOpen, event.KindFileCreate:
		f.Access = access(c.Access)
		f.Flags = openFlags(c.Flags)
		if r.Kind == event.KindFileCreate {
			f.Mode = permissions(c.Mode)
		}
		if f.Type == "symlink" {
			f.Mode, f.Target = "", n.text()
		}
	case event.KindFileRename:
		f.Flags, f.Target = renameFlags(c.Flags), n.next()
	case event.KindFileLink:
		f.Target = n.next()
	case event.KindFileChmod:
		f.Mode = permissions(c.Mode)
	case event.KindFileChown:
		f.UID, f.GID = id(c.Uid), id(c.Gid)
	case event.KindFileTruncate:
		size := c.Size
		f.Size = &size
	case event.KindFileXattr:
		f.Xattr, f.XattrOp = n.text(), "set"
		if c.Flags&xattrRemoved != 0 {
			f.XattrOp = "remove"
		}
	}
	f.PathTruncated = n.cut
	e.File = &f
	return n.err
}

func decodeVolume(r *kernel.Record, e *event.Event) error {
	v, err := kernel.Body[bpfVolume](r)
	if err != nil {
		return err
	}
	n := names{record: r}
	f := kernel.File(n.next(), v.Object.Inode, v.Object.Device, v.Object.Mode)
	f.PathTruncated = n.cut
	e.File = &f
	e.Volume = &event.Volume{ReadBytes: v.ReadBytes, WriteBytes: v.WriteBytes, Reads: v.Reads, Writes: v.Writes}
	if v.LastNs > r.TimeNS {
		e.Volume.DurationNS = v.LastNs - r.TimeNS
	}
	return n.err
}

// names takes the strings of a record. After an error it gives empty ones.
type names struct {
	record *kernel.Record
	argued bool
	cut    bool
	err    error
}

func (n *names) text() string {
	if n.err != nil {
		return ""
	}
	s, cut, err := n.record.Text()
	n.cut, n.err = n.cut || cut, err
	return s
}

// next takes a file's name: resolved by the kernel, or the task's own joined to the directory it is relative to.
func (n *names) next() string {
	if !n.argued || n.err != nil {
		return n.text()
	}
	name, cut, err := kernel.Argument(n.record)
	n.cut, n.err = n.cut || cut, err
	return name
}

func access(bits uint32) string {
	return [...]string{"", "r", "w", "rw", "x", "rx", "wx", "rwx"}[bits&(accessRead|accessWrite|accessExec)]
}

func permissions(mode uint32) string { return fmt.Sprintf("%04o", mode&0o7777) }

func id(n uint32) *uint32 {
	if n == leftAlone {
		return nil
	}
	return &n
}
