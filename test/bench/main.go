//go:build linux

// Command bench measures what the guard costs: loops of system calls without any guard, under it and under auditd, in turn on
// one machine, as ratios; and what a steady load makes of it. Run it in the root of the repository, as root. It judges nothing:
// a ratio that misses its aim is shown as it is. It leaves audit alone on a host that uses it.
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
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
)

// The guards' names in the report.
const (
	ours   = "stockade"
	theirs = "auditd"
)

// options is what the command line asks for.
type options struct {
	rounds             int
	program            string
	guest, write, json string
	ratios, emulated   bool
	rate               int
	loadTime           time.Duration
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // what was started must be stopped
	defer cancel()
	run := func() error { return measureAll(ctx, parse(), os.Stdout) }
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		run = func() error { return workerMain(os.Args[2:], os.Stdout) }
	}
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func parse() options {
	var o options
	flag.IntVar(&o.rounds, "rounds", 7, "how many times each guard has its turn")
	flag.StringVar(&o.program, "stockade", "", "measure this `PROGRAM`; by default it is built")
	flag.StringVar(&o.guest, "guest", "6.12", "measure in a guest with the kernel of this `SERIES` too; empty: do not")
	flag.StringVar(&o.write, "write", "", "put the report between the marked lines of `FILE`")
	flag.StringVar(&o.json, "json", "", "write what was measured here into `FILE`, and no report")
	flag.BoolVar(&o.ratios, "ratios", false, "run the loops alone")
	flag.BoolVar(&o.emulated, "emulated", false, "say that this machine is emulated")
	flag.IntVar(&o.rate, "rate", 50000, "opens a second of the steady load")
	flag.DurationVar(&o.loadTime, "load", 5*time.Second, "how long the steady load lasts")
	flag.Parse()
	return o
}

// measureAll measures here and then in the guest, and reports both.
func measureAll(ctx context.Context, o options, w io.Writer) error {
	dir, err := os.MkdirTemp("", "stockade-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if o.program == "" {
		if o.program, err = build(dir); err != nil {
			return err
		}
	}
	here, err := measure(ctx, o, dir)
	if err != nil {
		return err
	}
	if o.json != "" {
		b, err := json.Marshal(here)
		if err != nil {
			return err
		}
		return os.WriteFile(o.json, b, 0o600)
	}
	reports := []*report{here}
	if o.guest != "" {
		there, err := inGuest(ctx, o.guest, o.program, dir, o.rounds)
		if err != nil {
			return errors.Join(err, publish(reports, o.write, w)) // what was measured here took minutes, too
		}
		reports = append(reports, there)
	}
	return publish(reports, o.write, w)
}

// publish writes the reports to w, and into the document at path unless that is empty.
func publish(reports []*report, path string, w io.Writer) error {
	var text strings.Builder
	for _, r := range reports {
		r.write(&text)
	}
	_, err := io.WriteString(w, text.String())
	if path != "" {
		err = errors.Join(err, replace(path, text.String()))
	}
	return err
}

// measure does everything that is done on this kernel.
func measure(ctx context.Context, o options, dir string) (*report, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, err
	}
	r := &report{
		Kernel: unix.ByteSliceToString(name.Release[:]), CPUs: runtime.NumCPU(), Date: time.Now(), LoadBefore: loadAverage(), Emulated: o.emulated,
		Skipped: map[string]string{},
	}
	guard := newStockade(o.program, dir)
	var err error
	if r.Rungs, err = rungs(guard); err != nil {
		return nil, err
	}
	contenders := []contender{{ours, guard}}
	if a, err := newAuditd(dir); err != nil {
		r.Skipped[theirs] = err.Error()
	} else {
		contenders = append(contenders, contender{theirs, a})
	}
	if r.Compared, err = compare(ctx, o.rounds, dir, contenders, say); err != nil {
		return nil, err
	}
	if !o.ratios {
		if r.Programs, err = measurePrograms(ctx, guard, dir, []string{"open", "connect_refused", "connect_accept", "connect_udp"}); err != nil {
			return nil, err
		}
		l, err := measureLoad(ctx, guard, dir, o.rate, o.loadTime)
		if err != nil {
			return nil, err
		}
		r.Load = &l
	}
	r.LoadAfter = loadAverage()
	return r, nil
}

// rungs starts the guard once to learn how each sensor observes here.
func rungs(s *stockade) (map[string]event.Evidence, error) {
	out := map[string]event.Evidence{}
	err := with(s, func() error {
		status, err := s.status()
		for _, sensor := range status.Sensors {
			if sensor.Evidence != "" {
				out[sensor.Name] = sensor.Evidence
			}
		}
		return err
	})
	return out, err
}

func build(dir string) (string, error) {
	program := filepath.Join(dir, "stockade")
	c := exec.Command("go", "build", "-trimpath", "-o", program, "github.com/stockade-security/stockade/cmd/stockade")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	c.Stderr = os.Stderr
	return program, c.Run()
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// say tells who waits how far it is.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
