//go:build linux

package enforcer

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/policy"
)

// Status is what is in force.
type Status struct {
	// Digest is the policy's, empty if none is in force; Since is when it came to be. Mode replaces the policy's own; empty: it holds.
	Digest string      `json:"digest,omitempty"`
	Since  time.Time   `json:"since,omitzero"`
	Mode   policy.Mode `json:"mode,omitempty"`
	// Attached are the programs, by name; those that an earlier guard left and nobody has replaced yet are Adopted.
	Attached []Attached `json:"attached,omitempty"`
	Adopted  int        `json:"adopted,omitempty"`
	// Denied counts refusals by reason, and what break-glass let pass.
	Denied map[string]uint64 `json:"denied,omitempty"`
}

// Attached is a program in force.
type Attached struct {
	Program string    `json:"program"`
	Since   time.Time `json:"since"`
}

// Status tells what is in force.
func (e *Enforcer) Status() (Status, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := Status{Digest: e.active.digest, Since: e.active.since, Mode: e.mode, Adopted: len(e.before), Denied: map[string]uint64{}}
	for program, a := range e.links {
		s.Attached = append(s.Attached, Attached{Program: program, Since: modTime(a.pin)})
	}
	slices.SortFunc(s.Attached, func(a, b Attached) int { return cmp.Compare(a.Program, b.Program) })
	var totals fileTotal
	if err := e.maps["totals"].Lookup(uint32(0), &totals); err != nil {
		return s, fmt.Errorf("read the counts of denials: %w", err)
	}
	for reason, n := range totals.Denied {
		s.Denied[reasons[reason]] = n
	}
	s.Denied["break_glass"] = totals.Glass
	return s, nil
}

// reasons are the wire names of enum reason.
var reasons = [...]string{fileReasonREASON_RULE: "rule", fileReasonREASON_TOO_LONG: "name_too_long", fileReasonREASON_UNNAMED: "no_name", fileReasonREASON_SCRATCH: "no_memory", fileReasonREASON_UNGUARDED: "no_hook"}

// Accounts is what the programs counted of their records since they were first attached.
func (e *Enforcer) Accounts() (kernel.Accounts, error) {
	a := kernel.Accounts{Lost: map[string]uint64{}}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return a, fmt.Errorf("count the cpus: %w", err)
	}
	values := make([]fileCpuStats, cpus)
	if err := e.maps["stats"].Lookup(uint32(0), &values); err != nil {
		return a, fmt.Errorf("read the loss counters of denials: %w", err)
	}
	for _, v := range values {
		a.Produced += v.Produced
		for i, n := range v.Lost {
			a.Lost["denial_"+kernel.LossName(i)] += n
		}
	}
	return a, nil
}
