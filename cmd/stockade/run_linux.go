package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/api"
	"github.com/stockade-security/stockade/internal/daemon"
	"github.com/stockade-security/stockade/internal/kernel/probe"
	"github.com/stockade-security/stockade/internal/paths"
	"github.com/stockade-security/stockade/internal/show"
)

// runGuard opens the guard, shows what it sees, and sums up at the end.
func runGuard(c *cobra.Command, g *globals, f runFlags) error {
	p, path, mode, err := f.loadPolicy()
	if err != nil {
		return err
	}
	if err := probe.Ready(); err != nil {
		return err
	}
	frugal()
	writer, err := show.New(f.format, c.OutOrStdout(), terminalOptions(c.OutOrStdout()))
	if err != nil {
		return err
	}
	d, err := daemon.Open(daemon.Config{
		Version: currentBuild().Version, Instance: g.instance, Paths: f.paths,
		Policy: p, PolicyPath: path, Mode: mode, Sensors: f.sensors, GrantedCapabilities: f.granted,
		Scope:    daemon.Scope{Cgroup: f.cgroup, PIDs: f.pids, Container: f.container},
		Duration: f.duration, Logger: logger(c),
	})
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // after the one below it does nothing
	live := liveView{writer: writer, all: f.all || f.format != show.Table, quiet: f.quiet}
	shown := live.start(c, d)
	err = d.Run(c.Context())
	shown()
	summary := d.Status()
	if e := summary.Enforcement; e != nil && e.Digest != "" {
		c.PrintErrln("stockade: the policy stays in force in the kernel: end that with `stockade stop --release`")
	}
	if e := d.Close(); err == nil {
		err = e
	}
	if e := writeStatus(c.ErrOrStderr(), summary, time.Now()); err == nil {
		err = e
	}
	return err
}

// plannedSensors says how a guard would observe here. Only root can try.
func plannedSensors() ([]api.Sensor, error) {
	if err := probe.Ready(); err != nil {
		return nil, err
	}
	return daemon.PlanSensors()
}

// releaseLeft ends what a guard that is gone has left in force.
func releaseLeft(p paths.Paths) error { return daemon.ReleaseLeft(p) }
