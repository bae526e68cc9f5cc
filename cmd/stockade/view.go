package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/api"
	"github.com/stockade-security/stockade/internal/show"
)

// liveBuffer is how many events may wait for the terminal.
const liveBuffer = 1 << 15

// stream is a guard in this process, as its live view sees it.
type stream interface {
	SubscribeTo(buffer int, want func(*event.Event) bool) *api.Subscription
	Stop()
}

// liveView shows events on the terminal. It may fall behind; the guard does not wait for it.
type liveView struct {
	writer     show.Writer
	all, quiet bool
}

// start shows events from now on, if any are to be shown. The function that it returns waits until the stream has ended.
func (v *liveView) start(c *cobra.Command, d stream) (wait func()) {
	if v.quiet {
		return func() {}
	}
	var shown sync.WaitGroup
	sub := d.SubscribeTo(liveBuffer, v.shows)
	shown.Go(func() { v.follow(c, d, sub) })
	return shown.Wait
}

func (v *liveView) shows(e *event.Event) bool { return v.all || notable(e) }

// follow shows events until the guard's stream ends. A view that fell behind says so and goes on with what is new.
func (v *liveView) follow(c *cobra.Command, d stream, sub *api.Subscription) {
	for {
		if err := v.show(sub); err != nil {
			c.PrintErrln("stockade: " + err.Error())
			d.Stop() // nobody reads any more, as with `| head`
			return
		}
		if !sub.TooSlow() {
			return
		}
		c.PrintErrln("stockade: the view fell behind; some events are not shown here, all are in the guard's files")
		sub = d.SubscribeTo(liveBuffer, v.shows)
	}
}

func (v *liveView) show(sub *api.Subscription) error {
	defer sub.Close()
	tick := time.NewTicker(time.Second) // for what the writer holds
	defer tick.Stop()
	for {
		var err error
		select {
		case e, ok := <-sub.C:
			if !ok {
				return showing(v.writer.Close())
			}
			err = v.writer.Write(e)
		case <-tick.C:
		}
		if err == nil && len(sub.C) == 0 {
			err = v.writer.Flush()
		}
		if err != nil {
			return showing(err)
		}
	}
}

func showing(err error) error {
	if err != nil {
		return fmt.Errorf("show events: %w", err)
	}
	return nil
}

// notable says whether an event belongs into the table of a terminal: not what every process does all the time, nor
// what was there before.
func notable(e *event.Event) bool {
	if len(e.Violations) > 0 {
		return true
	}
	switch e.Kind {
	case event.KindFork, event.KindExit, event.KindLibrary, event.KindFileVolume, event.KindFlowVolume, event.KindCapability:
		return false
	case event.KindFileOpen:
		return false
	case event.KindPosture:
		return e.Posture.Previous != ""
	default:
		return true
	}
}
