//go:build linux

package bypass

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// envBinary names the stockade binary to test. That it is set says that this machine may be enforced upon.
const envBinary = "STOCKADE_TEST_BINARY"

// instance keeps the guard under test apart from any other.
const instance = "bypass"

// startup is how long the guard may take until it enforces: loading its programs is slow in an emulated machine.
const startup = 3 * time.Minute

// enforce starts a guard with the group's policy, returns once it refuses the direct way, and has it let go at the end.
func (s *stage) enforce(t *testing.T, binary string) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(file, []byte(s.group.policy(s.bin, s.envs)), 0o600); err != nil {
		t.Fatal(err)
	}
	state := t.TempDir()
	cmd := exec.Command(binary, "--instance", instance, "run", "--policy", file, "--mode", "enforce", "--quiet", "--sensors", "process",
		"--state", filepath.Join(state, "state"), "--audit-log", filepath.Join(state, "audit.jsonl"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	ownCgroup(t, cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // its state says the same
	}()
	t.Cleanup(func() { s.release(t, binary, cmd, ended) })
	s.await(t, "the guard answers", ended, func() bool { return verb(binary, "status") == nil })
	if setup := s.group.direct.setup; setup != nil {
		if err := setup(s.envs[s.group.direct.name]); err != nil {
			t.Fatal(err)
		}
	}
	s.await(t, "the guard refuses "+s.group.direct.name, ended, func() bool {
		r, _ := judge(s.try(s.group.direct))
		return r == resultPrevented || r == resultKilled
	})
	for _, fair := range s.group.fair {
		if fair.setup != nil {
			if err := fair.setup(s.envs[fair.name]); err != nil {
				t.Fatal(err)
			}
		}
		if o := s.try(fair); !o.done {
			t.Errorf("the guard refuses what the policy allows: %s: %s", fair.name, o.Text)
		}
	}
}

// ownCgroup has the guard start in a cgroup of its own, as a service does. That the root of the tree cannot be frozen
// protects no guard.
func ownCgroup(t *testing.T, cmd *exec.Cmd) {
	const path = "/sys/fs/cgroup/stockade-bypass-guard"
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	t.Cleanup(func() {
		if err := errors.Join(dir.Close(), eventually(func() error { return os.Remove(path) })); err != nil {
			t.Error(err)
		}
	})
}

func (s *stage) try(tech technique) outcome {
	return attempt(s.group, tech, s.envs[tech.name])
}

// await polls until the condition holds, and fails when the guard ends or it takes too long.
func (s *stage) await(t *testing.T, what string, ended <-chan struct{}, holds func() bool) {
	t.Helper()
	deadline := time.After(startup)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ended:
			t.Fatalf("the guard ended while the test waited until %s", what)
		case <-deadline:
			t.Fatalf("not within %s: %s", startup, what)
		case <-tick.C:
		}
	}
}

// release stops the guard, and sees to it that nothing is enforced any more.
func (s *stage) release(t *testing.T, binary string, cmd *exec.Cmd, ended <-chan struct{}) {
	if err := verb(binary, "stop", "--release"); err != nil {
		t.Errorf("stop the guard: %v", err)
	}
	select {
	case <-ended:
	case <-time.After(startup):
		t.Error("the guard does not end")
		_ = cmd.Process.Kill()
		<-ended
	}
	if !cmd.ProcessState.Success() {
		t.Errorf("the guard ended with: %s", cmd.ProcessState)
	}
	if t.Failed() {
		t.Logf("the guard said:\n%s", cmd.Stdout)
	}
	if o := s.try(s.group.direct); !o.done {
		t.Errorf("after the guard let go, %s is still refused: %s", s.group.direct.name, o.Text)
	}
}

// verb runs a verb of the guard's program.
func verb(binary string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startup)
	defer cancel()
	return exec.CommandContext(ctx, binary, append([]string{"--instance", instance}, args...)...).Run()
}
