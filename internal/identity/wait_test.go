package identity

import (
	"testing"
	"time"
)

// eventually waits for a condition.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatal("did not happen in 20 s")
		case <-tick.C:
		}
	}
}

// run runs a table until the test ends.
func run(t *testing.T, tab *Table) {
	t.Helper()
	done := make(chan struct{})
	go func() { tab.Run(t.Context()); close(done) }() // the context ends before the cleanup
	t.Cleanup(func() { <-done })
}
