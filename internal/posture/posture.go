// Package posture takes the inventory of a host: kernel, LSM list, sysctls, modules, BPF programs, processes, sockets,
// as facts in a stable order, and then reports what of it changes.
// It only reads files below the root it is given. It judges nothing, changes nothing and enters no namespace.
package posture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/stockade-security/stockade/event"
)

// Values that stand for the state of a thing rather than for its content.
const (
	// Absent is the value, or the previous value, of a fact that is not there.
	Absent = "absent"
	// ListName names the fact that says, in its value, why its subject's list is not complete.
	// A subject without it was listed completely.
	ListName = "list"
)

// The bounds of one inventory. What goes beyond is said in a fact named ListName, never dropped unseen.
const (
	maxFileBytes = 1 << 20
	maxValue     = 1024
	maxModules   = 4096
	maxProcesses = 65536
	maxSockets   = 16384
	maxFDs       = 1 << 20
	maxNetns     = 1024
)

// Reader reads a host's posture. It keeps no state; its methods may be called at the same time.
type Reader struct {
	root     fs.FS
	programs func() []event.Posture
}

// New returns a Reader of the tree below root, which must be able to read symbolic links (os.DirFS is); nil means the host's own root.
// programs lists the BPF programs, subject bpf_program, one fact for each and one named ListName if it could not list all; nil lists none.
func New(root fs.FS, programs func() []event.Posture) *Reader {
	if root == nil {
		root = os.DirFS("/")
	}
	return &Reader{root: root, programs: programs}
}

// Inventory reads everything. The order is fixed: by subject, then by name, sysctls as listed here.
// What cannot be read becomes a fact that says so. It returns early, with what it has, when ctx ends.
func (r *Reader) Inventory(ctx context.Context) []event.Posture {
	facts := r.cheap()
	processes, sockets := r.processes(ctx)
	facts = append(facts, processes...)
	return append(facts, sockets...)
}

// cheap reads what Watch compares: some fifty small files and the list of BPF programs.
func (r *Reader) cheap() []event.Posture {
	facts := r.kernel()
	facts = append(facts, r.security()...)
	facts = append(facts, r.sysctls()...)
	facts = append(facts, r.modules()...)
	if r.programs != nil {
		facts = append(facts, r.programs()...)
	}
	return facts
}

// read returns at most limit bytes of a file, and whether that was all of it.
func (r *Reader) read(name string, limit int64) (data []byte, whole bool, err error) {
	f, err := r.root.Open(name)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, false, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return data[:limit], false, nil
	}
	return data, true, nil
}

// each calls visit with the entries of a directory, in the directory's order, until visit returns false.
// It never holds more than a chunk of the list, however long the directory is.
func (r *Reader) each(dir string, visit func(name string) bool) error {
	f, err := r.root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	d, ok := f.(fs.ReadDirFile)
	if !ok {
		return fmt.Errorf("read %s: not a directory", dir)
	}
	for {
		entries, err := d.ReadDir(512)
		for _, e := range entries {
			if !visit(e.Name()) {
				return nil
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", dir, err)
		}
	}
}

// reason says in a few words why something could not be read.
func reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "unknown: no such file"
	case errors.Is(err, fs.ErrPermission):
		return "unknown: permission denied"
	default:
		return "unknown: " + err.Error()
	}
}
