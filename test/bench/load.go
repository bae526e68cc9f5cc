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
	n := int64(l.Produced) - int64(l.Delivered)
	for _, lost := range l.Lost {
		n -= int64(lost)
	}
	return n
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
		return s.settle(&out, before)
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

// settle fills in the counts since before, once the guard has read as much as the programs made. It compares them once a
// second; a host that never pauses may have records on their way each time, and then they stay unaccounted.
func (s *stockade) settle(l *load, before api.Status) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(pollEvery) {
		status, err := s.status()
		if err != nil {
			return err
		}
		l.Produced, l.Delivered = status.Produced-before.Produced, status.Delivered-before.Delivered
		l.Lost, l.MapBytes = maps.Clone(status.Lost), status.KernelMapBytes
		for cause, n := range before.Lost {
			l.Lost[cause] -= n
		}
		l.RSSBytes = max(l.RSSBytes, status.RSSBytes)
		if l.Produced >= l.Opens && l.unaccounted() <= 0 || time.Now().After(deadline) {
			return nil
		}
	}
}
