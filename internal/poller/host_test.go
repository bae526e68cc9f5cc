package poller_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/poller"
)

// TestSleeper is no test: TestHost starts it as a process that waits until its input ends.
func TestSleeper(t *testing.T) {
	if os.Getenv("POLLER_SLEEPER") == "" {
		t.Skip("runs only as TestHost's child")
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// TestHost starts and ends a program on this host, and sees it.
func TestHost(t *testing.T) {
	// Linux counts start times from the boot, whose wall clock can only be worked out, a second more or less each time.
	process.EnableBootTimeCache(true)
	boot, err := poller.Boot()
	if err != nil {
		t.Fatal(err)
	}
	p := poller.New(poller.Config{Boot: boot})
	if events, err := p.Look(t.Context()); err != nil || events != nil {
		t.Fatalf("first look: %d events, %v", len(events), err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self, "-test.run=^TestSleeper$")
	child.Env = append(os.Environ(), "POLLER_SLEEPER=1")
	input, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	e := find(t, p, event.KindExec, child.Process.Pid)
	parent := e.Process.Parents
	if e.Exec.File.Path != filepath.ToSlash(self) || len(e.Process.Argv) != 2 || len(parent) == 0 || parent[0].PID != os.Getpid() {
		t.Errorf("the start: %+v of %+v", e.Exec, e.Process)
	}
	if age := time.Since(e.Process.Started); age < -time.Minute || age > time.Minute {
		t.Errorf("it started %s ago", age)
	}
	if uid := os.Getuid(); uid >= 0 && e.Process.UID != uint32(uid) {
		t.Errorf("user id %d, want %d", e.Process.UID, uid)
	}
	if err := input.Close(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	if gone := find(t, p, event.KindExit, child.Process.Pid); gone.Process.StartNS != e.Process.StartNS || !strings.HasSuffix(gone.Process.Exe, filepath.Base(self)) {
		t.Errorf("the end: %+v", gone.Process)
	}
}

// find looks until it sees such an event of a process.
func find(t *testing.T, p *poller.Poller, kind event.Kind, pid int) *event.Event {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		events, err := p.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Kind == kind && e.Process.PID == pid {
				return e
			}
		}
	}
	t.Fatalf("no %s of process %d", kind, pid)
	return nil
}
