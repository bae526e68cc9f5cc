//go:build linux

package daemon_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/audit"
	"github.com/stockade-security/stockade/internal/daemon"
	"github.com/stockade-security/stockade/internal/paths"
	"github.com/stockade-security/stockade/policy"
)

func root(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: BPF")
	}
}

func config(t *testing.T) daemon.Config {
	dir := t.TempDir()
	return daemon.Config{
		Version: "test",
		Paths: paths.Paths{
			Socket: filepath.Join(dir, "run", "api.sock"), State: filepath.Join(dir, "state"), AuditLog: filepath.Join(dir, "log", "audit.jsonl"),
		},
		Policy: policy.Builtin(),
		Logger: slog.New(slog.DiscardHandler),
	}
}

// start opens a guard and runs it until the test ends or the returned function is called, which gives Run's error.
func start(t *testing.T, cfg daemon.Config) (d *daemon.Daemon, stop func() error) {
	d, err := daemon.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- d.Run(context.Background()) }()
	stopped := false
	stop = func() error {
		stopped = true
		d.Stop()
		return <-done
	}
	t.Cleanup(func() {
		if !stopped {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, stop
}

// await reads live events until one fits.
func await(t *testing.T, events <-chan *event.Event, fits func(*event.Event) bool) *event.Event {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case e, ok := <-events:
			if !ok {
				t.Fatal("the stream ended")
			}
			if fits(e) {
				return e
			}
		case <-deadline:
			t.Fatal("no such event")
		}
	}
}

// TestEveryRecordIsAccountedFor runs programs and then finds each of them in the segments, a whole chain in the audit
// log, and no record that was neither delivered nor counted as lost.
func TestEveryRecordIsAccountedFor(t *testing.T) {
	root(t)
	cfg := config(t)
	d, stop := start(t, cfg)
	live := d.Subscribe(1 << 16)
	defer live.Close()
	const runs = 50
	for range runs {
		if err := exec.Command("/bin/true", "accounted").Run(); err != nil {
			t.Fatal(err)
		}
	}
	mine := func(e *event.Event) bool {
		return e.Kind == event.KindExec && e.Process != nil && len(e.Process.Argv) == 2 && e.Process.Argv[1] == "accounted"
	}
	first := await(t, live.C, mine)
	if len(first.Process.Parents) == 0 || first.Process.Parents[0].PID != os.Getpid() {
		t.Errorf("the parents are %v, the first should be %d", first.Process.Parents, os.Getpid())
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s := d.Status()
	inKernel := s.Lost["ring_full"] + s.Lost["scratch_busy"] + s.Lost["state_full"]
	if s.Produced == 0 || s.Produced != s.Delivered+inKernel {
		t.Errorf("produced %d, delivered %d, lost %v", s.Produced, s.Delivered, s.Lost)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	seen, kept, published := 0, uint64(0), uint64(0)
	if _, err := audit.Scan(filepath.Join(cfg.Paths.State, "segments"), nil, func(e *event.Event) error {
		kept++
		if mine(e) {
			seen++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, n := range s.Events {
		published += n
	}
	inSegments := s.Lost["segment_queue_full"] + s.Lost["segment_write_error"]
	if published != kept+inSegments {
		t.Errorf("%d events were published, %d are in the segments, lost %v", published, kept, s.Lost)
	}
	if seen > runs || uint64(seen)+inKernel+inSegments < runs { // a host that is busy besides may lose some
		t.Errorf("%d of %d execs are in the segments, lost %v", seen, runs, s.Lost)
	}
	report, err := audit.Verify(cfg.Paths.AuditLog)
	if err != nil || !report.OK() || report.Records == 0 {
		t.Errorf("the audit log: %+v, %v", report, err)
	}
}
