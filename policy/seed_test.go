package policy

import (
	"path/filepath"
	"slices"
	"testing"
)

// TestSeedFiles: files of the per-process guards before load as they are, and all that they mean otherwise is warned of.
func TestSeedFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/seed*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	changed := map[string][]int{
		"seed.yaml":         {10, 15, 21, 23},
		"seed-shipped.yaml": {17, 18, 19, 20, 25, 47, 49, 61},
		"seed-least.yaml":   {3, 6, 7},
	}
	for _, file := range files {
		p, err := Load(file)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		var lines []int
		for _, w := range p.Warnings() {
			if w.Kind == WarningChanged {
				lines = append(lines, w.Line)
			}
		}
		if want := changed[filepath.Base(file)]; !slices.Equal(lines, want) {
			t.Errorf("%s: changed meaning at lines %v, not %v", file, lines, want)
		}
	}
}

// TestSeedShipped: the entries of the shipped policy say what they said.
func TestSeedShipped(t *testing.T) {
	p, err := Load("testdata/seed-shipped.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		name                             string
		syscalls, peers, memory, percent int
	}{{"soc-ingest", 6, 1, 512, 25}, {"soc-correlate", 13, 0, 1024, 50}, {"soc-respond", 6, 1, 256, 10}} {
		q := p.Processes[i]
		if q.Name != want.name || len(q.BlockedSyscalls.Rules) != want.syscalls || !q.AllowedNetwork.Present || len(q.AllowedNetwork.Rules) != want.peers ||
			q.MaxMemoryMB.Value != want.memory || q.MaxCPUPercent.Value != want.percent || !q.AllowedExec.Present || len(q.AllowedExec.Rules) != 0 {
			t.Errorf("%s: %+v", want.name, q)
		}
	}
	if got := networkText(p.Processes[2].AllowedNetwork.Rules[0]); got != "0.0.0.0/0 [{443 443}] " {
		t.Errorf("soc-respond may reach %s", got)
	}
	if len(p.Alerts.OnViolation.Rules) != 3 || len(p.Alerts.OnCritical.Rules) != 3 {
		t.Errorf("alerts %+v", p.Alerts)
	}
}
