package limits

import (
	"cmp"
	"math"
	"os"
	"slices"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/verdict"
)

// job is one limit of a subject that runs.
type job struct {
	resource

	subject uint32
	limit   uint32 // in the policy's unit
	members []Process
	home    string // the cgroup that has the limit
}

type episodeKey struct {
	subject uint32
	op      verdict.Op
}

// episode is what is known of one limit over time.
type episode struct {
	// since is when a sampled excess began; zero while there is none.
	since time.Time
	// told is when the last excess was reported; pending is what has come since.
	told    time.Time
	pending *Excess
}

func (l *Limiter) episode(j *job) *episode {
	key := episodeKey{j.subject, j.op}
	e := l.episodes[key]
	if e == nil {
		e = &episode{}
		l.episodes[key] = e
	}
	return e
}

// refusals reports what cgroups have refused since the sample before.
func (l *Limiter) refusals(at time.Time, held []job) {
	now := map[string]uint64{}
	for i := range held {
		j := &held[i]
		e := l.episode(j)
		e.since = time.Time{}
		name := l.cgroups.path(j.home, j.events)
		now[name] = counter(name, j.key)
		if before, ok := l.counters[name]; ok && now[name] > before {
			x := l.excess(at, j, uint64(j.limit)*j.unit+j.beyond)
			x.Action, x.Mechanism, x.Cgroup, x.Count = j.action, MechanismCgroup, j.home, now[name]-before
			l.tell(e, x)
		}
	}
	l.counters = now
}

// measure samples the subjects that no cgroup limits.
func (l *Limiter) measure(now time.Time, jobs []job) {
	var pids []int
	for _, j := range jobs {
		for _, p := range j.members {
			pids = append(pids, p.PID)
		}
	}
	var elapsed time.Duration
	if !l.sampled.IsZero() {
		elapsed = now.Sub(l.sampled)
	}
	used := l.meter.read(pids, elapsed)
	for i := range jobs {
		j := &jobs[i]
		e := l.episode(j)
		x := l.excess(now, j, j.total(used))
		if !x.Decision.Denied {
			e.since = time.Time{}
			continue
		}
		if e.since.IsZero() {
			e.since = now
		}
		if now.Sub(e.since) < l.cfg.Sustained {
			continue
		}
		x.Mechanism = MechanismSample
		x.Action = event.ActionLogged
		if l.mode(j.subject) != policy.ModeAudit {
			x.Action = event.ActionAlerted
		}
		if l.mode(j.subject) == policy.ModeEnforce && l.img.Subjects[j.subject].OnLimit == policy.LimitKill {
			if x.PIDs = l.end(j, used, x); len(x.PIDs) > 0 {
				x.Action, x.Count = event.ActionKilled, uint64(len(x.PIDs))
				e.since, e.told = time.Time{}, time.Time{} // each end of a process is told
			}
		}
		l.tell(e, x)
	}
}

// weight is how much of the resource a process uses.
func (j *job) weight(u usage) float64 {
	switch j.op {
	case verdict.OpMemory:
		return float64(u.memory)
	case verdict.OpCPU:
		return u.percent
	}
	return float64(u.threads)
}

func (j *job) total(used map[int]usage) uint64 {
	sum := 0.0
	for _, p := range j.members {
		sum += j.weight(used[p.PID])
	}
	return uint64(math.Ceil(sum))
}

// end ends processes until what is left is within the limit: of memory and processor time those that use most, of tasks
// those that came last.
func (l *Limiter) end(j *job, used map[int]usage, x Excess) (ended []int) {
	var list []usage
	for _, p := range j.members {
		if u, ok := used[p.PID]; ok && j.weight(u) > 0 && p.PID > 1 && p.PID != os.Getpid() && (l.cfg.Exempt == nil || !l.cfg.Exempt(p.PID)) {
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(a, b usage) int {
		if j.op == verdict.OpProcesses {
			return cmp.Or(cmp.Compare(b.start, a.start), b.pid-a.pid)
		}
		return cmp.Or(cmp.Compare(j.weight(b), j.weight(a)), b.pid-a.pid)
	})
	left := float64(x.Access.Value)
	for _, u := range list {
		x.Access.Value = uint64(math.Ceil(max(0, left)))
		if !verdict.Decide(l.img, x.Task, &x.Access).Denied {
			break
		}
		if err := kill(l.cfg.Procfs, u); err != nil {
			l.cfg.Log.Warn("a process beyond its limit is not ended", "pid", u.pid, "error", err)
			continue
		}
		ended = append(ended, u.pid)
		left -= j.weight(u)
	}
	return ended
}

// excess asks verdict about a value.
func (l *Limiter) excess(now time.Time, j *job, value uint64) Excess {
	x := Excess{
		Time: now, Image: l.img, Task: verdict.Task{Subject: j.subject},
		Access: verdict.Access{Op: j.op, Value: value},
	}
	x.Decision = verdict.Decide(l.img, x.Task, &x.Access)
	return x
}

// tell reports an excess, or folds it into the next report of the same.
func (l *Limiter) tell(e *episode, x Excess) {
	if e.pending != nil {
		x.Count += e.pending.Count
	}
	if !e.told.IsZero() && x.Time.Sub(e.told) < again {
		e.pending = &x
		return
	}
	e.told, e.pending = x.Time, nil
	if l.cfg.Report != nil {
		l.cfg.Report(x)
	}
}

// flush reports what is pending and forgets all episodes.
func (l *Limiter) flush() {
	for _, e := range l.episodes {
		if e.pending != nil && l.cfg.Report != nil {
			l.cfg.Report(*e.pending)
		}
	}
	clear(l.episodes)
}
