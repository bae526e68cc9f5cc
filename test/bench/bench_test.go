//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMain lets the test binary be the worker too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		if err := workerMain(os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{4, 1, 3, 2}, spread{2.5, 1.75, 3.25}},
		{[]float64{5, 1, 4, 2, 3}, spread{3, 2, 4}},
	} {
		if got := newSpread(tt.values); got != tt.want {
			t.Errorf("newSpread(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
}

func TestBetween(t *testing.T) {
	document := "# Title\n" + firstLine + "old\n" + lastLine + "more\n"
	got, err := between(document, "new\n\n")
	if want := "# Title\n" + firstLine + "\nnew\n\n" + lastLine + "more\n"; err != nil || got != want {
		t.Errorf("between = %q, %v, want %q", got, err, want)
	}
	for _, bad := range []string{"", firstLine, lastLine, lastLine + firstLine} {
		if got, err := between(bad, "new"); err == nil {
			t.Errorf("between(%q) = %q, want an error", bad, got)
		}
	}
}

func TestProgramID(t *testing.T) {
	for _, tt := range []struct {
		text string
		id   uint32
		ok   bool
	}{
		{"pos:\t0\nprog_type:\t26\nprog_id:\t417\n", 417, true},
		{"link_type:\ttracing\nlink_id:\t3\nprog_id:\t9", 9, true},
		{"pos:\t0\nmap_id:\t4\n", 0, false},
		{"prog_id:\tx\n", 0, false},
	} {
		if id, ok := programID(tt.text); uint32(id) != tt.id || ok != tt.ok {
			t.Errorf("programID(%q) = %d, %t, want %d, %t", tt.text, id, ok, tt.id, tt.ok)
		}
	}
}

// Every loop that is in the table can be run again and again, and the worker times it.
func TestLoops(t *testing.T) {
	operations, err := operations(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if len(operations) != len(loops()) {
		t.Errorf("%d operations for %d loops", len(operations), len(loops()))
	}
	for _, name := range loopNames() {
		for range 100 {
			if err := operations[name](); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

func TestWorker(t *testing.T) {
	var timings map[string]timing
	if err := work(t.Context(), nil, &timings, "-dir", t.TempDir(), "-loops", "getpid"); err != nil {
		t.Fatal(err)
	}
	if got := timings["getpid"]; got.WallNS <= 0 || got.CPUNS <= 0 || got.Ops < batches {
		t.Errorf("getpid: %+v", got)
	}
	if err := workerMain([]string{"-dir", t.TempDir(), "-loops", "nothing"}, io.Discard); err == nil {
		t.Error("a loop that does not exist was run")
	}
}

func TestPace(t *testing.T) {
	start := time.Now()
	got, err := pace(t.TempDir(), 2000, 250*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if want := uint64(500); got.Opens != want {
		t.Errorf("%d opens, want %d", got.Opens, want)
	}
	if took := time.Since(start); took < 240*time.Millisecond {
		t.Errorf("took %s: not paced", took)
	}
}

func TestReport(t *testing.T) {
	one := func(v float64) map[string]spread {
		out := map[string]spread{}
		for _, l := range loops() {
			out[l.name] = spread{v, v, v}
		}
		return out
	}
	r := report{
		Kernel: "6.1", CPUs: 2, LoadBefore: "0.10", LoadAfter: "0.20", Emulated: true,
		Compared: compared{Rounds: 7, Alone: one(100), Guards: map[string]watched{ours: {Wall: one(1.1), CPU: one(1.2)}}},
		Skipped:  map[string]string{theirs: "no"},
	}
	var text strings.Builder
	r.write(&text)
	var lines []string
	for line := range strings.Lines(text.String()) {
		if strings.HasPrefix(line, "| exec") || strings.HasPrefix(line, "| open") || strings.HasPrefix(line, "| getpid") || strings.HasPrefix(line, theirs) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	want := []string{
		"| exec: vfork and exec `/bin/true`, wait for it | 1.10 (1.10 to 1.10) | 1.20 (1.20 to 1.20) | 1.05: missed |",
		"| open: open a file for reading, close it | 1.10 (1.10 to 1.10) | 1.20 (1.20 to 1.20) | 1.40: met |",
		"| getpid: getpid | 1.10 (1.10 to 1.10) | 1.20 (1.20 to 1.20) |  |",
		"auditd was not measured: no.",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// soak starts a guard of its own for one of the full counts.
func soak(t *testing.T) (*stockade, string) {
	if os.Getenv("STOCKADE_SOAK") == "" {
		t.Skip("takes minutes: set STOCKADE_SOAK=1, or run make soak")
	}
	if os.Getuid() != 0 {
		t.Skip("needs root: the guard loads BPF programs")
	}
	dir := t.TempDir()
	program, err := build(dir)
	if err != nil {
		t.Fatal(err)
	}
	return newStockade(program, dir), dir
}

func (l *load) logTo(t *testing.T) {
	t.Logf("%d opens in %s; produced %d, delivered %d, lost %s, unaccounted %d; %.2f CPU, RSS %s, maps %s", l.Opens, l.Elapsed,
		l.Produced, l.Delivered, losses(l.Lost), l.unaccounted(), l.CPU, mebibytes(l.RSSBytes), mebibytes(l.MapBytes))
}

func TestSoakOpens(t *testing.T) {
	s, dir := soak(t)
	l, err := measureLoad(t.Context(), s, dir, 50000, 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	l.logTo(t)
	if losses(l.Lost) != "none" || l.unaccounted() != 0 {
		t.Errorf("lost %s, unaccounted %d", losses(l.Lost), l.unaccounted())
	}
	if l.Produced < l.Opens {
		t.Errorf("%d records of %d opens", l.Produced, l.Opens)
	}
	if l.CPU >= 1 {
		t.Errorf("the guard used %.2f CPUs, want under one", l.CPU)
	}
	if took, want := l.Elapsed, 33*time.Second; took > want {
		t.Errorf("the opens took %s: this machine is too busy for the rate", took)
	}
}

func TestSoakMemory(t *testing.T) {
	const (
		processes = 100_000
		opens     = 1_000_000
		most      = 80_000_000
	)
	s, dir := soak(t)
	err := with(s, func() error {
		if err := work(t.Context(), nil, nil, "-execs", strconv.Itoa(processes)); err != nil {
			return err
		}
		if err := work(t.Context(), nil, new(paced), "-dir", dir, "-rate", "50000", "-for", "20s"); err != nil {
			return err
		}
		status, err := s.status()
		if err != nil {
			return err
		}
		t.Logf("%d records, RSS %s, kernel maps %s", status.Produced, mebibytes(status.RSSBytes), mebibytes(status.KernelMapBytes))
		if status.Produced < opens {
			t.Errorf("%d records, want at least %d", status.Produced, opens)
		}
		if status.RSSBytes > most {
			t.Errorf("RSS %s, want at most %s", mebibytes(status.RSSBytes), mebibytes(most))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
