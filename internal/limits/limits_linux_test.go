package limits

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// child is a process that sleeps until it is told otherwise, in a cgroup if one is given.
func child(t *testing.T, cgroup, script string) (*exec.Cmd, io.Writer) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	if cgroup != "" {
		dir, err := os.Open(cgroup)
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("%q: %q, %v", script, line, err)
	}
	return cmd, in
}

const waits = "echo ready; read line"

func running(cmd *exec.Cmd) bool {
	u, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
	return err == nil && !strings.Contains(string(u), ") Z ")
}

func wait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
		runtime.Gosched()
	}
}

// TestKill ends the tasks that came last, of processes that this test has started.
func TestKill(t *testing.T) {
	pol := "mode: MODE\nprocesses:\n  app:\n    max_processes: 2\n    on_limit: ACTION\n"
	for name, c := range map[string]struct {
		mode, action string
		exempt       bool
		want         event.Action
		ended        int
	}{
		"killed":   {"enforce", "kill", false, event.ActionKilled, 2},
		"recorded": {"enforce", "record", false, event.ActionAlerted, 0},
		"alerted":  {"alert", "kill", false, event.ActionAlerted, 0},
		"audited":  {"audit", "kill", false, event.ActionLogged, 0},
		"spared":   {"enforce", "kill", true, event.ActionAlerted, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var list []*exec.Cmd
			procs := []Process{{PID: 1}, {PID: os.Getpid()}}
			for range 4 {
				cmd, _ := child(t, "", waits)
				list = append(list, cmd)
				procs = append(procs, Process{PID: cmd.Process.Pid})
			}
			var got []Excess
			l, err := New(Config{
				Image: image(t, strings.NewReplacer("MODE", c.mode, "ACTION", c.action).Replace(pol)),
				Identify: func(_ *compile.Image, pid int) verdict.Task {
					if slices.ContainsFunc(list, func(c *exec.Cmd) bool { return c.Process.Pid == pid }) {
						return verdict.Task{Subject: 1}
					}
					return verdict.Task{}
				},
				Exempt: func(int) bool { return c.exempt }, Report: func(x Excess) { got = append(got, x) }, Sustained: time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			now := time.Unix(1, 0)
			for range 2 {
				if err := l.Sample(now, procs); err != nil {
					t.Fatal(err)
				}
				now = now.Add(time.Second)
			}
			if len(got) != 1 || got[0].Action != c.want || len(got[0].PIDs) != c.ended || got[0].Access.Value != 4 {
				t.Fatalf("got %+v", got)
			}
			for i, cmd := range list {
				if i < 4-c.ended {
					if !running(cmd) {
						t.Errorf("process %d of 4 has ended", i)
					}
					continue
				}
				wait(t, "the end of a late process", func() bool { return !running(cmd) })
			}
			if c.ended == 0 {
				return
			}
			if err := l.Sample(now.Add(time.Hour), procs); err != nil || len(got) != 1 {
				t.Errorf("afterwards: %v, %+v", err, got)
			}
		})
	}
}

// TestReusedPID does not end a process that is not the one that was measured.
func TestReusedPID(t *testing.T) {
	cmd, _ := child(t, "", waits)
	u, err := measure("/proc", cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if u.start == 0 || u.threads != 1 || u.memory == 0 {
		t.Errorf("measured %+v", u)
	}
	u.pid, u.start = cmd.Process.Pid, u.start-1
	if err := kill("/proc", u); !errors.Is(err, errGone) || !running(cmd) {
		t.Errorf("another's number: %v, running %v", err, running(cmd))
	}
	u.start++
	if err := kill("/proc", u); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it ended with %v", err)
	}
	if err := kill("/proc", u); err == nil {
		t.Error("it was ended twice")
	}
}

// cgroupfs finds the cgroup v2 tree.
func cgroupfs(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("cgroups are root's")
	}
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			return dir
		}
	}
	t.Skip("there is no cgroup v2 tree")
	return ""
}

// TestCgroup limits a cgroup of its own, in which a shell starts more than it may.
func TestCgroup(t *testing.T) {
	root := cgroupfs(t)
	name := fmt.Sprintf("/stockade-limits-%d", os.Getpid())
	dir := filepath.Join(root, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)
		wait(t, "the end of the cgroup", func() bool { return os.Remove(dir) == nil })
	})
	shell, in := child(t, dir, "echo ready; read line; for i in 1 2 3 4 5 6 7 8; do sleep 60 & done; wait")
	procs := []Process{{PID: shell.Process.Pid, Cgroup: name}, {PID: 1, Cgroup: "/"}}
	var got []Excess
	state := filepath.Join(t.TempDir(), "state")
	cfg := Config{
		Image: image(t, "mode: enforce\nprocesses:\n  app:\n    match: {cgroup: \""+name+"\"}\n    max_memory_mb: 64\n    max_cpu_percent: 50\n    max_processes: 4\n"),
		Identify: func(_ *compile.Image, pid int) verdict.Task {
			if pid == shell.Process.Pid {
				return verdict.Task{Subject: 1}
			}
			return verdict.Task{}
		},
		Report: func(x Excess) { got = append(got, x) }, Cgroupfs: root, State: state,
	}
	l, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Sample(time.Unix(1, 0), procs); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "pids.max")); err != nil {
		for _, s := range l.Status() {
			if s.Cgroup != "" || !strings.Contains(s.Reason, "its controller is not on") {
				t.Errorf("without controllers: %+v", s)
			}
		}
		t.Skip("this host's cgroup v2 tree has no controllers: what a cgroup refuses is tried in the guests")
	}
	read := func(file string) string {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	if got := read("memory.max") + ", " + read("cpu.max") + ", " + read("pids.max"); got != "67108864, 50000 100000, 4" {
		t.Errorf("the cgroup has %s", got)
	}
	if _, err := io.WriteString(in, "go\n"); err != nil {
		t.Fatal(err)
	}
	wait(t, "a refusal", func() bool { return read("pids.events") != "max 0" })
	if err := l.Sample(time.Unix(2, 0), procs); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(got, func(x Excess) bool { return x.Access.Op == verdict.OpProcesses })
	if i < 0 || got[i].Action != event.ActionBlocked || got[i].Cgroup != name || got[i].Count == 0 || !got[i].Decision.Denied {
		t.Errorf("told %+v", got)
	}
	if _, err := New(cfg); err != nil { // as after a crash
		t.Fatal(err)
	}
	if got := read("memory.max") + ", " + read("cpu.max") + ", " + read("pids.max"); got != "max, max 100000, max" {
		t.Errorf("put back: %s", got)
	}
}
