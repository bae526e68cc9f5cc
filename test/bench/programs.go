//go:build linux

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// programCost is what one BPF program of the guard cost a loop.
type programCost struct {
	Loop, Program string
	// RunsPerOp counts its runs on the whole host, so that another process's show up as a fraction.
	RunsPerOp, NSPerRun float64
}

// leastRuns per operation of a program that the loop itself triggers.
const leastRuns = 0.05

// measurePrograms runs each loop once while the kernel takes the time of every program. That costs time itself, so these
// runs are not those that are compared.
func measurePrograms(ctx context.Context, s *stockade, dir string, loops []string) (out []programCost, err error) {
	err = with(s, func() error {
		timer, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
		if err != nil {
			return fmt.Errorf("have the kernel time programs: %w", err)
		}
		defer timer.Close()
		for _, l := range loops {
			costs, err := programCosts(ctx, s, dir, l)
			if err != nil {
				return err
			}
			out = append(out, costs...)
		}
		return nil
	})
	return out, err
}

func programCosts(ctx context.Context, s *stockade, dir, loop string) ([]programCost, error) {
	before, err := s.programs()
	if err != nil {
		return nil, err
	}
	var timings map[string]timing
	if err := work(ctx, nil, &timings, "-dir", dir, "-loops", loop); err != nil {
		return nil, err
	}
	after, err := s.programs()
	if err != nil {
		return nil, err
	}
	var out []programCost
	for id, p := range after {
		runs, ns := p.runs-before[id].runs, p.ns-before[id].ns
		perOp := float64(runs) / float64(timings[loop].Ops)
		if perOp >= leastRuns {
			out = append(out, programCost{Loop: loop, Program: p.name, RunsPerOp: perOp, NSPerRun: float64(ns) / float64(runs)})
		}
	}
	slices.SortFunc(out, func(a, b programCost) int {
		return cmp.Or(cmp.Compare(b.RunsPerOp*b.NSPerRun, a.RunsPerOp*a.NSPerRun), cmp.Compare(a.Program, b.Program))
	})
	return out, nil
}

type programRuns struct {
	name     string
	runs, ns uint64
}

// programs asks for the counters of every program that the guard's process holds, by the program's id.
func (s *stockade) programs() (map[ebpf.ProgramID]programRuns, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", s.pid()))
	if err != nil {
		return nil, err
	}
	out := map[ebpf.ProgramID]programRuns{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // closed meanwhile
		}
		id, ok := programID(string(text))
		if !ok {
			continue
		}
		if out[id], err = runsOf(id); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// programID finds the id in what /proc says of a descriptor for a program, or for a link to one.
func programID(fdinfo string) (ebpf.ProgramID, bool) {
	for line := range strings.Lines(fdinfo) {
		if value, ok := strings.CutPrefix(line, "prog_id:"); ok {
			id, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32)
			return ebpf.ProgramID(id), err == nil
		}
	}
	return 0, false
}

func runsOf(id ebpf.ProgramID) (programRuns, error) {
	p, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return programRuns{}, fmt.Errorf("open program %d: %w", id, err)
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return programRuns{}, fmt.Errorf("ask about program %d: %w", id, err)
	}
	stats, err := p.Stats()
	if err != nil {
		return programRuns{}, fmt.Errorf("ask about program %d: %w", id, err)
	}
	return programRuns{name: info.Name, runs: stats.RunCount, ns: uint64(stats.Runtime)}, nil
}
