package guard

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stockade-security/stockade/event"
)

// queueLength bounds the violations that wait for the handlers.
const queueLength = 1024

// handlers runs what the program does about violations, off the path of who checks.
type handlers struct {
	// mu guards list and closed, and that nothing is sent on a closed queue.
	mu      sync.RWMutex
	list    []func(event.Violation)
	closed  bool
	queue   chan event.Violation
	done    chan struct{} // closed when the queue has been worked off
	giveUp  atomic.Bool
	dropped atomic.Uint64
	panics  atomic.Uint64
}

func (h *handlers) start() {
	h.queue, h.done = make(chan event.Violation, queueLength), make(chan struct{})
	go h.run()
}

func (h *handlers) add(handler func(event.Violation)) {
	if handler == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(slices.Clip(h.list), handler)
}

// tell hands a violation to the handlers, or counts it as dropped. It never waits for them.
func (h *handlers) tell(v event.Violation) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	switch {
	case h.closed:
		h.dropped.Add(1)
	case len(h.list) == 0: // nobody wants to know
	default:
		select {
		case h.queue <- v:
		default:
			h.dropped.Add(1)
		}
	}
}

func (h *handlers) run() {
	defer close(h.done)
	for v := range h.queue {
		if h.giveUp.Load() {
			h.dropped.Add(1)
			continue
		}
		h.mu.RLock()
		list := h.list
		h.mu.RUnlock()
		for _, handler := range list {
			h.call(handler, v)
		}
	}
}

func (h *handlers) call(handler func(event.Violation), v event.Violation) {
	defer func() {
		if recover() != nil {
			h.panics.Add(1)
		}
	}()
	handler(v)
}

// close lets the queue run empty. When ctx ends first, what still waits is dropped.
func (h *handlers) close(ctx context.Context) error {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		close(h.queue)
	}
	h.mu.Unlock()
	select {
	case <-h.done:
		return nil
	case <-ctx.Done():
		h.giveUp.Store(true)
		return ctx.Err()
	}
}
