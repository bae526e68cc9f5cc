package identity

import (
	"context"
	"sync"
	"time"
)

const (
	passwdPause = 3 * time.Second
	askPause    = 30 * time.Second
)

// Run answers the table's questions about processes, cgroups, containers and executables until ctx ends, and then
// waits for its goroutines. A question that is asked before waits for Run, up to a bound. Call it once.
func (t *Table) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { serve(ctx, t.fills, t.fill) })
	wg.Go(func() { serve(ctx, t.cgroupAsks, t.answerCgroup) })
	wg.Go(func() {
		serve(ctx, t.askRuntime, func(k containerKey) {
			c, ok := t.runtimes.ask(ctx, k)
			t.setContainer(k, c, ok)
		})
	})
	wg.Go(func() { t.hashes.run(ctx, t.setDigest) })
	wg.Go(func() { every(ctx, passwdPause, t.users.reload) })
	wg.Go(func() { every(ctx, askPause, t.askAgain) })
	wg.Wait()
}

func (t *Table) answerCgroup(id uint64) {
	path, ok := t.cgroupfs.path(id)
	t.setCgroupPath(id, path, ok)
}

func serve[T any](ctx context.Context, q queue[T], answer func(T)) {
	for {
		select {
		case <-ctx.Done():
			return
		case v := <-q.ch:
			answer(v)
		}
	}
}

func every(ctx context.Context, pause time.Duration, do func()) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do()
		}
	}
}
