//go:build linux

package activity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/identity"
	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/internal/pipeline"
)

// cgroupRoot finds the cgroup v2 tree: alone, or beside version 1.
func cgroupRoot(t *testing.T) string {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(dir, "cgroup.controllers")); err == nil {
			return dir
		}
	}
	t.Fatal("no cgroup v2 tree is mounted")
	return ""
}

// testCgroup makes a cgroup for one test and removes it after.
func testCgroup(t *testing.T, root string) (path string, id uint64) {
	path, err := os.MkdirTemp(root, "stockade-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		deadline := time.Now().Add(5 * time.Second) // the kernel empties a cgroup a little after its last task is gone
		for {
			err := os.Remove(path)
			if err == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Errorf("remove the test cgroup: %v", err)
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return path, st.Ino
}

// child prepares a run of one activity, in a cgroup unless that is empty.
func child(t *testing.T, a activity, dir, cgroup string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), envActivity+"="+a.name, envDir+"="+dir)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	t.Cleanup(func() {
		if t.Failed() && errs.Len() > 0 {
			t.Logf("the activity said: %s", errs.String())
		}
	})
	if cgroup != "" {
		fd, err := os.Open(cgroup)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = fd.Close() })
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(fd.Fd())}
	}
	return cmd, &out
}

// watch is a guard limited to a test cgroup, in which all activities run one after the other.
type watch struct {
	cgroup string
	kernel *kernel.Kernel
	pipe   *pipeline.Pipeline
	read   uint64 // records since the guard was opened
}

// newWatch opens the sensors for a cgroup of their own. Loading them is what takes time, in a guest above all.
func newWatch(t *testing.T, sensors []*kernel.Sensor) *watch {
	root := cgroupRoot(t)
	path, id := testCgroup(t, root)
	k := open(t, root, id, sensors)
	return &watch{cgroup: path, kernel: k, pipe: pipeline.New(pipeline.Config{
		Decode: k.Decode,
		Table:  identity.New(identity.Config{}),
		Judge:  func(*event.Event) []event.Violation { return nil },
		Run:    "test",
	})}
}

// observed is what the guard saw of an activity in its cgroup.
type observed struct {
	events []event.Event
	facts  facts
	dir    string
}

// observe runs the activity in the cgroup and, at the same time or just before, once outside of it: nothing of that may
// be seen.
func (w *watch) observe(t *testing.T, a activity) observed {
	control, _ := child(t, a, t.TempDir(), "")
	if err := control.Start(); err != nil {
		t.Fatal(err)
	}
	outside := sync.OnceFunc(func() {
		if err := control.Wait(); err != nil {
			t.Errorf("the activity outside the cgroup: %v", err)
		}
	})
	defer outside()
	if a.alone {
		outside()
	}
	o := observed{dir: t.TempDir()}
	cmd, out := child(t, a, o.dir, w.cgroup)
	done := make(chan error, 1)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { done <- cmd.Wait() }()
	o.events = w.collect(t, done)
	outside()
	if err := json.Unmarshal(out.Bytes(), &o.facts); err != nil {
		t.Fatalf("the activity's facts: %v", err)
	}
	for _, e := range o.events {
		if e.Process.PID == control.Process.Pid {
			t.Errorf("seen outside of the cgroup: %s", text(e))
		}
	}
	return o
}

func open(t *testing.T, root string, id uint64, sensors []*kernel.Sensor) *kernel.Kernel {
	k, err := kernel.Open(kernel.Config{
		Trampolines: trampolines(),
		CgroupRoot:  root,
		Scope:       kernel.Scope{CgroupID: id, CgroupLevel: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, s := range sensors {
		if err := k.Add(s); err != nil {
			t.Fatalf("%+v", err)
		}
	}
	for _, a := range k.Attached() {
		if strings.HasPrefix(a.Missing, "more than one") {
			t.Errorf("%s is there and not attached: %s", a.Target, a.Missing)
		} else if a.Missing != "" {
			t.Logf("%s is not attached: %s", a.Target, a.Missing)
		} else if trampolines() && strings.HasPrefix(a.Target, "sys_exit/") {
			t.Errorf("%s slows every system call, and this kernel has a trampoline for it", a.Target)
		}
	}
	return k
}

// patience is how long an activity may take, and then how long the counters may need to agree.
const patience = 60 * time.Second

var errDone = errors.New("done")

// collect reads until the activity has ended and every record that was produced has been read or counted as lost.
func (w *watch) collect(t *testing.T, done <-chan error) []event.Event {
	var events []event.Event
	each := func(r *kernel.Record) error {
		e, err := w.pipe.Record(r)
		if err == nil {
			events = append(events, *e)
			w.read++
		}
		return err
	}
	ended, deadline := false, time.Now().Add(patience)
	err := w.kernel.Read(each, func() error {
		select {
		case err := <-done:
			ended, deadline = true, time.Now().Add(patience)
			return err // one more round: what was made before the end is in the ring now
		default:
		}
		if time.Now().After(deadline) {
			return errors.New("the activity did not end, or records are missing")
		}
		if !ended {
			return nil
		}
		if err := w.kernel.Drain(each); err != nil {
			return err
		}
		return w.complete()
	})
	if !errors.Is(err, errDone) {
		t.Fatal(err)
	}
	return events
}

// complete returns errDone once all records are accounted for, and an error when any was lost.
func (w *watch) complete() error {
	a, err := w.kernel.Accounts()
	if err != nil {
		return err
	}
	for cause, n := range a.Lost {
		if n != 0 {
			return fmt.Errorf("%d records lost: %s", n, cause)
		}
	}
	if a.Produced == w.read {
		return errDone
	}
	return nil
}

func text(e event.Event) string {
	b, err := json.Marshal(e)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// fields turns a partial event into the JSON values that were set in it.
func fields(t *testing.T, e event.Event) map[string]any {
	var m map[string]any
	if err := json.Unmarshal([]byte(text(e)), &m); err != nil {
		t.Fatal(err)
	}
	return prune(m).(map[string]any)
}

func prune(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for name, x := range m {
		x = prune(x)
		switch zero := x.(type) {
		case map[string]any:
			if len(zero) == 0 {
				delete(m, name)
			}
		case string:
			if zero == "" || strings.HasPrefix(zero, "0001-01-01") {
				delete(m, name)
			}
		case float64:
			if zero == 0 {
				delete(m, name)
			}
		case bool:
			if !zero {
				delete(m, name)
			}
		case nil:
			delete(m, name)
		}
	}
	return m
}

// contains says whether all that is set in want is so in got.
func contains(got, want any) bool {
	w, ok := want.(map[string]any)
	if !ok {
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		return bytes.Equal(a, b)
	}
	g, ok := got.(map[string]any)
	if !ok {
		return false
	}
	for name := range w {
		if !contains(g[name], w[name]) {
			return false
		}
	}
	return true
}
