//go:build linux

// Package kernel loads Stockade's programs, attaches them on the best rung that this kernel has, and reads what they say.
// It knows nothing of what the records mean: sensors decode them. It decides nothing and never writes to the host outside
// of BPF objects; whatever it attached is detached by Close or by the end of the process.
package kernel

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/stockade-security/stockade/event"
)

// Scope limits whom the programs watch. The zero value watches everybody.
type Scope struct {
	// CgroupID is the inode of a cgroup v2 directory whose subtree is watched, CgroupLevel its depth below the root.
	CgroupID    uint64
	CgroupLevel uint32
	// PIDs are processes to watch with the children they make from now on.
	PIDs []int
}

// Config says what to load.
type Config struct {
	// Trampolines says that LSM and fexit programs can be attached here.
	Trampolines bool
	// CgroupRoot is where the cgroup v2 tree is mounted.
	CgroupRoot string
	Scope      Scope
	// RingBytes is the size of the ring between programs and reader, a power of two of at least a page; 0: as built, 8 MiB.
	RingBytes uint32
}

// Kernel holds loaded programs. Its methods may be called from one goroutine, but Losses and Attached from any.
type Kernel struct {
	cfg      Config
	core     *ebpf.Collection
	types    *btf.Spec
	cache    *btf.Cache // of types, for loading programs
	loaded   []*ebpf.Collection
	links    []link.Link // kept: a link that is garbage-collected detaches its program
	reader   *ringbuf.Reader
	handled  bool
	handlers map[int]bool // entries of the dispatcher's table in use
	attached []Attached
	decoders map[event.Kind]func(*Record, *event.Event) error
	folds    []*fold
}

// Open loads what all sensors share. Nothing is attached yet.
func Open(cfg Config) (*Kernel, error) {
	types, cache, err := LoadTypes()
	if err != nil {
		return nil, fmt.Errorf("load the kernel's types: %w", err)
	}
	k := &Kernel{cfg: cfg, types: types, cache: cache, handlers: map[int]bool{}, decoders: map[event.Kind]func(*Record, *event.Event) error{}}
	spec, err := loadBpf()
	if err != nil {
		return nil, fmt.Errorf("read the core object: %w", err)
	}
	if cfg.RingBytes != 0 {
		spec.Maps[bpfMapRing].MaxEntries = cfg.RingBytes
	}
	if k.core, err = ebpf.NewCollectionWithOptions(spec, k.options(nil)); err != nil {
		return nil, fmt.Errorf("load the core object: %w", err)
	}
	if k.reader, err = ringbuf.NewReader(k.core.Maps[bpfMapRing]); err != nil {
		k.core.Close()
		return nil, fmt.Errorf("map the ring: %w", err)
	}
	for _, pid := range cfg.Scope.PIDs {
		if err := k.core.Maps[bpfMapWatchedPids].Put(uint32(pid), uint8(1)); err != nil {
			return nil, errors.Join(fmt.Errorf("watch process %d: %w", pid, err), k.Close())
		}
	}
	return k, nil
}

func (k *Kernel) options(shared map[string]*ebpf.Map) ebpf.CollectionOptions {
	return ebpf.CollectionOptions{
		MapReplacements: shared,
		Programs:        ebpf.ProgramOptions{KernelTypes: k.types},
		Cache:           k.cache,
	}
}

// Detach ends all programs. What they have made can still be read, and the counters are exact from then on.
func (k *Kernel) Detach() error {
	var errs []error
	for _, l := range slices.Backward(k.links) {
		errs = append(errs, l.Close())
	}
	k.links = nil
	return errors.Join(errs...)
}

// Close detaches everything and frees it. Records not read yet are gone.
func (k *Kernel) Close() error {
	errs := []error{k.Detach()}
	if k.reader != nil {
		errs = append(errs, k.reader.Close())
	}
	for _, f := range k.folds {
		errs = append(errs, f.current.Close())
	}
	for _, c := range k.loaded {
		c.Close()
	}
	if k.core != nil {
		k.core.Close()
	}
	return errors.Join(errs...)
}

// Attached lists every hook of every sensor added so far, with where it ended up.
func (k *Kernel) Attached() []Attached { return slices.Clone(k.attached) }

// MapBytes is what the maps hold of kernel memory, as the kernel accounts for it.
func (k *Kernel) MapBytes() uint64 {
	var sum uint64
	for _, m := range k.core.Maps {
		sum += mapBytes(m)
	}
	for _, f := range k.folds {
		sum += f.bytes()
	}
	for _, c := range k.loaded {
		for name, m := range c.Maps {
			if k.core.Maps[name] == nil {
				sum += mapBytes(m)
			}
		}
	}
	return sum
}

// mapBytes is 0 where the kernel does not tell.
func mapBytes(m *ebpf.Map) uint64 {
	info, err := m.Info()
	if err != nil {
		return 0
	}
	n, _ := info.Memlock()
	return n
}
