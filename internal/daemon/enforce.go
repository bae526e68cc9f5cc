//go:build linux

package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/api"
	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/internal/kernel/enforcer"
	"github.com/stockade-security/stockade/internal/kernel/probe"
	"github.com/stockade-security/stockade/internal/paths"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

// inForce is the policy that events are judged by. It is immutable; a change puts another in its place.
type inForce struct {
	policy *policy.Policy
	path   string
	image  *compile.Image
	// mode replaces the policy's own; empty: they hold.
	mode policy.Mode
	// lacks is what of it this kernel has no hook for.
	lacks []string
}

// enforces reports whether an access could be refused by it.
func (f *inForce) enforces() bool {
	if f.mode != "" {
		return f.mode == policy.ModeEnforce
	}
	for i := range f.image.Subjects {
		if f.image.Subjects[i].Mode == policy.ModeEnforce {
			return true
		}
	}
	return false
}

// openEnforcer comes before the sensors, so that what is refused is not seen as done. Where nothing is to be enforced, and no
// earlier guard has left anything in force, nothing is opened.
func (d *Daemon) openEnforcer(root string, scope kernel.Scope) error {
	f := d.force.Load()
	if !f.enforces() && !enforcer.Pinned(d.cfg.Paths.BPF) {
		return nil
	}
	if err := d.startEnforcer(root, scope); err != nil {
		return err
	}
	return d.enforce(f, sessionOf(api.Peer{PID: os.Getppid()})) // who starts the guard applies its policy
}

func (d *Daemon) startEnforcer(root string, scope kernel.Scope) error {
	if len(scope.PIDs) > 0 {
		return errors.New("enforce mode cannot be limited to processes: limit it to a cgroup with --cgroup, or watch in audit mode")
	}
	e, err := enforcer.Open(enforcer.Config{
		Pins: d.cfg.Paths.BPF, State: d.cfg.Paths.State, Trampolines: probe.Trampolines(), CgroupRoot: root, Scope: scope,
		Users: userNumbers, Logger: d.cfg.Logger,
	})
	if err != nil {
		return fmt.Errorf("open enforcement: %w", err)
	}
	d.enforcer.Store(e)
	return nil
}

// enforce puts a policy in force in the kernel, and then judges events by it.
func (d *Daemon) enforce(f *inForce, session enforcer.Session) error {
	next := *f
	e := d.enforcer.Load()
	if err := e.SetSession(session, f.policy.BreakGlass != policy.BreakGlassNone); err != nil {
		return err
	}
	lacks, err := e.Apply(f.policy, f.image, f.mode)
	if err != nil {
		return fmt.Errorf("enforce the policy: %w", err)
	}
	next.lacks = lacks
	for _, lack := range lacks {
		d.cfg.Logger.Warn("the policy is not enforced in full", "why", lack)
	}
	d.put(&next)
	return nil
}

// put has events judged by another policy from now on.
func (d *Daemon) put(f *inForce) {
	d.force.Store(f)
	d.log.SetPolicyDigest(f.policy.Digest())
}

// userNumbers looks a user up. A name that there is not claims nobody.
func userNumbers(name string) []uint32 {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return []uint32{uint32(n)}
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil
	}
	return []uint32{uint32(n)}
}

// Apply reads the policy at a path and puts it in force, if it is the one with that digest.
func (d *Daemon) Apply(path, digest string, by api.Peer) error {
	p, err := policy.Load(path)
	if err != nil {
		return &api.Refusal{Err: err}
	}
	if p.Digest() != digest {
		return &api.Refusal{Err: fmt.Errorf("%s has changed since it was checked: its digest is %s now", path, p.Digest())}
	}
	img, err := compile.Compile(p)
	if err != nil {
		return &api.Refusal{Err: err}
	}
	next := &inForce{policy: p, path: path, image: img, mode: d.force.Load().mode}
	return d.change(next, by, func(detail string) *event.Event { return d.guardEvent("apply", detail) })
}

// SetMode replaces the modes of the policy in force; empty: they hold again.
func (d *Daemon) SetMode(mode policy.Mode, by api.Peer) error {
	next := *d.force.Load()
	next.mode = mode
	return d.change(&next, by, func(detail string) *event.Event { return d.guardEvent("mode", detail) })
}

// change puts something else in force, everywhere or nowhere, and records who wanted it.
func (d *Daemon) change(next *inForce, by api.Peer, record func(detail string) *event.Event) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	if d.enforcer.Load() == nil && next.enforces() {
		root := probe.CgroupRoot()
		scope, err := d.cfg.Scope.resolve(root)
		if err != nil {
			return err
		}
		if err := d.startEnforcer(root, scope); err != nil {
			return err
		}
	}
	if d.enforcer.Load() == nil {
		d.put(next)
	} else if err := d.enforce(next, sessionOf(by)); err != nil {
		return err
	}
	d.submit(context.Background(), record(fmt.Sprintf("policy %s, digest %s, mode %s, by uid %d, pid %d", cmp.Or(next.path, "built in"), next.policy.Digest(), d.mode(), by.UID, by.PID)))
	return nil
}

// sessionOf is the log-in session of a process: by the kernel's audit, and by its cgroup where that is a session's own.
func sessionOf(by api.Peer) enforcer.Session {
	s := enforcer.Session{Audit: enforcer.NoSession, Guard: uint32(os.Getpid())}
	proc := filepath.Join("/proc", strconv.Itoa(by.PID))
	if text, err := os.ReadFile(filepath.Join(proc, "sessionid")); err == nil {
		if n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32); err == nil {
			s.Audit = uint32(n)
		}
	}
	text, err := os.ReadFile(filepath.Join(proc, "cgroup"))
	if err != nil {
		return s
	}
	_, path, _ := strings.Cut(strings.TrimSpace(string(text)), "0::")
	if base := filepath.Base(path); strings.HasPrefix(base, "session-") && strings.HasSuffix(base, ".scope") {
		if scope, err := (Scope{Cgroup: path}).resolve(probe.CgroupRoot()); err == nil {
			s.CgroupID, s.CgroupLevel = scope.CgroupID, scope.CgroupLevel
		}
	}
	return s
}

// mountsEvery is how often the host's table of mounts is looked at.
const mountsEvery = time.Second

// followMounts keeps the programs' knowledge of the host's mounts until ctx ends.
func (d *Daemon) followMounts(ctx context.Context) {
	tick := time.NewTicker(mountsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if e := d.enforcer.Load(); e != nil {
			if err := e.FollowMounts(); err != nil {
				d.cfg.Logger.Warn("new mounts are judged by the names that tasks see alone", "error", err)
			}
		}
	}
}

// denial is the way of a record of what was refused.
func (d *Daemon) denial(r *kernel.Record) error {
	d.denials.delivered++
	e, err := d.pipe.Denial(r, d.enforcer.Load().Decode)
	if err != nil {
		return err
	}
	d.publish(e)
	return nil
}

// drainDenials publishes what was refused since the last time.
func (d *Daemon) drainDenials() error {
	e := d.enforcer.Load()
	if e == nil {
		return nil
	}
	return e.Drain(d.denial)
}

// accountDenials publishes the losses among them.
func (d *Daemon) accountDenials() error {
	e := d.enforcer.Load()
	if e == nil {
		return nil
	}
	a, err := e.Accounts()
	if err != nil {
		return err
	}
	d.publishLosses(&d.denials, a)
	return nil
}

// Release ends enforcement: nothing stays pinned.
func (d *Daemon) Release(by api.Peer) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	e := d.enforcer.Load()
	if e == nil {
		return nil
	}
	d.submit(context.Background(), d.guardEvent("release", fmt.Sprintf("by uid %d, pid %d", by.UID, by.PID)))
	return e.Release()
}

// enforcement is what status says of it; nil: nothing is or can be refused.
func (d *Daemon) enforcement() *api.Enforcement {
	e := d.enforcer.Load()
	if e == nil {
		return nil
	}
	s, err := e.Status()
	if err != nil {
		d.cfg.Logger.Warn("the state of enforcement is not known", "error", err)
	}
	out := &api.Enforcement{Digest: s.Digest, Since: s.Since, Denied: s.Denied, Adopted: s.Adopted, Undecided: s.Undecided, Unlabelled: s.Unlabelled, Lacks: d.force.Load().lacks}
	for _, a := range s.Attached {
		out.Programs = append(out.Programs, api.Program{Name: a.Program, Since: a.Since})
	}
	return out
}

// ReleaseLeft ends what a guard that is gone has left in force. It is an error if one is there.
func ReleaseLeft(p paths.Paths) error {
	server := api.New(api.Config{Socket: p.Socket})
	if err := server.Listen(); err != nil { // nobody may start meanwhile
		return err
	}
	return errors.Join(enforcer.RemovePins(p.BPF, p.State), server.Close(context.Background()))
}
