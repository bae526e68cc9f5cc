//go:build linux

package daemon_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/audit"
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
	if _, err := audit.Replay(filepath.Join(cfg.Paths.State, "segments"), func(e *event.Event) error {
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
