//go:build linux

package library

import (
	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
)

// operations are named by enum operation of library.h.
var operations = [...]string{1: "mmap", 2: "mprotect", 3: "pkey_mprotect", 4: "shmat"}

func decode(r *kernel.Record, e *event.Event) error {
	m, err := kernel.Body[bpfMapping](r)
	if err != nil {
		return err
	}
	path, cut, err := r.Text()
	if err != nil {
		return err
	}
	if r.Kind == event.KindLibrary {
		f := kernel.File(path, m.Object.Inode, m.Object.Device, m.Object.Mode)
		f.Access, f.PathTruncated = "x", cut
		e.File = &f
		return nil
	}
	e.Memory = &event.Memory{Operation: operation(m.Operation), Protection: protection(m.Protection), Bytes: m.Bytes, Path: path, PathTruncated: cut}
	return nil
}

func operation(n uint32) string {
	if int(n) < len(operations) {
		return operations[n]
	}
	return ""
}

// protection writes PROT_ bits (include/uapi/asm-generic/mman-common.h) as letters.
func protection(bits uint32) string {
	var b []byte
	for i, letter := range []byte("rwx") {
		if bits&(1<<i) != 0 {
			b = append(b, letter)
		}
	}
	return string(b)
}
