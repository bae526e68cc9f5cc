//go:build linux

package daemon_test

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"testing"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/audit"
	"github.com/stockade-security/stockade/internal/daemon"
)

// TestGuardRecordsStartAndStop: the first event of a run says that it began, the last that it ended, and both are in the
// audit log.
func TestGuardRecordsStartAndStop(t *testing.T) {
	root(t)
	cfg := config(t)
	cfg.Sensors = []string{"process"}
	d, stop := start(t, cfg)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	published := uint64(0)
	for _, n := range d.Status().Events {
		published += n
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, r := range logOf(t, cfg) {
		if r.Event.Kind == event.KindGuard {
			got[r.Event.Guard.Action] += r.Event.Seq
		}
	}
	if want := map[string]uint64{"start": 1, "stop": published}; !maps.Equal(got, want) {
		t.Errorf("the log has %v, want %v", got, want)
	}
}

// logOf reads the audit log of a guard that has been closed.
func logOf(t *testing.T, cfg daemon.Config) []audit.Record {
	t.Helper()
	if report, err := audit.Verify(cfg.Paths.AuditLog); err != nil || !report.OK() {
		t.Fatalf("the audit log: %+v, %v", report, err)
	}
	f, err := os.Open(cfg.Paths.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var records []audit.Record
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r audit.Record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return records
}
