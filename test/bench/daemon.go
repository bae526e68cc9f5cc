//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// patience bounds every wait for a daemon to come and to go; an emulated kernel takes most of a minute to load a guard.
	patience  = 3 * time.Minute
	pollEvery = 50 * time.Millisecond
)

// daemon is a process that runs until it is told to end.
type daemon struct {
	name     string
	command  *exec.Cmd
	messages bytes.Buffer // what it said on standard error; complete when it has gone
	gone     chan struct{}
	err      error // what Wait said; valid when gone is closed
}

func startDaemon(program string, args ...string) (*daemon, error) {
	d := &daemon{name: filepath.Base(program), command: exec.Command(program, args...), gone: make(chan struct{})}
	d.command.Stderr = &d.messages
	if err := d.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", d.name, err)
	}
	go func() {
		d.err = d.command.Wait()
		close(d.gone)
	}()
	return d, nil
}

func (d *daemon) pid() int { return d.command.Process.Pid }

// await polls until ready says so, or the daemon ends by itself.
func (d *daemon) await(ready func() (bool, error)) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if ok, err := ready(); ok || err != nil {
			return err
		}
		select {
		case <-d.gone:
			return fmt.Errorf("%s ended: %s", d.name, strings.TrimSpace(d.messages.String()))
		case <-tick.C:
		}
	}
	return fmt.Errorf("%s is not ready after %s", d.name, patience)
}

// end tells the daemon to end and waits for it; one that does not is killed, which is an error.
func (d *daemon) end() error {
	_ = d.command.Process.Signal(syscall.SIGTERM) // it may have gone by itself
	kill := time.AfterFunc(patience, func() { _ = d.command.Process.Kill() })
	defer kill.Stop()
	<-d.gone
	if d.err != nil {
		return fmt.Errorf("%s: %w: %s", d.name, d.err, strings.TrimSpace(d.messages.String()))
	}
	return nil
}

const (
	// calmFor is how long a daemon must be at rest: it then uses less than a fifth of a CPU.
	calmFor = 200 * time.Millisecond
	// calmBy is when it is let be: on a host where much goes on, a daemon is never at rest.
	calmBy = 2 * time.Second
)

// calm waits until the daemon is at rest.
func (d *daemon) calm() {
	for deadline := time.Now().Add(calmBy); time.Now().Before(deadline); {
		before := d.cpu()
		time.Sleep(calmFor)
		if d.cpu()-before < calmFor/5 {
			return
		}
	}
}

// cpu is what the daemon has used, all its threads together; 0 when it has gone.
func (d *daemon) cpu() time.Duration {
	clock := int32(^d.pid()<<3 | 2) // clock_getcpuclockid(3): the process's scheduler clock
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
