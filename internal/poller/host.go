package poller

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/process"
)

// Host lists the processes of this host. Without privilege, some systems hide the executables and arguments of other
// users' processes.
type Host struct{}

// List implements Lister.
func (Host) List(ctx context.Context) ([]Sample, error) {
	pids, err := process.PidsWithContext(ctx)
	if err != nil {
		return nil, err
	}
	samples := make([]Sample, 0, len(pids))
	for _, pid := range pids {
		proc, err := process.NewProcessWithContext(ctx, pid)
		if err != nil {
			continue // it has ended
		}
		samples = append(samples, sample(ctx, proc))
	}
	return samples, ctx.Err()
}

func sample(ctx context.Context, proc *process.Process) Sample {
	s := Sample{PID: int(proc.Pid)}
	if ms, err := proc.CreateTimeWithContext(ctx); err == nil && ms > 0 {
		s.Started = time.UnixMilli(ms)
	}
	if exe, err := proc.ExeWithContext(ctx); err == nil {
		s.Exe = filepath.ToSlash(exe)
	}
	return s
}

// Describe implements Lister. Each question may fail by itself, where the system keeps the answer for others; the library
// answers with nothing then.
func (Host) Describe(ctx context.Context, s Sample) Details {
	unknown := Details{UID: NoID, GID: NoID, EUID: NoID, EGID: NoID}
	proc, err := process.NewProcessWithContext(ctx, int32(s.PID))
	if err != nil {
		return unknown
	}
	d := unknown
	if parent, err := proc.PpidWithContext(ctx); err == nil {
		d.Parent = int(parent)
	}
	d.Name, _ = proc.NameWithContext(ctx)
	d.Argv, _ = proc.CmdlineSliceWithContext(ctx)
	d.User, _ = proc.UsernameWithContext(ctx)
	uids, _ := proc.UidsWithContext(ctx)
	gids, _ := proc.GidsWithContext(ctx)
	d.UID, d.EUID = realAndEffective(uids)
	d.GID, d.EGID = realAndEffective(gids)
	// Another process may have got the pid while these were asked.
	again, err := process.NewProcessWithContext(ctx, int32(s.PID))
	if err != nil || !sample(ctx, again).Started.Equal(s.Started) {
		return unknown
	}
	return d
}

// realAndEffective reads a list of ids: real, effective, saved; or the effective one alone, which is all that darwin tells.
func realAndEffective(ids []uint32) (uint32, uint32) {
	switch len(ids) {
	case 0:
		return NoID, NoID
	case 1:
		return ids[0], ids[0]
	}
	return ids[0], ids[1]
}

// Boot returns when this host was booted, to the second.
func Boot() (time.Time, error) {
	seconds, err := host.BootTime()
	if err != nil {
		return time.Time{}, fmt.Errorf("read the time of the boot: %w", err)
	}
	return time.Unix(int64(seconds), 0), nil
}

// Usage returns the CPU time and resident memory of this process itself; 0: not known.
func Usage() (cpuSeconds float64, rssBytes uint64) {
	proc, err := process.NewProcess(int32(os.Getpid()))
	if err != nil {
		return 0, 0
	}
	if t, err := proc.Times(); err == nil {
		cpuSeconds = t.User + t.System
	}
	if m, err := proc.MemoryInfo(); err == nil {
		rssBytes = m.RSS
	}
	return cpuSeconds, rssBytes
}
