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
	// Undecided counts addresses that only rules by host name could mean, and that passed; Unlabelled tasks that there was no
	// memory to label in full.
	Undecided  uint64 `json:"undecided,omitempty"`
	Unlabelled uint64 `json:"unlabelled,omitempty"`
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
	s.Denied["break_glass"], s.Undecided = totals.Glass, totals.Undecided
	labels, err := e.labelCounts()
	s.Unlabelled = labels.Failed
	return s, err
}

// reasons are the wire names of enum reason.
var reasons = [...]string{fileReasonREASON_RULE: "rule", fileReasonREASON_TOO_LONG: "name_too_long", fileReasonREASON_UNNAMED: "no_name", fileReasonREASON_SCRATCH: "no_memory", fileReasonREASON_UNGUARDED: "no_hook"}

// account is what the programs of one CPU counted of their records.
type account struct{ produced, lost uint64 }

// counted reads the counters of all CPUs.
func (e *Enforcer) counted() ([]fileCpuStats, error) {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("count the cpus: %w", err)
	}
	values := make([]fileCpuStats, cpus)
	if err := e.maps["stats"].Lookup(uint32(0), &values); err != nil {
		return nil, fmt.Errorf("read the loss counters of denials: %w", err)
	}
	return values, nil
}

// begin takes what has been counted so far as an earlier process's.
func (e *Enforcer) begin() error {
	values, err := e.counted()
	if err != nil {
		return err
	}
	for cpu, v := range values {
		e.base[uint16(cpu)] = account{v.Produced, sum(v.Lost[:])}
	}
	return nil
}

// found corrects that by a record that waited: what came from its CPU from it on is this process's.
func (e *Enforcer) found(r *kernel.Record) {
	e.counting.Lock()
	defer e.counting.Unlock()
	if base := e.base[r.CPU]; r.Seq != 0 && r.Seq-1 < base.produced {
		e.base[r.CPU] = account{r.Seq - 1, r.LostBefore}
	}
}

// Accounts is what the programs counted of their records, without those that an earlier process has read.
func (e *Enforcer) Accounts() (kernel.Accounts, error) {
	a := kernel.Accounts{Lost: map[string]uint64{}}
	values, err := e.counted()
	if err != nil {
		return a, err
	}
	e.counting.Lock()
	defer e.counting.Unlock()
	for cpu, v := range values {
		base := e.base[uint16(cpu)]
		a.Produced += v.Produced - base.produced
		before := base.lost
		for i, n := range v.Lost {
			already := min(before, n) // of which causes the earlier losses were is not known
			before -= already
			a.Lost["denial_"+kernel.LossName(i)] += n - already
		}
	}
	return a, nil
}

func sum(list []uint64) (n uint64) {
	for _, v := range list {
		n += v
	}
	return n
}
