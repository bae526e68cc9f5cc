//go:build linux

package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf/btf"
)

// LoadTypes loads the kernel's types, and a cache of them for loading programs, without the names of stubs.
//
// A system call that a configuration may leave out has a weak stub (COND_SYSCALL in kernel/sys_ni.c). Linux 6.1 describes
// the stub beside the real function, under one name, and the loader refuses to choose between the two. Nothing depends on
// the choice: the kernel looks the target's address up by its name, and one function of that name has been linked.
func LoadTypes() (*btf.Spec, *btf.Cache, error) {
	cache := btf.NewCache()
	types, err := cache.Kernel()
	if err != nil {
		return nil, nil, err
	}
	raw, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if errors.Is(err, os.ErrNotExist) {
		return types, cache, nil // they came from a file of the kernel's package
	}
	if err != nil {
		return nil, nil, err
	}
	if unnameStubs(raw) == 0 {
		return types, cache, nil
	}
	named, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		return nil, nil, fmt.Errorf("without stubs: %w", err)
	}
	*types = *named // what the cache hands out from now on
	return types, cache, nil
}

// typeRecord is one type as BTF has it (include/uapi/linux/btf.h): name, info, size or type, then its parts.
type typeRecord []byte

const (
	typeBytes = 12
	kindFunc  = 12
	kindProto = 13
)

func (t typeRecord) word(i int) uint32 { return binary.NativeEndian.Uint32(t[4*i:]) }
func (t typeRecord) name() uint32      { return t.word(0) }
func (t typeRecord) kind() int         { return int(t.word(1) >> 24 & 31) }
func (t typeRecord) parts() int        { return int(t.word(1) & 0xffff) }
func (t typeRecord) target() uint32    { return t.word(2) }

// size is that of the whole record; 0: of a kind that is not known.
func (t typeRecord) size() int {
	switch t.kind() {
	case 2, 7, 8, 9, 10, 11, kindFunc, 16, 18: // pointer, forward, typedef, volatile, const, restrict, float, type tag
		return typeBytes
	case 1, 14, 17: // integer, variable, declaration tag
		return typeBytes + 4
	case 3: // array
		return typeBytes + 12
	case 6, kindProto: // enum
		return typeBytes + 8*t.parts()
	case 4, 5, 15, 19: // struct, union, section, 64-bit enum
		return typeBytes + 12*t.parts()
	default:
		return 0
	}
}

// unnameStubs takes their names from the stubs that share them with another function, and returns how many those are. A
// stub is known by its only parameter, __unused. Types of an unknown form are left as they are.
func unnameStubs(raw []byte) (n int) {
	types, names := typeSections(raw)
	unused := uint32(bytes.Index(names, []byte("\x00__unused\x00")) + 1)
	if unused == 0 {
		return 0
	}
	functions, stubs := map[uint32][]typeRecord{}, map[uint32]bool{}
	for id := uint32(1); len(types) >= typeBytes; id++ {
		t := typeRecord(types)
		size := t.size()
		if size == 0 || size > len(types) {
			return 0
		}
		switch {
		case t.kind() == kindFunc:
			functions[t.name()] = append(functions[t.name()], t)
		case t.kind() == kindProto && t.parts() == 1 && t.word(3) == unused:
			stubs[id] = true
		}
		types = types[size:]
	}
	for _, same := range functions {
		for _, f := range same {
			if len(same) > 1 && stubs[f.target()] {
				binary.NativeEndian.PutUint32(f, 0)
				n++
			}
		}
	}
	return n
}

// typeSections finds the types and the names in BTF; nil: it is not BTF, or not whole.
func typeSections(raw []byte) (types, names []byte) {
	var h struct {
		Magic                                           uint16
		Version, Flags                                  uint8
		Bytes, TypesAt, TypesBytes, NamesAt, NamesBytes uint32
	}
	if _, err := binary.Decode(raw, binary.NativeEndian, &h); err != nil || h.Magic != 0xeb9f || uint64(h.Bytes) > uint64(len(raw)) {
		return nil, nil
	}
	section := func(at, size uint32) []byte {
		rest := raw[h.Bytes:]
		if uint64(at)+uint64(size) > uint64(len(rest)) {
			return nil
		}
		return rest[at : at+size]
	}
	return section(h.TypesAt, h.TypesBytes), section(h.NamesAt, h.NamesBytes)
}
