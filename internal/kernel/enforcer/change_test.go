//go:build linux

package enforcer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stockade-security/stockade/policy/automaton/mix"
)

// TestChange: from the first policy on a blocked file is never opened, while the policy in force is replaced by others that
// block it too, by one that needs larger slots, and by another guard that takes over.
func TestChange(t *testing.T) {
	if os.Getenv("STOCKADE_TEST_SERIES") == "newest" {
		t.Skip("is run on the kernels that gate")
	}
	dir := realDir(t)
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := func(more ...string) string {
		return fmt.Sprintf("mode: enforce\nbreak_glass: none\ndefault:\n  blocked_files:\n    - %q\n%s", secret, strings.Join(more, ""))
	}
	e, _ := hold(t, text())
	opened, refused, stop := opener(secret)
	defer stop()
	apply(t, e, text("    - /nowhere/*.x\n"))
	apply(t, e, text())
	last := text()
	if os.Getenv("STOCKADE_TEST_SERIES") == "6.12" { // it takes long, and no kernel does it in another way
		words := e.words
		var many []string
		for _, g := range mix.Globs(1, 800) {
			many = append(many, fmt.Sprintf("    - %q\n", g))
		}
		last = text(many...)
		apply(t, e, last)
		if e.words <= words {
			t.Errorf("the slots have %d words still", e.words)
		}
	}
	status, err := e.Status()
	if err != nil {
		t.Fatal(err)
	}
	digest := status.Digest
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(e.cfg)
	if err != nil {
		t.Fatal(err)
	}
	*e = Enforcer{cfg: e.cfg} // what hold releases at the end is the pins
	t.Cleanup(func() {
		if err := errors.Join(again.Release(), again.Close()); err != nil {
			t.Error(err)
		}
	})
	if status, err = again.Status(); err != nil || status.Digest != digest || status.Adopted == 0 || len(status.Attached) != 0 {
		t.Errorf("adopted %+v, %v, want digest %s", status, err, digest)
	}
	apply(t, again, last)
	if status, err = again.Status(); err != nil || status.Adopted != 0 || len(status.Attached) == 0 {
		t.Errorf("taken over: %+v, %v", status, err)
	}
	stop()
	if n := opened.Load(); n > 0 || refused.Load() == 0 {
		t.Errorf("opened %d times, refused %d times", n, refused.Load())
	}
	if err := again.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(secret); err != nil {
		t.Errorf("after the release: %v", err)
	}
	if _, err := os.Stat(e.cfg.Pins); err == nil {
		t.Errorf("%s is still there", e.cfg.Pins)
	}
}

// opener tries to open a file again and again until it is stopped.
func opener(path string) (opened, refused *atomic.Int64, stop func()) {
	opened, refused = new(atomic.Int64), new(atomic.Int64)
	var ended atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !ended.Load() {
			f, err := os.Open(path)
			if err != nil {
				refused.Add(1)
				continue
			}
			opened.Add(1)
			_ = f.Close()
		}
	}()
	return opened, refused, func() {
		ended.Store(true)
		<-done
	}
}
