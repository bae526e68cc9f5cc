package limits

import (
	"strconv"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// resource is what a limit is of, and how a cgroup limits it.
type resource struct {
	op    verdict.Op
	limit func(*compile.Subject) *compile.Limit
	// unit turns a policy's number into an Access's.
	unit uint64
	// beyond is the least that is too much, above the limit.
	beyond uint64
	file   string
	// events and key are where the kernel counts what it refused; action is what it did then.
	events, key string
	action      event.Action
}

var resources = [...]resource{
	{
		op: verdict.OpMemory, limit: func(s *compile.Subject) *compile.Limit { return &s.MemoryMB }, unit: 1 << 20, beyond: 4096,
		file: "memory.max", events: "memory.events", key: "oom_kill", action: event.ActionKilled,
	},
	{
		op: verdict.OpCPU, limit: func(s *compile.Subject) *compile.Limit { return &s.CPUPercent }, unit: 1, beyond: 1,
		file: "cpu.max", events: "cpu.stat", key: "nr_throttled", action: event.ActionBlocked,
	},
	{
		op: verdict.OpProcesses, limit: func(s *compile.Subject) *compile.Limit { return &s.Processes }, unit: 1, beyond: 1,
		file: "pids.max", events: "pids.events", key: "max", action: event.ActionBlocked,
	},
}

// period is that of cpu.max, in microseconds: the kernel's default.
const period = 100_000

// text is a limit as the cgroup's file says it.
func (r *resource) text(limit uint32) string {
	if r.op == verdict.OpCPU {
		return strconv.FormatUint(uint64(limit)*period/100, 10) + " " + strconv.Itoa(period)
	}
	return strconv.FormatUint(uint64(limit)*r.unit, 10)
}

// within says whether what a file holds is at least as tight as a limit.
func (r *resource) within(text string, limit uint32) bool {
	first, second, _ := strings.Cut(text, " ")
	n, err := strconv.ParseUint(first, 10, 64)
	if err != nil { // max
		return false
	}
	if r.op != verdict.OpCPU {
		return n <= uint64(limit)*r.unit
	}
	of, err := strconv.ParseUint(second, 10, 64)
	return err == nil && of > 0 && float64(n)/float64(of) <= float64(limit)/100
}
