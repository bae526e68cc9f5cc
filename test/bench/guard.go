//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/internal/api"
	"github.com/stockade-security/stockade/internal/paths"
)

// patience bounds every wait for a daemon to come, to calm down and to go.
const patience = time.Minute

const pollEvery = 50 * time.Millisecond

// guard is what watches while the loops run.
type guard interface {
	// start returns when everything is attached.
	start() error
	// process is the running daemon; 0: there is none.
	process() int
	// wrapper is the command that starts a worker which this guard is to watch; empty: none is needed.
	wrapper() []string
	// stop leaves the host as start found it.
	stop() error
}

// none watches nothing: what the others are compared with.
type none struct{}

func (none) start() error      { return nil }
func (none) process() int      { return 0 }
func (none) wrapper() []string { return nil }
func (none) stop() error       { return nil }

// stockade is one instance of the guard at its defaults, apart from where it keeps its files.
type stockade struct {
	program, dir, instance string
	command                *exec.Cmd
	client                 *api.Client
}

func newStockade(program, dir string) *stockade {
	return &stockade{program: program, dir: dir, instance: fmt.Sprintf("bench-%d", os.Getpid())}
}

func (*stockade) wrapper() []string { return nil }

func (s *stockade) process() int { return s.command.Process.Pid }

func (s *stockade) start() error {
	places, err := paths.For(s.instance)
	if err != nil {
		return err
	}
	s.command = exec.Command(s.program, "run", "--instance", s.instance, "--quiet",
		"--audit-log", filepath.Join(s.dir, "audit.jsonl"), "--state", filepath.Join(s.dir, "state"))
	s.command.Stdout, s.command.Stderr = io.Discard, io.Discard
	if err := s.command.Start(); err != nil {
		return fmt.Errorf("start the guard: %w", err)
	}
	err = await("the guard at "+places.Socket, func() (bool, error) {
		s.client, err = api.Dial(places.Socket)
		return err == nil, nil
	})
	if err != nil {
		return errors.Join(err, s.stop())
	}
	calm(s.process()) // the inventory of the host comes first
	return nil
}

func (s *stockade) status() (api.Status, error) { return s.client.Status(context.Background()) }

func (s *stockade) stop() error {
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
	err := end(s.command)
	// What one run has written must not be what the next one reads.
	return errors.Join(err, os.RemoveAll(filepath.Join(s.dir, "state")), os.RemoveAll(filepath.Join(s.dir, "audit.jsonl")),
		os.RemoveAll("/run/stockade-"+s.instance))
}

// end tells a daemon to end and waits for it; one that does not is killed.
func end(c *exec.Cmd) error {
	_ = c.Process.Signal(syscall.SIGTERM) // it may have gone by itself, which Wait tells
	kill := time.AfterFunc(patience, func() { _ = c.Process.Kill() })
	defer kill.Stop()
	if err := c.Wait(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(c.Path), err)
	}
	return nil
}

// await polls until done says so.
func await(what string, done func() (bool, error)) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(pollEvery) {
		if ok, err := done(); ok || err != nil {
			return err
		}
	}
	return fmt.Errorf("wait for %s: nothing after %s", what, patience)
}

// with does something while the guard runs.
func with(g guard, do func() error) error {
	if err := g.start(); err != nil {
		return err
	}
	return errors.Join(do(), g.stop())
}

const (
	// calmFor is how long a daemon must be at rest: it then used less than a fifth of a CPU.
	calmFor = 200 * time.Millisecond
	// calmBy is when it is let be: on a host where much goes on, a daemon is never at rest.
	calmBy = 5 * time.Second
)

// calm waits until a daemon is at rest.
func calm(pid int) {
	for deadline := time.Now().Add(calmBy); pid != 0 && time.Now().Before(deadline); {
		before := processCPU(pid)
		time.Sleep(calmFor)
		if processCPU(pid)-before < calmFor/5 {
			return
		}
	}
}

// processCPU is what a process has used, all its threads together; 0 when it has gone.
func processCPU(pid int) time.Duration {
	clock := int32(^pid<<3 | 2) // clock_getcpuclockid(3): the process's scheduler clock
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
