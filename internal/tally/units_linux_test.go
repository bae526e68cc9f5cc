package tally

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stockade-security/stockade/event"
)

// systemd is a directory such as it keeps.
type systemd struct {
	t   *testing.T
	dir string
}

func (s systemd) start(unit, invocation string) {
	s.stop(unit)
	if err := os.Symlink(invocation, filepath.Join(s.dir, linkPrefix+unit)); err != nil {
		s.t.Fatal(err)
	}
}

func (s systemd) stop(unit string) {
	if err := os.Remove(filepath.Join(s.dir, linkPrefix+unit)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
}

func in(unit string, pid int) *event.Event {
	e := ran("root", noon)
	e.Process.PID, e.Process.Unit, e.Process.Cgroup, e.Process.CgroupID = pid, unit, "/system.slice/"+unit, uint64(pid)
	return e
}

// restarts returns the restarts among events, briefly.
func restarts(events []*event.Event) []string {
	var out []string
	for _, e := range events {
		if e.Kind == event.KindUnitRestart {
			out = append(out, fmt.Sprintf("%s %d by %d", e.Volume.Unit, e.Volume.Total, e.Process.PID))
		}
	}
	return out
}

func TestUnitRestart(t *testing.T) {
	s := systemd{t, t.TempDir()}
	tally := New(Config{Units: s.dir})
	for i, step := range []struct {
		do   func()
		unit string
		want string
	}{
		{nil, "web.service", "[]"}, // not one of systemd's
		{func() { s.start("web.service", "a") }, "web.service", "[]"},
		{nil, "web.service", "[]"},
		{func() { s.start("db.service", "x") }, "db.service", "[]"},
		{func() { s.start("web.service", "b") }, "web.service", "[web.service 1 by 4]"},
		{nil, "web.service", "[]"},
		{func() { s.stop("web.service") }, "web.service", "[]"},
		{func() { s.start("web.service", "c") }, "web.service", "[web.service 2 by 7]"},
		{func() { s.start("db.service", "y") }, "db.service", "[db.service 1 by 8]"},
		{func() { s.start("run.scope", "1") }, "run.scope", "[]"},
		{func() { s.start("run.scope", "2") }, "run.scope", "[]"},
	} {
		if step.do != nil {
			step.do()
		}
		e := in(step.unit, i)
		tally.Add(e)
		events := tally.Flush(noon)
		if got := fmt.Sprint(restarts(events)); got != step.want {
			t.Errorf("step %d: got %s, want %s", i, got, step.want)
		}
		for _, r := range events {
			if r.Kind == event.KindUnitRestart && (r.Process != e.Process || !r.Time.Equal(noon) || r.Evidence != e.Evidence) {
				t.Errorf("step %d: got %+v", i, r)
			}
		}
	}
	if n := tally.Unchecked(); n != 0 {
		t.Errorf("%d executions went unchecked", n)
	}
}

// TestOnlyTheHostsServices: a user's or a container's manager has services by the same names.
func TestOnlyTheHostsServices(t *testing.T) {
	for cgroup, want := range map[string]bool{
		"/system.slice/web.service":                                           true,
		"/system.slice/web.service/worker":                                    true,
		"/system.slice/system-web.slice/web.service":                          true,
		"/user.slice/user-1000.slice/user@1000.service/app.slice/web.service": false,
		"/machine.slice/machine-box.scope/payload/system.slice/web.service":   false,
		"/machine.slice/nspawn@box.service/payload/system.slice/web.service":  false,
		"/system.slice/_web.service":                                          false,
		"":                                                                    false,
	} {
		p := &event.Process{Cgroup: cgroup, Unit: "web.service"}
		if got := hostService(p); got != want {
			t.Errorf("%q: %v", cgroup, got)
		}
		p.Container = &event.Container{ID: "c"}
		if hostService(p) {
			t.Errorf("%q: in a container", cgroup)
		}
	}
}

// TestRunFindsRestarts: Run knows the services that were there before it, and waits until the name of a new service's
// cgroup is known.
func TestRunFindsRestarts(t *testing.T) {
	s := systemd{t, t.TempDir()}
	s.start("old.service", "a")
	var mu sync.Mutex
	names := map[uint64]string{}
	tally := New(Config{Units: s.dir, Latest: func(p *event.Process) *event.Process {
		mu.Lock()
		defer mu.Unlock()
		if unit := names[p.CgroupID]; unit != "" {
			return in(unit, p.PID).Process
		}
		return p
	}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { tally.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	eventually(t, func() bool {
		tally.units.mu.Lock()
		defer tally.units.mu.Unlock()
		return tally.units.known["old.service"] != nil
	})
	s.start("old.service", "b")
	for range 3 { // one of them is enough
		e := in("", 5)
		e.Process.Cgroup = ""
		tally.Add(e)
	}
	eventually(t, tally.units.waits)
	if got := restarts(tally.Due(noon)); got != nil {
		t.Errorf("got %v before the unit was known", got)
	}
	mu.Lock()
	names[5] = "old.service"
	mu.Unlock()
	var got []string
	eventually(t, func() bool {
		got = append(got, restarts(tally.Due(noon))...)
		return len(got) > 0
	})
	if want := "[old.service 1 by 5]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// TestUnknownCgroupIsGivenUp: a process that nobody can place is not asked about for ever.
func TestUnknownCgroupIsGivenUp(t *testing.T) {
	tally := New(Config{Units: t.TempDir()})
	e := in("", 5)
	e.Process.Cgroup = ""
	tally.Add(e)
	tally.Flush(noon)
	rounds := 0
	for ; tally.units.waits() && rounds < 2*maxTries; rounds++ {
		if n := tally.Unchecked(); n != 0 {
			t.Fatalf("counted %d times while it waits", n)
		}
		tally.units.again()
	}
	if n := tally.Unchecked(); n != 1 || rounds < maxTries/2 || rounds > maxTries {
		t.Errorf("%d executions unchecked after %d rounds", n, rounds)
	}
}

// TestUnitsAreBounded: services that have stopped make room, running ones keep theirs, and what finds none is counted.
func TestUnitsAreBounded(t *testing.T) {
	s := systemd{t, t.TempDir()}
	tally := New(Config{Units: s.dir, MaxUnits: 2})
	see := func(unit, invocation string) []string {
		s.start(unit, invocation)
		tally.Add(in(unit, 9))
		return restarts(tally.Flush(noon))
	}
	see("kept.service", "a")
	for i := range 5 {
		unit := fmt.Sprintf("run-%d.service", i)
		see(unit, "x")
		s.stop(unit)
	}
	see("long.service", "a")
	see("late.service", "a")
	see("late.service", "b")
	if got := fmt.Sprint(see("kept.service", "b"), see("long.service", "b")); got != "[kept.service 1 by 9] [long.service 1 by 9]" {
		t.Errorf("got %s", got)
	}
	if n := tally.Unchecked(); n != 2 {
		t.Errorf("%d executions unchecked", n)
	}
}

func TestFullQueueIsCounted(t *testing.T) {
	tally := New(Config{Units: t.TempDir()})
	for range queued + 3 {
		tally.Add(in("web.service", 1))
	}
	if n := tally.Unchecked(); n != 3 {
		t.Errorf("%d executions unchecked", n)
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatal("did not happen in 20 s")
		case <-tick.C:
		}
	}
}
