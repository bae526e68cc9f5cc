//go:build linux

package activity

import (
	"os"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/internal/sensor/file"
	"github.com/stockade-security/stockade/internal/sensor/network"
)

// withRoom bounds a sensor's map of folded records.
func withRoom(s *kernel.Sensor, entries uint32) *kernel.Sensor {
	load := s.Spec
	s.Spec = func() (*ebpf.CollectionSpec, error) {
		spec, err := load()
		if err == nil {
			for _, name := range s.Folds {
				spec.Maps[name].InnerMap.MaxEntries = entries
			}
		}
		return spec, err
	}
	return s
}

// TestFullFolds gives the maps of folded records room for two, and touches six things three times each: what finds no room
// must come at once. That nothing was lost, observe itself checks.
func TestFullFolds(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: BPF and a cgroup of its own")
	}
	w := newWatch(t, []*kernel.Sensor{withRoom(file.New(), 2), withRoom(network.New(), 2)})
	for _, c := range []struct {
		activity string
		room     int // events with room for all
		total    uint64
		amount   func(dir string, e event.Event) uint64
	}{
		{manyVolumes, manyFiles, manyFiles * 3, func(dir string, e event.Event) uint64 {
			if e.Kind != event.KindFileVolume || len(e.File.Path) != len(dir)+2 || e.File.Path[:len(dir)] != dir {
				return 0
			}
			if e.Volume.Writes != e.Volume.WriteBytes {
				t.Errorf("not a byte for each write: %s", text(e))
			}
			return e.Volume.Writes
		}},
		{manySends, manyPorts * 2, manyPorts * 3, func(_ string, e event.Event) uint64 {
			if e.Kind != event.KindSend || e.Flow.Destination != "127.0.0.9" {
				return 0
			}
			return max(e.Count, 1)
		}},
	} {
		t.Run(c.activity, func(t *testing.T) {
			o := w.observe(t, named(t, c.activity))
			events, total := 0, uint64(0)
			for _, e := range o.events {
				if n := c.amount(o.dir, e); n != 0 {
					events++
					total += n
				}
			}
			if total != c.total {
				t.Errorf("%d of %d were told", total, c.total)
			}
			if events <= c.room {
				t.Errorf("%d events: the map was not full", events)
			}
		})
	}
}

func named(t *testing.T, name string) activity {
	for _, a := range activities() {
		if a.name == name {
			return a
		}
	}
	t.Fatalf("no activity %q", name)
	return activity{}
}
