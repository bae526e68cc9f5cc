//go:build linux

package daemon_test

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/audit"
	"github.com/stockade-security/stockade/internal/kernel/probe"
)

// TestExecCountsAddUp compares the last count of each user and day with the executions in the segments.
func TestExecCountsAddUp(t *testing.T) {
	root(t)
	cfg := config(t)
	cfg.Sensors = []string{"process"}
	d, stop := start(t, cfg)
	for range 20 {
		if err := exec.Command("/bin/true").Run(); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(stop(), d.Close()); err != nil {
		t.Fatal(err)
	}
	want, got := map[string]uint64{}, map[string]uint64{}
	if _, err := audit.Scan(filepath.Join(cfg.Paths.State, "segments"), nil, func(e *event.Event) error {
		switch e.Kind {
		case event.KindExec:
			want[cmp.Or(e.Process.User, fmt.Sprint(e.Process.UID))+" "+e.Time.UTC().Format(time.DateOnly)]++
		case event.KindExecCount:
			got[e.Volume.User+" "+e.Volume.Day] = e.Volume.Total
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 || !maps.Equal(want, got) {
		t.Errorf("the counts end at %v, there were %v", got, want)
	}
}

// TestUnitRestartIsSeen runs programs in a cgroup such as systemd makes for a service, and starts that service again.
func TestUnitRestartIsSeen(t *testing.T) {
	root(t)
	const unit = "stockade-test-tallies.service"
	cgroups := probe.CgroupRoot()
	if cgroups == "" {
		t.Skip("no cgroup v2 tree is mounted")
	}
	cfg := config(t)
	cfg.Sensors, cfg.Units = []string{"process"}, t.TempDir()
	cfg.Scope.PIDs = []int{os.Getpid()}
	d, _ := start(t, cfg)
	live := d.Subscribe(1 << 16)
	defer live.Close()

	// The first restart may come before anybody has looked at the first invocation.
	for deadline := time.Now().Add(20 * time.Second); ; {
		link(t, cfg.Units, unit)
		pid, stop := runIn(t, filepath.Join(cgroups, unit))
		e, ok := next(live.C, time.Second, func(e *event.Event) bool { return e.Kind == event.KindUnitRestart && e.Process.PID == pid })
		stop()
		if ok {
			if e.Volume.Unit != unit || e.Volume.Total == 0 || e.Process.Unit != unit {
				t.Errorf("got %+v by %+v", e.Volume, e.Process)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no restart was seen")
		}
	}
}

// link is what systemd does when it starts a unit.
func link(t *testing.T, dir, unit string) {
	t.Helper()
	name := filepath.Join(dir, "invocation:"+unit)
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.Symlink(rand.Text(), name); err != nil {
		t.Fatal(err)
	}
}

// next reads live events until one fits, for so long.
func next(events <-chan *event.Event, patience time.Duration, fits func(*event.Event) bool) (*event.Event, bool) {
	deadline := time.After(patience)
	for {
		select {
		case e, ok := <-events:
			if !ok || fits(e) {
				return e, ok
			}
		case <-deadline:
			return nil, false
		}
	}
}

// runIn starts a program in a cgroup made for it, as a service is started; stop ends both.
func runIn(t *testing.T, cgroup string) (pid int, stop func()) {
	t.Helper()
	if err := os.Mkdir(cgroup, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(cgroup)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("/bin/cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(f.Fd())}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, func() {
		t.Helper()
		if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
			t.Error(err)
		}
		for deadline := time.Now().Add(5 * time.Second); os.Remove(cgroup) != nil; { // emptied a little after its last task is gone
			if time.Now().After(deadline) {
				t.Fatalf("%s cannot be removed", cgroup)
			}
		}
	}
}
