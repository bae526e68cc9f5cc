// Package limits holds subjects to max_memory_mb, max_cpu_percent and max_processes.
//
// A subject that owns a cgroup (its entry matches by unit or cgroup, and nobody else's task is in there) is limited by the
// kernel: memory.max, cpu.max, pids.max. Others are sampled: what lasts longer than Config.Sustained is reported, and with
// on_limit: kill ended by a signal. In modes other than enforce nothing is written and nobody is signalled.
//
// What was in a file of a cgroup before is noted in Config.State first, and put back on release, also by the next run after
// a crash. The package refuses to loosen a limit that is there, to overwrite what somebody else has written meanwhile when
// it puts back, and to turn controllers on: where a cgroup has no such file its subject is sampled.
//
// Samples are what procfs tells: of memory the anonymous part, resident or swapped (RssAnon and VmSwap), because shared pages
// would count for each of their users; of processor time what processes use that live long enough to be seen; of tasks the
// threads, as pids.max counts.
package limits

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// Config is what a Limiter needs.
type Config struct {
	Image *compile.Image
	// Mode replaces the modes of the policy; empty: they hold.
	Mode policy.Mode
	// Identify says whose a process is in an image.
	Identify func(img *compile.Image, pid int) verdict.Task
	// Exempt says whom not to signal; nil exempts nobody. Process 1 and this one never are.
	Exempt func(pid int) bool
	// Report hears of each excess, from within Sample and Release.
	Report func(Excess)
	// Cgroupfs is where the cgroup v2 tree is mounted; empty: nowhere, and all is sampled. Procfs is "" for /proc.
	Cgroupfs, Procfs string
	// State is the file that remembers what was in cgroups before. It must be there if Cgroupfs is.
	State string
	// Sustained is how long a sampled excess lasts before it counts; 0 means 10 s.
	Sustained time.Duration
	// Log hears what cannot be put back; nil discards.
	Log *slog.Logger
}

const (
	defaultSustained = 10 * time.Second
	// again is how often one excess that goes on is reported.
	again = time.Minute
)

// Process is one that runs now.
type Process struct {
	PID int
	// Unit is systemd's; Cgroup the path in the cgroup v2 tree. Empty is unknown.
	Unit, Cgroup string
}

// Excess is a subject beyond a limit.
type Excess struct {
	Time  time.Time
	Image *compile.Image
	// Access.Value is how much it was, as sampled, or how much would have been too much for the cgroup.
	Task     verdict.Task
	Access   verdict.Access
	Decision verdict.Decision
	// Action is blocked if the kernel refused tasks or processor time, killed if it or this package ended a process, and what
	// the mode says otherwise.
	Action event.Action
	// Mechanism is cgroup or sample.
	Mechanism string
	// Cgroup is the one that has the limit. Count is how many tasks or periods it refused, or processes it killed.
	Cgroup string
	Count  uint64
	// PIDs are the processes that this package has ended.
	PIDs []int
}

// The mechanisms of an Excess.
const (
	MechanismCgroup = "cgroup"
	MechanismSample = "sample"
)

// Status says how one limit of a subject that runs is held.
type Status struct {
	Subject string
	Op      verdict.Op
	// Cgroup has the limit; empty: it is sampled, because of Reason.
	Cgroup, Reason string
}

// Limiter holds subjects to their limits. It is safe for concurrent use.
type Limiter struct {
	cfg Config

	mu       sync.Mutex
	img      *compile.Image
	cgroups  cgroups
	meter    meter
	counters map[string]uint64 // the kernel's, by file
	episodes map[episodeKey]*episode
	status   []Status
	sampled  time.Time
}

// New puts back what a run before has left in cgroups, and is ready for Sample.
func New(cfg Config) (*Limiter, error) {
	if cfg.Image == nil || cfg.Identify == nil {
		return nil, errors.New("limits: an image and a way to identify tasks are needed")
	}
	if cfg.Cgroupfs != "" && cfg.State == "" {
		return nil, errors.New("limits: cgroups are not written without a file to remember them")
	}
	cfg.Procfs = cmp.Or(cfg.Procfs, "/proc")
	cfg.Sustained = cmp.Or(cfg.Sustained, defaultSustained)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	l := &Limiter{
		cfg: cfg, img: cfg.Image, cgroups: cgroups{root: cfg.Cgroupfs, state: cfg.State, log: cfg.Log}, meter: meter{procfs: cfg.Procfs},
		episodes: map[episodeKey]*episode{},
	}
	if err := l.cgroups.recover(); err != nil {
		return nil, fmt.Errorf("put cgroups back: %w", err)
	}
	return l, nil
}

// Apply puts another image in the place of the present one. Limits change with the next Sample.
func (l *Limiter) Apply(img *compile.Image) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	l.img = img
}

// Release puts back all that was written. Until the next Sample the Limiter does nothing.
func (l *Limiter) Release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	l.status = nil
	return l.cgroups.sweep()
}

// Status says how the limits are held since the last Sample, in the order of the policy.
func (l *Limiter) Status() []Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Status(nil), l.status...)
}

// Sample looks at all processes of the host at a time, and does what is to be done about them. Call it every few seconds,
// more often than Sustained. The error says what could not be put back; the rest is done.
func (l *Limiter) Sample(now time.Time, all []Process) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	members := map[uint32][]Process{}
	whose := make([]uint32, len(all))
	for i, p := range all {
		whose[i] = l.cfg.Identify(l.img, p.PID).Subject
		members[whose[i]] = append(members[whose[i]], p)
	}
	l.status = nil
	var held, sampled []job
	for i := range l.img.Subjects {
		s := uint32(i)
		if len(members[s]) == 0 {
			continue
		}
		home, reason := owned(l.img, s, members[s], all, whose)
		for _, r := range resources {
			limit := r.limit(&l.img.Subjects[s])
			if limit.Decision == compile.NoDecision {
				continue
			}
			j := job{resource: r, subject: s, limit: limit.Value, members: members[s], home: home}
			why := l.hold(&j, reason)
			st := Status{Subject: l.img.Subjects[s].Name, Op: r.op, Cgroup: home, Reason: why}
			if why == "" {
				held = append(held, j)
			} else {
				st.Cgroup = ""
				sampled = append(sampled, j)
			}
			l.status = append(l.status, st)
		}
	}
	err := l.cgroups.sweep()
	l.refusals(now, held)
	l.measure(now, sampled)
	l.sampled = now
	return err
}

// hold limits by the subject's cgroup, or says why not.
func (l *Limiter) hold(j *job, reason string) string {
	switch mode := l.mode(j.subject); {
	case mode != policy.ModeEnforce:
		return "nothing is written in mode " + string(mode)
	case l.cfg.Cgroupfs == "":
		return "there is no cgroup v2 tree"
	case j.home == "":
		return reason
	}
	if err := l.cgroups.hold(j.home, j.resource, j.limit); err != nil {
		return err.Error()
	}
	return ""
}

// mode is what holds for a subject.
func (l *Limiter) mode(s uint32) policy.Mode { return cmp.Or(l.cfg.Mode, l.img.Subjects[s].Mode) }
