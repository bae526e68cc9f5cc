package audit

import "sync"

// queue hands items from many producers to one consumer, in order, and never makes a producer wait.
type queue[T any] struct {
	mu     sync.Mutex
	items  []T
	limit  int
	wakeAt int
	// wake gets a token when wakeAt items wait.
	wake chan struct{}
}

func newQueue[T any](limit, wakeAt int) *queue[T] {
	return &queue[T]{limit: limit, wakeAt: wakeAt, wake: make(chan struct{}, 1)}
}

// push takes as many items as there is room for, from the front, and returns how many it refused.
func (q *queue[T]) push(items ...T) int {
	q.mu.Lock()
	had := len(q.items)
	room := max(0, min(len(items), q.limit-had))
	q.items = append(q.items, items[:room]...)
	has := len(q.items)
	q.mu.Unlock()
	if had < q.wakeAt && has >= q.wakeAt {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return len(items) - room
}

// take returns what waits. The queue goes on in spare, which the caller gives up.
func (q *queue[T]) take(spare []T) []T {
	clear(spare)
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = spare[:0]
	return items
}

// close makes push refuse everything from now on.
func (q *queue[T]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.limit = 0
}
