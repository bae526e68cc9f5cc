package posture

import (
	"context"
	"io/fs"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
)

func TestDiff(t *testing.T) {
	fact := func(subject, name, value string) event.Posture {
		return event.Posture{Subject: subject, Name: name, Value: value}
	}
	was := func(f event.Posture, previous string) event.Posture {
		f.Previous = previous
		return f
	}
	a, b := fact("module", "a", "size=1"), fact("module", "b", "size=2")
	cut := fact("module", ListName, "cut after 1")
	tests := []struct {
		what                            string
		before, now, changes, following []event.Posture
	}{
		{"nothing", []event.Posture{a, b}, []event.Posture{a, b}, nil, []event.Posture{a, b}},
		{"new", []event.Posture{a}, []event.Posture{a, b}, []event.Posture{was(b, Absent)}, []event.Posture{a, b}},
		{"gone", []event.Posture{a, b}, []event.Posture{b}, []event.Posture{was(fact("module", "a", Absent), "size=1")}, []event.Posture{b}},
		{"changed", []event.Posture{a}, []event.Posture{fact("module", "a", "size=9")}, []event.Posture{was(fact("module", "a", "size=9"), "size=1")}, []event.Posture{fact("module", "a", "size=9")}},
		{"cut list loses nothing", []event.Posture{a, b}, []event.Posture{a, cut}, []event.Posture{was(cut, Absent)}, []event.Posture{a, cut, b}},
		{"whole again", []event.Posture{a, cut, b}, []event.Posture{a, b}, []event.Posture{was(fact("module", ListName, Absent), "cut after 1")}, []event.Posture{a, b}},
		{"sockets and processes are not compared", []event.Posture{fact("socket", "s", "x"), fact("process", "count", "3")}, nil, nil, nil},
		{"named twice", []event.Posture{a}, []event.Posture{a, fact("module", "a", "size=3")}, nil, []event.Posture{a}},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			changes, next := diff(tt.before, tt.now)
			if d := cmp.Diff(tt.changes, changes); d != "" {
				t.Errorf("changes (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.following, next); d != "" {
				t.Errorf("next (-want +got):\n%s", d)
			}
		})
	}
}

// swap is a tree that can be replaced while it is watched.
type swap struct {
	mu   sync.Mutex
	tree fstest.MapFS
}

func (s *swap) get() fstest.MapFS {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tree
}

func (s *swap) set(tree fstest.MapFS) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tree = tree
}

func (s *swap) Open(name string) (fs.File, error)      { return s.get().Open(name) }
func (s *swap) ReadLink(name string) (string, error)   { return s.get().ReadLink(name) }
func (s *swap) Lstat(name string) (fs.FileInfo, error) { return s.get().Lstat(name) }

func TestWatch(t *testing.T) {
	tree := &swap{tree: host()}
	r := New(tree, programs)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	before := r.Inventory(ctx)
	after := host()
	after["proc/sys/kernel/randomize_va_space"] = text("0\n")
	after["proc/modules"] = text("evil 16384 0 - Live 0x0 (OE)\nrootkit 4096 0 - Live 0x0\n")
	tree.set(after)

	var got []event.Posture
	r.Watch(ctx, before, time.Millisecond, func(f event.Posture) {
		if got = append(got, f); len(got) == 3 {
			cancel()
		}
	})
	want := []event.Posture{
		{Subject: "sysctl", Name: "kernel.randomize_va_space", Value: "0", Previous: "2"},
		{Subject: "module", Name: "rootkit", Value: "size=4096 state=live", Previous: Absent},
		{Subject: "module", Name: "nf_tables", Value: Absent, Previous: "size=303104 state=live"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
}
