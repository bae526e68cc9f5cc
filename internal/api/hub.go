package api

import (
	"sync"
	"sync/atomic"

	"github.com/stockade-security/stockade/event"
)

// Hub hands live events to any number of readers and never waits for one: a reader whose buffer is full is cut off,
// and counted, rather than left with a gap that it does not know of. The zero value is ready. Safe for concurrent use.
type Hub struct {
	mu      sync.Mutex
	readers map[*Subscription]bool
	closed  bool
	// open mirrors len(readers), so that Publish costs one load while nobody reads.
	open atomic.Int64
	cut  atomic.Uint64
}

// Subscription is one reader's share of the live events.
type Subscription struct {
	// C yields the events from the subscription on. It is closed, with what it still holds to be read first, when the
	// reader was too slow, when the hub closed, and after Close.
	C    <-chan *event.Event
	c    chan *event.Event
	want func(*event.Event) bool // nil: all
	hub  *Hub
	slow atomic.Bool
}

// Publish hands e to every reader. The event must not change afterwards.
func (h *Hub) Publish(e *event.Event) {
	if h.open.Load() == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.readers {
		if s.want != nil && !s.want(e) {
			continue
		}
		select {
		case s.c <- e:
		default:
			s.slow.Store(true)
			h.remove(s)
		}
	}
}

// Subscribe adds a reader of all events that holds up to buffer of them, at least one. On a closed hub its channel is
// closed already.
func (h *Hub) Subscribe(buffer int) *Subscription { return h.SubscribeTo(buffer, nil) }

// SubscribeTo is Subscribe for the events that want says yes to. The publisher calls it, so that a reader of few events is
// not woken for all, which would cost more than all else that is done about an event. It must not wait, or use the hub.
func (h *Hub) SubscribeTo(buffer int, want func(*event.Event) bool) *Subscription {
	c := make(chan *event.Event, max(buffer, 1))
	s := &Subscription{C: c, c: c, want: want, hub: h}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(c)
		return s
	}
	if h.readers == nil {
		h.readers = make(map[*Subscription]bool)
	}
	h.readers[s] = true
	h.open.Add(1)
	return s
}

// Close ends every subscription, present and future. It may be called more than once.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for s := range h.readers {
		h.remove(s)
	}
}

// Streams counts the readers, and those that were cut.
func (h *Hub) Streams() Streams {
	return Streams{Open: int(h.open.Load()), Cut: h.cut.Load()}
}

// remove ends one subscription, once. The caller holds mu.
func (h *Hub) remove(s *Subscription) {
	if !h.readers[s] {
		return
	}
	delete(h.readers, s)
	h.open.Add(-1)
	if s.slow.Load() {
		h.cut.Add(1)
	}
	close(s.c)
}

// Close ends the subscription. It may be called more than once.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.remove(s)
}

// Cut ends the subscription as Close does, and counts its reader as too slow unless it had ended before.
func (s *Subscription) Cut() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.hub.readers[s] {
		s.slow.Store(true)
	}
	s.hub.remove(s)
}

// TooSlow reports, once C is closed, whether that was because the reader did not keep up.
func (s *Subscription) TooSlow() bool { return s.slow.Load() }
