package fanotify

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/policy/compile"
)

const (
	// workers judge at the same time, so that one slow look-up does not hold up the others.
	workers = 4
	// queued bounds what is read and not yet judged, and so the descriptors that events take. What is beyond stays in the
	// kernel's queue, whose length is that of the tasks that wait.
	queued, batch = 256, 64
)

// group is a fanotify group with the marks of one image, and the goroutines that answer for it.
type group struct {
	guard *Guard
	img   *compile.Image
	file  *os.File
	marks *marks
	id    uint64
	queue chan *question
	end   chan struct{} // closed when the reader ends
	wg    sync.WaitGroup

	// moved is when the reader last went on, in Unix nanoseconds; idle says that it has handed out all that it has read.
	moved atomic.Int64
	idle  atomic.Bool

	mu      sync.Mutex
	waiting map[*question]struct{}
	// stuck counts the workers that are still at a question that has been released.
	stuck int
	// executing holds who is in the middle of an execution that was allowed: the open that follows belongs to it.
	executing map[int]key
}

// newGroup marks objects and starts answering by the image that named them.
func newGroup(g *Guard, id uint64, img *compile.Image, objects []object) (*group, error) {
	// Every event in the kernel's queue is a task that waits, so the number of tasks bounds it; with the default limit
	// whoever has enough threads would get past it. Descriptors are opened without waiting for the other end of a FIFO.
	fd, err := unix.FanotifyInit(
		unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK|unix.FAN_REPORT_TID|unix.FAN_UNLIMITED_QUEUE|unix.FAN_UNLIMITED_MARKS,
		unix.O_RDONLY|unix.O_CLOEXEC|unix.O_LARGEFILE|unix.O_NONBLOCK|unix.O_NOATIME,
	)
	if err != nil {
		return nil, fmt.Errorf("fanotify_init: %w", err)
	}
	out := &group{
		guard: g, id: id, img: img, file: os.NewFile(uintptr(fd), "fanotify"), queue: make(chan *question, queued), end: make(chan struct{}),
		waiting: map[*question]struct{}{}, executing: map[int]key{}, marks: newMarks(fd, objects),
	}
	if err := g.line.say(sayGuard, id, unix.UnixRights(fd)); err != nil {
		g.cfg.Log.Warn("the keeper does not watch over this image's marks", "error", err)
	}
	// Whoever answers is there before the first mark.
	out.wg.Go(out.read)
	for range workers {
		out.wg.Go(out.work)
	}
	out.wg.Go(out.watch)
	out.marks.refresh(true)
	out.wg.Go(out.refresh)
	return out, nil
}

// read hands out what the kernel asks. It opens nothing, so that it can always let this process itself pass.
func (g *group) read() {
	defer close(g.end)
	defer close(g.queue)
	buf := make([]byte, batch*eventBytes)
	for {
		g.idle.Store(true)
		n, err := g.file.Read(buf)
		g.idle.Store(false)
		g.moved.Store(time.Now().UnixNano())
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil:
			g.guard.failed.Add(1) // the kernel could not open the event's descriptor, and has refused
			continue
		}
		for _, q := range g.accept(parse(buf[:n])) {
			g.hand(q)
			g.moved.Store(time.Now().UnixNano())
		}
	}
}

// accept answers for this process itself and registers the rest.
func (g *group) accept(questions []*question) []*question {
	var out []*question
	now := time.Now()
	for _, q := range questions {
		if q.mask&unix.FAN_Q_OVERFLOW != 0 {
			g.guard.overflows.Add(1)
		}
		if q.fd < 0 {
			continue
		}
		q.since = now
		g.guard.asked.Add(1)
		g.mu.Lock()
		g.waiting[q] = struct{}{}
		g.mu.Unlock()
		if own(q.tid) {
			g.answer(q, unix.FAN_ALLOW, &g.guard.own)
			continue
		}
		out = append(out, q)
	}
	return out
}

// own says whether a thread is of this process.
func own(tid int) bool {
	return unix.Access("/proc/self/task/"+strconv.Itoa(tid), unix.F_OK) == nil
}

// hand gives a question to the workers. While all of them are stuck nobody waits for them.
func (g *group) hand(q *question) {
	g.mu.Lock()
	stuck := g.stuck == workers
	g.mu.Unlock()
	if stuck {
		if g.answer(q, unix.FAN_ALLOW, &g.guard.released) {
			g.guard.tell(Release{Time: time.Now(), Opens: 1, By: ByWatchdog})
		}
		return
	}
	g.queue <- q
}

func (g *group) work() {
	for q := range g.queue {
		g.mu.Lock()
		q.taken = !q.answered
		taken := q.taken
		g.mu.Unlock()
		if !taken {
			continue
		}
		g.judge(q)
		g.mu.Lock()
		if q.released {
			g.stuck--
		}
		g.mu.Unlock()
	}
}

// answer tells the kernel, once, and says whether it took the answer: not if the question was answered before, by whomever.
func (g *group) answer(q *question, answer uint32, counter *atomic.Uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reply(q, answer, counter)
}

// reply is answer for who holds the lock.
func (g *group) reply(q *question, answer uint32, counter *atomic.Uint64) bool {
	if q.answered {
		return false
	}
	q.answered = true
	delete(g.waiting, q)
	_, err := g.file.Write(response(q.fd, answer))
	_ = unix.Close(q.fd)
	if err != nil { // ENOENT: the task was killed while it waited, or the keeper has answered
		counter = &g.guard.released
	}
	counter.Add(1)
	return err == nil
}

// retire ends the group. What began before the marks of the next group were there is still judged by this one: it is in the
// queue at the latest when the kernel has left the reading side of its marks' SRCU, long before linger is over. When the
// guard itself closes there is no next one, and what waits passes.
func (g *group) retire() {
	if err := g.marks.flush(); err != nil {
		g.guard.cfg.Log.Warn("fanotify", "error", err)
	}
	deadline := time.NewTimer(linger)
	defer deadline.Stop()
	select {
	case <-deadline.C:
	case <-g.guard.done:
	}
	_ = g.guard.line.say(sayDrop, g.id, nil) // a keeper that does not hear it ends with the guard
	_ = g.file.Close()
	g.wg.Wait()
}
