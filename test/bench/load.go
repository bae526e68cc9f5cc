//go:build linux

package main

import (
	"context"
	"maps"
	"strconv"
	"time"

	"github.com/stockade-security/stockade/internal/api"
)

// load is what the guard made of a steady stream of opens. The counts are of the whole host, which is never quiet.
type load struct {
	Rate      int
	Opens     uint64
	Elapsed   time.Duration
	Produced  uint64
	Delivered uint64
	Lost      map[string]uint64
	// CPU is the guard's, in seconds per second.
	CPU float64
	// RSSBytes is the highest seen at seconds' steps; MapBytes what its kernel maps hold besides.
	RSSBytes, MapBytes uint64
}

// unaccounted is what was produced and neither delivered nor lost by a known cause. Records that the guard read and then
// could not write are both delivered and lost, so that the difference may be negative.
func (l *load) unaccounted() int64 {
	return int64(l.Produced) - int64(l.Delivered) - int64(sum(l.Lost))
}

// measureLoad starts the guard, opens files at that rate, and returns when the guard has caught up.
func measureLoad(ctx context.Context, s *stockade, dir string, rate int, length time.Duration) (out load, err error) {
	err = with(s, func() error {
		before, err := s.status()
		if err != nil {
			return err
		}
		generator := make(chan error, 1)
		var did paced
		go func() {
			generator <- work(ctx, nil, &did, "-dir", dir, "-rate", strconv.Itoa(rate), "-for", length.String())
		}()
		start := time.Now()
		highest, err := s.watch(generator)
		if err != nil {
			return err
		}
		elapsed := time.Since(start)
		after, err := s.status()
		if err != nil {
			return err
		}
		cpu := (after.CPUSeconds - before.CPUSeconds) / elapsed.Seconds()
		out = load{Rate: rate, Opens: did.Opens, Elapsed: did.Elapsed, CPU: cpu, RSSBytes: highest}
		return s.settle(&out, before, after)
	})
	return out, err
}

// watch returns the highest RSS until done has something.
func (s *stockade) watch(done <-chan error) (highest uint64, err error) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		status, err := s.status()
		if err != nil {
			return highest, err
		}
		highest = max(highest, status.RSSBytes)
		select {
		case err := <-done:
			return highest, err
		case <-tick.C:
		}
	}
}

// settle fills in the counts from before to after, once the guard has read what the programs had made by then. Records are
// read in the order in which they were made, and a host never pauses: what came later is left out of both counts.
func (s *stockade) settle(l *load, before, after api.Status) error {
	l.Produced, l.MapBytes = after.Produced-before.Produced, after.KernelMapBytes
	for deadline := time.Now().Add(patience); ; time.Sleep(pollEvery) {
		status, err := s.status()
		if err != nil {
			return err
		}
		l.Lost = maps.Clone(status.Lost)
		for cause, n := range before.Lost {
			l.Lost[cause] -= n
		}
		l.Delivered = min(status.Delivered, after.Produced-sum(status.Lost)) - before.Delivered
		l.Delivered -= min(l.Delivered, before.Produced-before.Delivered-sum(before.Lost)) // on their way before
		l.RSSBytes = max(l.RSSBytes, status.RSSBytes)
		if l.unaccounted() <= 0 || time.Now().After(deadline) {
			return nil
		}
	}
}

func sum(lost map[string]uint64) (total uint64) {
	for _, n := range lost {
		total += n
	}
	return total
}
