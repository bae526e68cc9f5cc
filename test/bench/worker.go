//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// batchTime is how long one batch should last: long against the clock's cost, short against the scheduler's slices.
	batchTime = 10 * time.Millisecond
	batches   = 21
)

// timing is what a worker says of one loop: the medians of its batches, in nanoseconds per operation, and how many
// operations it made in all, those before the first batch included.
type timing struct {
	WallNS float64 `json:"wall_ns"`
	CPUNS  float64 `json:"cpu_ns"`
	Ops    uint64  `json:"ops"`
}

// A worker is this program again, as a process of its own: it is born under the guard that it is to be measured under.
// That matters for auditd, because the kernel decides at birth whether a task is audited.
func workerMain(args []string, w io.Writer) error {
	flags := flag.NewFlagSet("worker", flag.ContinueOnError)
	dir := flags.String("dir", "", "where the files are that are opened")
	loops := flags.String("loops", "", "time these loops, separated by commas")
	rate := flags.Int("rate", 0, "open this many files a second")
	execs := flags.Int("execs", 0, "run this many processes")
	length := flags.Duration("for", time.Second, "open files for this time")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case *rate > 0:
		done, err := pace(*dir, *rate, *length)
		return errors.Join(err, json.NewEncoder(w).Encode(done))
	case *execs > 0:
		for range *execs {
			if err := execTrue(); err != nil {
				return err
			}
		}
		return nil
	}
	timings, err := timeLoops(*dir, strings.Split(*loops, ","))
	return errors.Join(err, json.NewEncoder(w).Encode(timings))
}

// timeLoops runs on the last CPU alone, so that a loop with children does not measure how they are spread.
func timeLoops(dir string, names []string) (map[string]timing, error) {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	var last unix.CPUSet
	last.Set(runtime.NumCPU() - 1)
	if err := unix.SchedSetaffinity(0, &last); err != nil {
		return nil, fmt.Errorf("pin to a CPU: %w", err)
	}
	operations, err := operations(dir)
	if err != nil {
		return nil, err
	}
	out := map[string]timing{}
	for _, name := range names {
		once := operations[name]
		if once == nil {
			return nil, fmt.Errorf("no loop %q", name)
		}
		if out[name], err = timeLoop(once); err != nil {
			return nil, fmt.Errorf("loop %s: %w", name, err)
		}
	}
	return out, nil
}

// timeLoop finds out how many operations fill a batch, which warms everything up, and takes the medians of the batches.
func timeLoop(once func() error) (timing, error) {
	n, out := 1, timing{}
	for {
		wall, _, err := batch(once, n)
		if err != nil {
			return out, err
		}
		out.Ops += uint64(n)
		if wall >= batchTime {
			break
		}
		n *= 2
	}
	var walls, cpus []float64
	for range batches {
		wall, cpu, err := batch(once, n)
		if err != nil {
			return out, err
		}
		out.Ops += uint64(n)
		walls = append(walls, float64(wall)/float64(n))
		cpus = append(cpus, float64(cpu)/float64(n))
	}
	out.WallNS, out.CPUNS = median(walls), median(cpus)
	return out, nil
}

func batch(once func() error, n int) (wall, cpu time.Duration, err error) {
	cpu, start := cpuTime(), time.Now()
	for range n {
		if err := once(); err != nil {
			return 0, 0, err
		}
	}
	wall = time.Since(start)
	return wall, cpuTime() - cpu, nil
}

// cpuTime is what this thread and the processes it waited for have used.
func cpuTime() time.Duration {
	var own unix.Timespec
	var children unix.Rusage
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &own) // these two fail on wrong arguments only
	_ = unix.Getrusage(unix.RUSAGE_CHILDREN, &children)
	return time.Duration(own.Nano() + children.Utime.Nano() + children.Stime.Nano())
}

// work runs a worker and reads its answer into out. With a wrapper, that command starts it. It is killed when ctx ends.
func work(ctx context.Context, wrapper []string, out any, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	argv := slices.Concat(wrapper, []string{self, "worker"}, args)
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1") // or the runtime sends signals to a thread that never pauses
	c.Stderr = os.Stderr
	b, err := c.Output()
	if err != nil {
		return fmt.Errorf("run %s: %w", strings.Join(argv, " "), err)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}
