//go:build linux

package daemon

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel/probe"
	"github.com/stockade-security/stockade/internal/posture"
)

// inventory reads what was there before the guard, and then reports what changes of it, until ctx ends.
func (d *Daemon) inventory(ctx context.Context) {
	if err := d.table.Snapshot(ctx); err != nil {
		d.cfg.Logger.Error("existing processes are unknown", "error", err)
	}
	fact := func(p event.Posture, who *event.Process) {
		d.submit(ctx, &event.Event{Kind: event.KindPosture, Evidence: event.EvidenceInventory, Time: time.Now(), Process: who, Posture: &p})
	}
	emit := func(p event.Posture) { fact(p, nil) }
	reader := posture.New(nil, probe.BPFPrograms)
	facts := reader.Inventory(ctx)
	for _, p := range facts {
		emit(p)
	}
	for _, p := range d.table.Processes() {
		fact(event.Posture{Subject: "process", Name: strconv.Itoa(p.PID), Value: cmp.Or(p.Exe, p.Name)}, p)
	}
	reader.Watch(ctx, facts, posture.DefaultInterval, emit)
}

// bootTime is the wall clock at the kernel's time 0, suspend included.
func bootTime() (time.Time, error) {
	var since unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &since); err != nil {
		return time.Time{}, fmt.Errorf("read the boot clock: %w", err)
	}
	// Without its monotonic part, so that the result follows when the wall clock is set.
	return time.Now().Round(0).Add(-time.Duration(since.Nano())), nil
}

// usage is the guard's own CPU time and resident memory.
func usage() (seconds float64, rss uint64) {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) == nil {
		seconds = time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
	}
	return seconds, residentBytes()
}
