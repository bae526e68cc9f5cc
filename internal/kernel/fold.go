//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
)

// fold is a map of records that programs add to until user space takes them.
type fold struct {
	name  string
	outer *ebpf.Map // an array of one map: the one that programs add to now
	inner *ebpf.MapSpec

	mu      sync.Mutex // over current, which the reader swaps while others ask for its size
	current *ebpf.Map
}

// addFolds gives each of a sensor's folds its first map.
func (k *Kernel) addFolds(s *Sensor, spec *ebpf.CollectionSpec, coll *ebpf.Collection) error {
	for _, name := range s.Folds {
		outer := coll.Maps[name]
		if outer == nil || spec.Maps[name].InnerMap == nil {
			return fmt.Errorf("the %s sensor's object has no map of maps %s", s.Name, name)
		}
		f := &fold{name: name, outer: outer, inner: spec.Maps[name].InnerMap}
		if _, err := f.swap(); err != nil {
			return err
		}
		k.folds = append(k.folds, f)
	}
	return nil
}

// swap puts a fresh map in the place of the current one, which it returns; nil at first. The kernel lets go of the update
// only after every program that might still hold the old map has ended, so that no program adds to it any more.
func (f *fold) swap() (*ebpf.Map, error) {
	fresh, err := ebpf.NewMap(f.inner)
	if err != nil {
		return nil, fmt.Errorf("make a map for %s: %w", f.name, err)
	}
	if err := f.outer.Put(uint32(0), fresh); err != nil {
		return nil, errors.Join(fmt.Errorf("swap the map of %s: %w", f.name, err), fresh.Close())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.current
	f.current = fresh
	return old, nil
}

// bytes is what the current map holds of kernel memory.
func (f *fold) bytes() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return mapBytes(f.current)
}

// Drain hands over the records that programs have folded in maps since the last time: of processes that have ended too.
// It is for the goroutine that calls Read, as often as such records are wanted and once before Close. The record is
// reused. If each returns an error, what has not been handed over by then is gone.
func (k *Kernel) Drain(each func(*Record) error) error {
	for _, f := range k.folds {
		full, err := f.swap()
		if err != nil {
			return err
		}
		err = f.records(full, each)
		if err := errors.Join(err, full.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (f *fold) records(m *ebpf.Map, each func(*Record) error) error {
	var rec Record
	key, value := make([]byte, m.KeySize()), make([]byte, m.ValueSize())
	all := m.Iterate()
	for all.Next(&key, &value) {
		if err := rec.Parse(value); err != nil {
			return fmt.Errorf("decode a record of %s: %w", f.name, err)
		}
		if err := each(&rec); err != nil {
			return err
		}
	}
	if err := all.Err(); err != nil {
		return fmt.Errorf("read the map of %s: %w", f.name, err)
	}
	return nil
}
