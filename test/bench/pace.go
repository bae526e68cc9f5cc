//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// paced is what a generator did.
type paced struct {
	Opens   uint64        `json:"opens"`
	Elapsed time.Duration `json:"elapsed_ns"`
}

const (
	// pacers is how many threads share the rate; they are not pinned.
	pacers = 2
	// pacedFiles is how many files they open in turn.
	pacedFiles = 64
	paceEvery  = time.Millisecond
)

// pace opens rate files a second for that long. A machine that cannot keep up makes all opens all the same, only later.
func pace(dir string, rate int, length time.Duration) (paced, error) {
	var paths []*byte
	for i := range pacedFiles {
		name := filepath.Join(dir, fmt.Sprintf("paced-%02d", i))
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			return paced{}, err
		}
		path, err := syscall.BytePtrFromString(name)
		if err != nil {
			return paced{}, err
		}
		paths = append(paths, path)
	}
	total := uint64(float64(rate) * length.Seconds() / pacers)
	errs := make([]error, pacers)
	var threads sync.WaitGroup
	start := time.Now()
	for i := range pacers {
		threads.Go(func() { errs[i] = pacer(paths, start, float64(rate)/pacers, total) })
	}
	threads.Wait()
	return paced{Opens: total * pacers, Elapsed: time.Since(start)}, errors.Join(errs...)
}

func pacer(paths []*byte, start time.Time, rate float64, total uint64) error {
	runtime.LockOSThread()
	for n := uint64(0); n < total; {
		due := min(uint64(time.Since(start).Seconds()*rate), total)
		for ; n < due; n++ {
			if err := openClose(paths[n%pacedFiles]); err != nil {
				return err
			}
		}
		time.Sleep(paceEvery)
	}
	return nil
}
