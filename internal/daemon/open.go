//go:build linux

package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stockade-security/stockade/internal/api"
	"github.com/stockade-security/stockade/internal/audit"
	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/internal/kernel/probe"
	"github.com/stockade-security/stockade/internal/pipeline"
	"github.com/stockade-security/stockade/internal/sensor/system"
)

func (d *Daemon) openRecords() error {
	boot, err := bootID()
	if err != nil {
		return err
	}
	d.log, err = audit.Open(audit.Config{
		Path: d.cfg.Paths.AuditLog, BootID: boot, PolicyDigest: d.cfg.Policy.Digest(), Logger: d.cfg.Logger,
	})
	if err != nil {
		return err
	}
	dir := filepath.Join(d.cfg.Paths.State, "segments")
	d.segments, err = audit.OpenSegments(audit.SegmentsConfig{Dir: dir, BootID: boot, Report: d.log.Append, Logger: d.cfg.Logger})
	if err != nil {
		return err
	}
	return nil
}

func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b)), wrap("read the boot id", err)
}

func (d *Daemon) openServer() error {
	d.server = api.New(api.Config{Socket: d.cfg.Paths.Socket, Daemon: d, Logger: d.cfg.Logger})
	return wrap("serve the API", d.server.Listen())
}

func (d *Daemon) serve(server *api.Server) {
	if err := server.Serve(); err != nil {
		d.cfg.Logger.Error("the API ended", "error", err)
	}
}

// closeServer waits this long for open requests.
const serverPatience = 2 * time.Second

func (d *Daemon) closeServer() error {
	if d.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), serverPatience)
	defer cancel()
	err := d.server.Close(ctx)
	d.server = nil
	return wrap("close the API", err)
}

func (d *Daemon) openKernel() error {
	root := probe.CgroupRoot()
	scope, err := d.cfg.Scope.resolve(root)
	if err != nil {
		return err
	}
	sensors, err := pick(d.cfg.Sensors, system.Options{GrantedCapabilities: d.cfg.GrantedCapabilities})
	if err != nil {
		return err
	}
	if err := d.openEnforcer(root, scope); err != nil {
		return err
	}
	d.kernel, err = kernel.Open(kernel.Config{Trampolines: probe.Trampolines(), CgroupRoot: root, Scope: scope, RingBytes: d.cfg.RingBytes})
	if err != nil {
		return err
	}
	boot, err := bootTime()
	if err != nil {
		return err
	}
	d.pipe = pipeline.New(pipeline.Config{
		Decode: d.kernel.Decode, Table: d.table, Judge: d.judge(), Boot: boot,
		// Nanoseconds of the wall clock differ between runs on one host, whatever booted when.
		Run: strconv.FormatInt(d.started.UnixNano(), 36),
	})
	for _, s := range sensors {
		if err := d.kernel.Add(s); err != nil {
			return err
		}
	}
	return d.degraded()
}

// degraded tells of hooks that this kernel lacks: what they would see goes unseen. None at all is an error.
func (d *Daemon) degraded() error {
	attached := 0
	for _, a := range d.kernel.Attached() {
		if a.Missing == "" {
			attached++
			continue
		}
		d.cfg.Logger.Warn("a hook is missing on this kernel", "sensor", a.Sensor, "hook", a.Target, "why", a.Missing)
	}
	if attached == 0 {
		return errors.New("no hook could be attached")
	}
	return nil
}
