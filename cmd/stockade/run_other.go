//go:build !linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/api"
	"github.com/stockade-security/stockade/internal/audit"
	"github.com/stockade-security/stockade/internal/identity"
	"github.com/stockade-security/stockade/internal/paths"
	"github.com/stockade-security/stockade/internal/poller"
	"github.com/stockade-security/stockade/internal/show"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// runGuard judges what the poller sees by the same policy, in audit mode whatever mode the policy asks for.
func runGuard(c *cobra.Command, g *globals, f runFlags) error {
	if err := refuseScope(c); err != nil {
		return err
	}
	p, path, _, err := f.loadPolicy()
	if err != nil {
		return err
	}
	image, err := compile.Compile(p)
	if err != nil {
		return err
	}
	writer, err := show.New(f.format, c.OutOrStdout(), terminalOptions(c.OutOrStdout()))
	if err != nil {
		return err
	}
	c.PrintErrln("stockade: there are no kernel sensors for " + runtime.GOOS + ": only starts and ends of programs are seen, by sampling the list " +
		"of processes once a second, so that short-lived ones are missed, and nothing can be enforced")
	sensors, err := plannedSensors()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(c.Context())
	defer stop()
	s := &sampled{stop: stop, image: image, status: api.Status{
		Version: currentBuild().Version, Instance: g.instance, PID: os.Getpid(), StartedAt: time.Now(), Mode: string(policy.ModeAudit),
		Policy:  api.Policy{Path: path, Digest: p.Digest()},
		Sensors: sensors,
		Events:  map[event.Kind]uint64{}, Violations: api.Violations{BySeverity: map[event.Severity]uint64{}}, Lost: map[string]uint64{},
	}}
	if err := s.open(c, f); err != nil {
		return errors.Join(err, s.close())
	}
	if f.duration > 0 {
		time.AfterFunc(f.duration, stop)
	}
	live := liveView{writer: writer, all: f.all || f.format != show.Table, quiet: f.quiet}
	shown := live.start(c, s)
	err = s.run(ctx)
	s.Close()
	shown()
	return errors.Join(err, s.close(), writeStatus(c.ErrOrStderr(), s.status, time.Now()))
}

// refuseScope names the first flag that needs the kernel's help.
func refuseScope(c *cobra.Command) error {
	for _, name := range []string{"cgroup", "container", "pid", "sensors", "granted-capabilities"} {
		if c.Flags().Changed(name) {
			return badUsage(c, fmt.Errorf("--%s works on Linux only", name))
		}
	}
	return nil
}

// sampled is the guard of a system without kernel sensors. But for its hub and Stop, one goroutine uses it.
type sampled struct {
	api.Hub
	stop     context.CancelFunc
	image    *compile.Image
	poller   *poller.Poller
	log      *audit.Log
	segments *audit.Segments
	status   api.Status
}

// Stop asks run to end. It returns at once.
func (s *sampled) Stop() { s.stop() }

func (s *sampled) open(c *cobra.Command, f runFlags) error {
	boot, err := poller.Boot()
	if err != nil {
		return err
	}
	var redactor identity.Redactor
	s.poller = poller.New(poller.Config{Boot: boot, Redact: redactor.Argv, Logger: logger(c)})
	// These systems number no boots, or each in its own way; the time of the boot says which it was.
	id := boot.UTC().Format(time.RFC3339)
	s.log, err = audit.Open(audit.Config{Path: f.paths.AuditLog, BootID: id, PolicyDigest: s.image.Digest, Logger: logger(c)})
	if err != nil {
		return fmt.Errorf("open the audit log %s: %w", f.paths.AuditLog, err)
	}
	dir := filepath.Join(f.paths.State, "segments")
	s.segments, err = audit.OpenSegments(audit.SegmentsConfig{Dir: dir, BootID: id, Report: s.log.Append, Logger: logger(c)})
	if err != nil {
		return fmt.Errorf("open the segments in %s: %w", dir, err)
	}
	return nil
}

// run publishes what the poller sees, between the guard's own records of its start and end.
func (s *sampled) run(ctx context.Context) error {
	s.publish(guardEvent("start", "version "+s.status.Version))
	err := s.poller.Run(ctx, s.publish)
	s.publish(guardEvent("stop", ""))
	return err
}

func guardEvent(action, detail string) *event.Event {
	return &event.Event{
		Kind: event.KindGuard, Evidence: event.EvidenceGuard, Time: time.Now(), Guard: &event.Guard{Action: action, Detail: detail},
	}
}

// publish judges and numbers an event, and hands it to all who keep or show it.
func (s *sampled) publish(e *event.Event) {
	s.status.Produced++
	s.status.Delivered = s.status.Produced
	e.Seq = s.status.Produced
	e.ID = strconv.FormatInt(s.status.StartedAt.UnixNano(), 36) + "-" + strconv.FormatUint(e.Seq, 10)
	if e.Exec == nil || e.Exec.File.Path != "" { // of what the system hides, nothing can be said
		e.Violations = verdict.Judge(s.image, policy.ModeAudit, e)
	}
	s.status.Events[e.Kind]++
	for _, v := range e.Violations {
		s.status.Violations.BySeverity[v.Severity]++
		if v.WouldDeny {
			s.status.Violations.WouldDeny++
		}
	}
	s.segments.Append(e)
	s.log.Append(e)
	s.Publish(e)
}

// close ends the files and completes the status. It may be called after a failed open.
func (s *sampled) close() error {
	var errs []error
	if s.segments != nil {
		errs = append(errs, s.segments.Close())
		s.lost(s.segments.Losses())
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
		s.lost(s.log.Losses())
	}
	s.status.CPUSeconds, s.status.RSSBytes = poller.Usage()
	s.status.Streams = s.Streams()
	return errors.Join(errs...)
}

func (s *sampled) lost(losses []event.Loss) {
	for _, l := range losses {
		s.status.Lost[l.Cause] += l.Records
	}
}

// plannedSensors says how a guard observes here.
func plannedSensors() ([]api.Sensor, error) {
	return []api.Sensor{{Name: "process", Evidence: event.EvidencePoller, Note: "sampled"}}, nil
}

// releaseLeft has nothing to end.
func releaseLeft(paths.Paths) error { return nil }
