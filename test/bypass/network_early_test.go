//go:build linux

package bypass

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

// Attackers who were there before the guard.

// early starts an attacker before the guard. It makes its socket at once, with a connection or without, and does the rest
// when the attempt gives the sign.
func early(w *world, control, name string, connected bool) technique {
	t := technique{name: name, attempt: late, then: func(e *Env) error { return beEarly(e, connected) }}
	t.before = func(e *Env) error {
		environment, err := json.Marshal(e)
		if err != nil {
			return err
		}
		cmd := exec.Command(e.program("attacker"))
		cmd.Env = append(secondPart(), envTechnique+"="+control+"/"+name, envEnv+"="+string(environment))
		orders, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		said, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := w.inside.do(cmd.Start); err != nil {
			return fmt.Errorf("start an early attacker: %w", err)
		}
		e.undo(func() error {
			_ = orders.Close() // it ends by itself then
			_ = cmd.Wait()
			return nil
		})
		if _, err := io.ReadFull(said, make([]byte, 1)); err != nil {
			return fmt.Errorf("the early attacker did not get ready: %w", err)
		}
		return nil
	}
	return t
}

// late gives the sign, and tells what the early attacker has come to.
func late(e *Env) error {
	if err := writeWhole(e.work("go"), ""); err != nil {
		return err
	}
	said, err := waitFile(e.work("result"), 3*answerTime)
	if err != nil {
		return fmt.Errorf("%w: the early attacker did not come back", errRefused)
	}
	var r report
	switch {
	case said == "":
		return nil
	case json.Unmarshal([]byte(said), &r) == nil && r.Refused:
		return fmt.Errorf("%w: %s", errRefused, r.Text)
	}
	return errors.New(r.Text)
}

func beEarly(e *Env, connected bool) error {
	fd, err := socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	to := sockaddr(forbidden4, port)
	if connected {
		if err := unix.Connect(fd, to); err != nil {
			return err
		}
	}
	if _, err := os.Stdout.WriteString("r"); err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1)) // its end
		close(gone)
	}()
	for ready := false; !ready; {
		select {
		case <-gone:
			return errors.New("nobody wants it any more")
		case <-time.After(10 * time.Millisecond):
			_, err := os.Stat(e.work("go"))
			ready = err == nil
		}
	}
	if connected {
		err = ask(fd)
	} else {
		err = callBy(fd, to)
	}
	text := ""
	if err != nil {
		r, _ := json.Marshal(reportOf(err))
		text = string(r)
	}
	return errors.Join(err, writeWhole(e.work("result"), text))
}
