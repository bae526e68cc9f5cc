//go:build linux

package bypass

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// processGroup is the techniques against a process that nobody may reach into, but the test, which has to end it.
func processGroup() group {
	const control = "process"
	techniques := slices.Concat(signalTechniques(), traceTechniques(), influenceTechniques())
	for i := range techniques {
		techniques[i] = withVictim(control, "victim", techniques[i])
	}
	return group{
		control:  control,
		policy:   processPolicy,
		programs: []string{"victim", "bystander"},
		direct: withVictim(control, "victim", technique{name: "harmless signal", attempt: func(e *Env) error {
			return unix.Kill(e.victim(), unix.SIGWINCH)
		}}),
		fair: []technique{
			withVictim(control, "bystander", technique{name: "signal for another", attempt: killing(func(e *Env) error {
				return unix.Kill(e.victim(), unix.SIGTERM)
			})}),
			withVictim(control, "bystander", technique{name: "memory of another", attempt: readMemory}),
		},
		techniques: techniques,
	}
}

func processPolicy(bin string, _ map[string]*Env) string {
	test, err := os.Executable()
	if err != nil {
		test = "/proc/self/exe" // which matches nothing: then the victims end when their input does
	}
	return fmt.Sprintf(`version: "1.0"
mode: enforce
processes:
  attacker:
    match: {exe: %q}
    inherit: true
  victim:
    match: {exe: %q}
    protect: {signals: [keeper], ptrace: []}
  keeper:
    match: {exe: %q}
`, bin+"/attacker", bin+"/victim", test)
}

// victimFD is where the victim has the secret file open.
const victimFD = 50

// withVictim has a process of that program wait for what the technique does to it. What setup leaves among the facts, a
// terminal or a cgroup, the victim gets.
func withVictim(control, program string, t technique) technique {
	start, then, name := t.setup, t.then, t.name
	t.setup = func(e *Env) error {
		if start != nil {
			if err := start(e); err != nil {
				return err
			}
		}
		return startVictim(control, program, name, e)
	}
	t.then = func(e *Env) error {
		if then != nil && os.Getenv(envVictim) == "" {
			return then(e)
		}
		return beVictim(e)
	}
	return t
}

func startVictim(control, program, name string, e *Env) error {
	environment, err := json.Marshal(e)
	if err != nil {
		return err
	}
	cmd := exec.Command(e.program(program))
	cmd.Env = append(secondPart(), envTechnique+"="+control+"/"+name, envEnv+"="+string(environment), envVictim+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if name := e.Facts["terminal"]; name != "" {
		tty, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			return err
		}
		defer tty.Close()
		cmd.ExtraFiles = []*os.File{tty}
		cmd.SysProcAttr.Setctty, cmd.SysProcAttr.Ctty = true, 3
	}
	if name := e.Facts["cgroup"]; name != "" {
		dir, err := os.Open(name)
		if err != nil {
			return err
		}
		defer dir.Close()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	orders, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start a victim: %w", err)
	}
	e.undo(func() error {
		_, _ = orders.Close(), cmd.Process.Kill()
		_ = cmd.Wait()
		return nil
	})
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the victim did not get ready: %w", err)
	}
	e.Facts["victim"], e.Facts["address"] = strconv.Itoa(cmd.Process.Pid), strings.TrimSpace(line)
	return nil
}

const envVictim = "STOCKADE_BYPASS_VICTIM"

// beVictim holds the token in memory, tells where, and waits until nobody wants it any more.
func beVictim(e *Env) error {
	memory, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	copy(memory, e.Token)
	f, err := os.Open(e.Secret)
	if err != nil {
		return err
	}
	if err := unix.Dup2(int(f.Fd()), victimFD); err != nil {
		return err
	}
	fmt.Println(uintptr(unsafe.Pointer(&memory[0])))
	_, _ = io.Copy(io.Discard, os.Stdin)
	return errors.New("the victim was left alone")
}

func (e *Env) victim() int { return e.number("victim") }

// number is a fact that is one. Without it there is no such process, address or descriptor.
func (e *Env) number(fact string) int {
	n, err := strconv.Atoi(e.Facts[fact])
	if err != nil {
		return 1<<31 - 1
	}
	return n
}

// killing is an attempt that succeeds when the victim ends of it.
func killing(do func(*Env) error) func(*Env) error {
	return func(e *Env) error {
		fd, err := unix.PidfdOpen(e.victim(), 0)
		if err != nil {
			return unfair("pidfd_open", err)
		}
		defer func() { _ = unix.Close(fd) }()
		if err := do(e); err != nil {
			return err
		}
		if !readable(fd, answerTime) {
			return fmt.Errorf("%w: the victim lives", errRefused)
		}
		return nil
	}
}

// stopping is an attempt that succeeds when the victim no longer runs.
func stopping(do func(*Env) error, states string) func(*Env) error {
	return func(e *Env) error {
		if err := do(e); err != nil {
			return err
		}
		for deadline := time.Now().Add(answerTime); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", e.victim()))
			if err != nil {
				return unfair("read the victim's state", err)
			}
			if i := strings.LastIndexByte(string(stat), ')'); i >= 0 && strings.ContainsRune(states, rune(stat[i+2])) {
				return nil
			}
		}
		return fmt.Errorf("%w: the victim runs on", errRefused)
	}
}
