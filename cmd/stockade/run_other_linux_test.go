package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/audit"
)

// TestGuardWithoutSensors runs the guard of the other systems on this one. Only what the systems themselves answer differs.
func TestGuardWithoutSensors(t *testing.T) {
	program := buildOther(t)
	for _, flag := range []string{"--cgroup=/", "--container=0123", "--pid=1", "--sensors=process"} {
		out, err := exec.Command(program, "run", flag).CombinedOutput()
		exit := new(exec.ExitError)
		if !errors.As(err, &exit) || exit.ExitCode() != exitUsage || !strings.Contains(string(out), "works on Linux only") {
			t.Errorf("run %s: %v\n%s", flag, err, out)
		}
	}

	dir := t.TempDir()
	shell, err := exec.LookPath("sh")
	if err == nil {
		shell, err = filepath.EvalSymlinks(shell)
	}
	if err != nil {
		t.Fatal(err)
	}
	policy, log := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "log", "audit.jsonl")
	write(t, policy, "version: \"1.0\"\nmode: enforce\nprocesses:\n  "+filepath.Base(shell)+":\n    allowed_exec: [/bin/none]\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	guard := exec.CommandContext(ctx, program, "run", "--policy", policy, "--audit-log", log, "--state", filepath.Join(dir, "state"), "-o", "json")
	var said bytes.Buffer
	guard.Stderr = &said
	out, err := guard.StdoutPipe()
	if err == nil {
		err = guard.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	// One program after the other, so that the guard meets one that was not there at its first look.
	starter := exec.CommandContext(ctx, shell, "-c", "while sleep 1.5; do :; done")
	if err := starter.Start(); err != nil {
		t.Fatal(err)
	}
	events := json.NewDecoder(out)
	e := awaitStart(t, events, starter.Process.Pid, &said)
	if len(e.Violations) != 1 || e.Violations[0].Action != event.ActionLogged || e.Violations[0].PolicyMode != "audit" || e.Evidence != event.EvidencePoller {
		t.Errorf("the start of a program that is not allowed: %+v", e)
	}
	if err := errors.Join(starter.Process.Kill(), guard.Process.Signal(os.Interrupt)); err != nil {
		t.Fatal(err)
	}
	_ = starter.Wait() // it was killed
	var last event.Event
	for err = nil; err == nil; err = events.Decode(&last) {
	}
	if !errors.Is(err, io.EOF) || last.Kind != event.KindGuard || last.Guard.Action != "stop" {
		t.Errorf("the last event is %+v, then %v", last, err)
	}
	if err := guard.Wait(); err != nil || strings.Count(said.String(), "nothing can be enforced") != 1 {
		t.Errorf("the guard's end: %v\n%s", err, &said)
	}
	if r, err := audit.Verify(log); err != nil || !r.OK() || r.Records < 3 {
		t.Errorf("the audit log: %+v, %v", r, err)
	}
}

// awaitStart reads events until a child of a process has started.
func awaitStart(t *testing.T, events *json.Decoder, parent int, said *bytes.Buffer) *event.Event {
	t.Helper()
	for {
		e := new(event.Event)
		if err := events.Decode(e); err != nil {
			t.Fatalf("no such start: %v\n%s", err, said)
		}
		if e.Kind == event.KindExec && len(e.Process.Parents) > 0 && e.Process.Parents[0].PID == parent {
			return e
		}
	}
}

// buildOther builds the program of the other systems for this one.
func buildOther(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command")
	}
	if module, err := exec.Command("go", "env", "GOMOD").Output(); os.Getuid() != 0 && (err != nil || filepath.Base(strings.TrimSpace(string(module))) != "go.mod") {
		t.Skip("needs a checkout that this user can reach by its full path")
	}
	source, err := os.ReadFile("run_other.go")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("needs its source")
	}
	here, e := os.Getwd()
	if err := errors.Join(err, e); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(here, "run_linux.go"): "",
		filepath.Join(here, "run_other.go"): filepath.Join(dir, "run_other.go"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "run_other.go"), strings.Replace(string(source), "//go:build !linux\n", "", 1))
	write(t, filepath.Join(dir, "overlay.json"), string(overlay))
	program := filepath.Join(dir, "stockade")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
