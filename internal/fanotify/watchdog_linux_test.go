package fanotify

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// TestStall holds up the judging of opens, of one and then of as many as there are workers.
func TestStall(t *testing.T) {
	dir := disk(t)
	write(t, 0o644, dir+"/key")
	hold := make(chan struct{})
	var slow atomic.Bool
	var released atomic.Uint64
	var got reports
	g := guard(t, Config{
		Image: image(t, denyKey(dir)), Bound: testBound, Report: got.add,
		Identify: func(*compile.Image, int) verdict.Task {
			if slow.Load() {
				<-hold
			}
			return verdict.Task{Subject: 1}
		},
		Released: func(r Release) {
			if r.By != ByWatchdog {
				t.Errorf("released by %s", r.By)
			}
			released.Add(r.Opens)
		},
	})
	slow.Store(true)
	start := time.Now()
	if errno := open(t, unix.O_RDONLY, dir+"/key"); errno != 0 {
		t.Errorf("one stalls: open gives %v", errno)
	}
	if took := time.Since(start); took < testBound {
		t.Errorf("released after %v, before the bound", took)
	}
	slow.Store(false)
	if !judges(t, dir) {
		t.Error("one is stuck, and nothing is judged")
	}
	slow.Store(true)
	const many = queued + 3*workers // more than the queue holds
	if text, err := opener(together, slices.Repeat([]string{dir + "/key"}, many)...).Output(); err != nil {
		t.Errorf("%d opens stall: %q, %v", many, text, err)
	}
	// All are stuck: what comes now does not wait for them.
	names := slices.Repeat([]string{dir + "/key"}, 40)
	start = time.Now()
	results := opens(t, unix.O_RDONLY, names...)
	if took := time.Since(start); slices.Contains(results, unix.EPERM) || took > 20*testBound {
		t.Errorf("all are stuck: %d opens give %v after %v", len(names), results, took)
	}
	slow.Store(false)
	close(hold)
	if !judges(t, dir) {
		t.Error("it does not judge again")
	}
	want := uint64(many + 1 + len(names))
	if s := g.Status(); s.Released < want || !eventually(func() bool { return released.Load() > 0 }) {
		t.Errorf("%d released, at least %d were; told %d", s.Released, want, released.Load())
	}
	for _, d := range got.take() {
		if d.Time.IsZero() {
			t.Error("a denial without a time")
		}
	}
}

// judges waits until an open is refused: on a slow machine one may be let through before.
func judges(t *testing.T, dir string) bool {
	t.Helper()
	return eventually(func() bool { return open(t, unix.O_RDONLY, dir+"/key") == unix.EPERM })
}

// TestKeeper stops a whole guard, lets it go on, lets it start what it guards, and kills it.
func TestKeeper(t *testing.T) {
	dir := disk(t)
	write(t, 0o755, dir+"/key", dir+"/tool")
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), role+"=guard", "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := lines(out)
	defer func() {
		_ = cmd.Process.Kill()
		for range said {
		}
		_ = cmd.Wait()
	}()
	if word := <-said; word != "ready" {
		t.Fatalf("the guard says %q", word)
	}
	if !judges(t, dir) {
		t.Fatal("it does not judge")
	}
	freed := func(what string) {
		t.Helper()
		word, more := <-said
		for more && word != string(ByKeeper) { // a watchdog on a busy machine may speak too
			word, more = <-said
		}
		if !more {
			t.Fatalf("%s: the guard has ended without a word of its keeper", what)
		}
		if !judges(t, dir) {
			t.Errorf("%s: it does not judge when it goes on", what)
		}
	}
	for _, what := range []string{"at first", "again"} {
		if err := cmd.Process.Signal(unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		if errno := open(t, unix.O_RDONLY, dir+"/key"); errno != 0 {
			t.Errorf("%s: while the guard is stopped, open gives %v", what, errno)
		}
		if err := cmd.Process.Signal(unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		freed(what)
	}
	// On one processor the guard cannot answer for what it starts itself.
	if _, err := fmt.Fprintln(in, dir+"/tool"); err != nil {
		t.Fatal(err)
	}
	freed("starting a program")
	keeper := children(t, cmd.Process.Pid)
	if len(keeper) != 1 {
		t.Fatalf("the guard has %d children", len(keeper))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if !eventually(func() bool { return open(t, unix.O_RDONLY, dir+"/key") == 0 }) {
		t.Error("after its death the guard still denies")
	}
	if !eventually(func() bool { return gone(keeper[0]) }) {
		t.Error("the keeper outlives its guard")
	}
}

// children lists those of all threads of a process.
func children(t *testing.T, pid int) (out []int) {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil || len(lists) == 0 {
		t.Skip("the kernel does not list children (CONFIG_PROC_CHILDREN)")
	}
	for _, name := range lists {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for word := range strings.FieldsSeq(string(text)) {
			child, _ := strconv.Atoi(word)
			out = append(out, child)
		}
	}
	return out
}

// gone says whether a process has ended, collected or not.
func gone(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(text), ") Z ")
}
