//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/stockade-security/stockade/event"
)

// pollEvery is how long a record may wait: programs wake the reader only when much is waiting, because a wake-up costs
// the watched task more than the record does.
const pollEvery = 25 * time.Millisecond

// ErrClosed ends Read after Close.
var ErrClosed = ringbuf.ErrClosed

// Read hands every record to each until the Kernel is closed or each returns an error. After a pause in the stream it
// calls idle, which may be nil, at least every pollEvery. The record and its memory are reused.
func (k *Kernel) Read(each func(*Record) error, idle func() error) error {
	var raw ringbuf.Record
	var rec Record
	k.reader.SetDeadline(time.Now().Add(pollEvery))
	for {
		err := k.reader.ReadInto(&raw) // looks at the deadline only when nothing is left
		switch {
		case err == nil:
			if err := rec.Parse(raw.RawSample); err != nil {
				return fmt.Errorf("decode a record: %w", err)
			}
			if err := each(&rec); err != nil {
				return err
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			k.reader.SetDeadline(time.Now().Add(pollEvery))
			if idle == nil {
				continue
			}
			if err := idle(); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// Decode fills the detail of an event from a record by the sensor that made it.
func (k *Kernel) Decode(r *Record, e *event.Event) error {
	decode := k.decoders[r.Kind]
	if decode == nil {
		return fmt.Errorf("no sensor decodes %s", r.Kind)
	}
	return decode(r, e)
}

// Accounts is what the programs counted, over all CPUs, since Open.
type Accounts struct {
	// Produced counts records made. Those not in Lost have reached the ring.
	Produced uint64
	// Lost counts by cause what was made and could not be handed over.
	Lost map[string]uint64
}

// lossNames are the causes' wire names, by enum loss of record.h.
var lossNames = [...]string{
	bpfLossLOSS_RING_FULL: "ring_full",
	bpfLossLOSS_SCRATCH:   "scratch_busy",
	bpfLossLOSS_STATE:     "state_full",
}

// LossName is the wire name of a cause, by its number in struct cpu_stats.
func LossName(n int) string { return lossNames[n] }

// Accounts reads the counters. They are exact when no program runs; while some do, Produced may be ahead of Lost.
func (k *Kernel) Accounts() (Accounts, error) {
	a := Accounts{Lost: map[string]uint64{}}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return a, fmt.Errorf("count the cpus: %w", err)
	}
	values := make([]bpfCpuStats, cpus)
	if err := k.core.Maps[bpfMapStats].Lookup(uint32(0), &values); err != nil {
		return a, fmt.Errorf("read the loss counters: %w", err)
	}
	for _, v := range values {
		a.Produced += v.Produced
		for i, n := range v.Lost {
			a.Lost[lossNames[i]] += n
		}
	}
	return a, nil
}
