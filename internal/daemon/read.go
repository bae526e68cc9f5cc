//go:build linux

package daemon

import (
	"errors"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
)

const (
	// tickEvery is how often losses are accounted for.
	tickEvery = time.Second
	// drainEvery is how often folded records (volumes, repeated sends) are published.
	drainEvery = 5 * time.Second
	// tickRecords is after how many records the clock is looked at, when they never pause.
	tickRecords = 256
)

var errStop = errors.New("stop")

// read is the reader's goroutine: it alone numbers and publishes events.
func (d *Daemon) read() error {
	last, n := time.Now(), 0
	pause := func() error {
		d.publishOwn()
		if err := d.drainDenials(); err != nil {
			return err
		}
		if time.Since(last) >= tickEvery {
			last = time.Now()
			if err := d.tick(); err != nil {
				return err
			}
		}
		select {
		case <-d.stop:
			return errStop
		default:
			return nil
		}
	}
	each := func(r *kernel.Record) error {
		if err := d.record(r); err != nil {
			return err
		}
		if n++; n%tickRecords == 0 {
			return pause()
		}
		return nil
	}
	if err := d.kernel.Read(each, pause); !errors.Is(err, errStop) {
		return errors.Join(err, d.kernel.Detach())
	}
	return d.finish()
}

func (d *Daemon) record(r *kernel.Record) error {
	d.losses.delivered++
	e, err := d.pipe.Record(r)
	if err != nil {
		return err
	}
	d.publish(e)
	return nil
}

func (d *Daemon) publishOwn() {
	for {
		select {
		case e := <-d.own:
			d.publish(d.pipe.Own(e))
		default:
			return
		}
	}
}

// publishAll numbers and publishes events that were not made from records.
func (d *Daemon) publishAll(events []*event.Event) {
	for _, e := range events {
		d.publish(d.pipe.Own(e))
	}
}

// finish ends the stream exactly: nothing is attached any more, so that after the last record the counters must agree.
func (d *Daemon) finish() error {
	err := d.kernel.Detach()
	if e := d.kernel.Read(d.record, func() error { return errStop }); !errors.Is(e, errStop) {
		err = errors.Join(err, e)
	}
	d.publishOwn()
	err = errors.Join(err, d.drainDenials(), d.kernel.Drain(d.record), d.tick())
	d.publishAll(d.tally.Flush(time.Now()))
	d.publish(d.pipe.Own(d.guardEvent("stop", "")))
	return err
}

// tick does what is done once a second.
func (d *Daemon) tick() error {
	if boot, err := bootTime(); err == nil {
		d.pipe.SetBoot(boot)
	}
	if time.Since(d.drained) >= drainEvery {
		d.drained = time.Now()
		if err := d.kernel.Drain(d.record); err != nil {
			return err
		}
	}
	d.publishAll(d.tally.Due(time.Now()))
	return d.account()
}

// account publishes the losses since the last time, by cause.
func (d *Daemon) account() error {
	a, err := d.kernel.Accounts()
	if err != nil {
		return err
	}
	d.publishLosses(&d.losses, a)
	return d.accountDenials()
}

func (d *Daemon) publishLosses(l *losses, a kernel.Accounts) {
	now := time.Now()
	for _, loss := range l.update(a, now) {
		d.publish(d.pipe.Own(&event.Event{Kind: event.KindLoss, Time: now, Loss: &loss}))
	}
}
