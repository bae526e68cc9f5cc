//go:build linux

package bypass

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long an attempt may take, in an emulated machine with all its processors busy.
const patience = 60 * time.Second

// outcome is what came of an attempt: done, or a report of why not.
type outcome struct {
	done bool
	report
}

func (r report) err() error {
	if r.Lacks {
		return lacks(r.Text)
	}
	return &r
}

// Error makes a report of the second part of an attempt an error of the first.
func (r *report) Error() string { return r.Text }

func reportOf(err error) report {
	var status *exec.ExitError
	var second *report
	if errors.As(err, &second) {
		return *second
	}
	r := report{
		Text:    err.Error(),
		Refused: errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, errRefused),
		Lacks:   isLack(err),
	}
	if errors.As(err, &status) {
		wait, ok := status.Sys().(syscall.WaitStatus)
		r.Killed = ok && wait.Signaled() && wait.Signal() == unix.SIGKILL
	}
	return r
}

// attempt has a technique tried by its program, and says what came of it.
func attempt(g *group, t technique, e *Env) outcome {
	o := run(g, t, e)
	if t.after != nil {
		e.undo(func() error { return t.after(e) })
	}
	if t.effect == nil {
		return o
	}
	err := t.effect(e)
	if err != nil && o.done {
		o.report = report{Text: err.Error(), Refused: true}
	}
	o.done = err == nil
	return o
}

// run starts the program, in a process group that does not outlive the attempt.
func run(g *group, t technique, e *Env) outcome {
	environment, err := json.Marshal(e)
	if err != nil {
		return outcome{report: report{Text: err.Error()}}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	as := t.as
	if as == "" {
		as = "attacker"
	}
	cmd := exec.CommandContext(ctx, e.program(as))
	cmd.Env = append(os.Environ(), envTechnique+"="+g.control+"/"+t.name, envEnv+"="+string(environment))
	cmd.Dir = e.Root
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second // for descendants that keep the pipes open
	return finish(ctx, cmd, e.Token, g.within)
}

// finish runs the command of an attempt to its end, and reads what it printed.
func finish(ctx context.Context, cmd *exec.Cmd, token string, within func(func() error) error) outcome {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	start := cmd.Start
	if within != nil {
		start = func() error { return within(cmd.Start) }
	}
	err := start()
	if err == nil {
		err = cmd.Wait()
	}
	if cmd.Process != nil && cmd.SysProcAttr.Setpgid {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
	}
	o := parse(out.String(), token)
	if o.Text != "" {
		return o
	}
	switch {
	case ctx.Err() != nil:
		o.report = report{Text: fmt.Sprintf("not done after %s: %s", patience, errs.String())}
	case err != nil:
		o.report = reportOf(fmt.Errorf("%w: %s", err, strings.TrimSpace(errs.String())))
	case !o.done:
		o.report = report{Text: "the attempt ended without a word: " + strings.TrimSpace(errs.String())}
	}
	return o
}

// parse reads what an attempt printed: the token, or a report.
func parse(out, token string) outcome {
	var o outcome
	for line := range strings.Lines(out) {
		if strings.TrimSuffix(line, "\n") == token {
			o.done = true
		} else if json.Unmarshal([]byte(line), &o.report) == nil && o.Text != "" {
			break
		}
	}
	return o
}

// eventually calls f until it returns nil, for a while.
func eventually(f func() error) error {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if err := f(); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// again has a command of this same program make the second part of the attempt, and returns what came of it.
func again(e *Env, cmd *exec.Cmd) error {
	cmd.Env = secondPart()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if o := finish(context.Background(), cmd, e.Token, nil); !o.done {
		return o.err()
	}
	return nil
}

// become turns this process into the program that makes the second part of the attempt.
func become(program string) error {
	return fmt.Errorf("exec %s: %w", program, unix.Exec(program, []string{program}, secondPart()))
}

func secondPart() []string { return append(os.Environ(), envThen+"=1") }
