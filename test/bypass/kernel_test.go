//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"golang.org/x/sys/unix"
)

// kernelGroup is the techniques against rules of the host: what only named executables may ask of the kernel.
func kernelGroup() group {
	return group{
		control: "kernel",
		policy:  kernelPolicy,
		direct:  technique{name: "prctl", attempt: func(*Env) error { return prctl() }},
		fair: []technique{
			{name: "another prctl", attempt: func(*Env) error { return unix.Prctl(unix.PR_SET_TIMERSLACK, 50000, 0, 0, 0) }},
			{name: "mount of something else", attempt: mountSomethingElse},
			{name: "bpf by who may", before: trust, attempt: func(e *Env) error { return become(e.vault("trusted")) }, then: loadProgram},
		},
		techniques: slices.Concat(callTechniques(), moduleTechniques(), bpfTechniques(), mountTechniques()),
	}
}

func kernelPolicy(_ string, envs map[string]*Env) string {
	trusted := each(envs, func(e *Env) string { return e.vault("trusted") })
	if guard := os.Getenv(envBinary); guard != "" {
		trusted += fmt.Sprintf(", %q", guard)
	}
	return fmt.Sprintf(`version: "1.0"
mode: enforce
processes: {attacker: {}}
host:
  kernel_modules: {allow: [%s]}
  bpf: {allow_exe: [%s]}
  mounts: {block_sources: [%s, %s]}
  settime: {allow_exe: []}
  prctl: {block: [PR_SET_DUMPABLE], allow_exe: []}
  keyrings: {allow_exe: []}
  io_uring: {allow_exe: []}
`, forgedModule, trusted,
		each(envs, func(e *Env) string { return e.Vault }), each(envs, func(e *Env) string { return e.Vault + "/**" }))
}

// inGuest is for attempts that change the whole machine: they are for guests alone, where a guard may enforce too.
func inGuest(do func(*Env) error) func(*Env) error {
	return func(e *Env) error {
		if os.Getenv(envBinary) == "" {
			return lacks("it changes the whole machine, and is done in guests alone")
		}
		return do(e)
	}
}

// callTechniques are about system calls without an object.
func callTechniques() []technique {
	return []technique{
		{name: "prctl by a thread", attempt: func(*Env) error { return onThread(prctl) }},
		{name: "prctl by a child", attempt: byChild, then: func(*Env) error { return prctl() }},
		{name: "prctl by 32-bit call", attempt: func(*Env) error { return call32(172, unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }},
		{name: "clock_settime", attempt: inGuest(func(*Env) error { return setClock() })},
		{name: "clock_settime by a thread", attempt: inGuest(func(*Env) error { return onThread(setClock) })},
		{name: "settimeofday", attempt: inGuest(func(*Env) error {
			var now unix.Timeval
			return errors.Join(unix.Gettimeofday(&now), unix.Settimeofday(&now))
		})},
		{name: "time zone of settimeofday", attempt: inGuest(setTimeZone)},
		{name: "adjtimex by an offset", attempt: inGuest(func(*Env) error { return adjust(&unix.Timex{Modes: adjSetOffset}) })},
		{name: "adjtimex by the frequency", attempt: inGuest(func(*Env) error { return adjust(&unix.Timex{Modes: unix.ADJ_FREQUENCY}) })},
		{name: "clock_adjtime", attempt: inGuest(func(*Env) error {
			_, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &unix.Timex{Modes: adjSetOffset})
			return err
		})},
		{name: "add_key", attempt: func(*Env) error { return addKey() }},
		{name: "add_key by a thread", attempt: func(*Env) error { return onThread(addKey) }},
		{name: "keyctl", attempt: func(*Env) error {
			_, err := unix.KeyctlJoinSessionKeyring("stockade-bypass")
			return err
		}},
		{name: "keyctl by 32-bit call", attempt: func(*Env) error { return call32(288, unix.KEYCTL_JOIN_SESSION_KEYRING, 0) }},
		{name: "io_uring_setup", attempt: func(*Env) error { return makeRing() }},
		{name: "io_uring_setup by a thread", attempt: func(*Env) error { return onThread(makeRing) }},
		{name: "io_uring_setup by a child", attempt: byChild, then: func(*Env) error { return makeRing() }},
		{name: "io_uring_setup by 32-bit call", attempt: func(*Env) error { return ring32() }},
	}
}

const adjSetOffset = 0x0100

// byChild leaves it to a child, which runs the same program.
func byChild(e *Env) error { return again(e, exec.Command(e.program("attacker"))) }

func prctl() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// setClock sets it to what it shows.
func setClock() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME, &now); err != nil {
		return err
	}
	return unix.ClockSettime(unix.CLOCK_REALTIME, &now)
}

func setTimeZone(*Env) error {
	var zone [8]byte
	if _, _, e := unix.Syscall(unix.SYS_SETTIMEOFDAY, 0, address(zone[:]), 0); e != 0 {
		return e
	}
	return nil
}

func adjust(t *unix.Timex) error {
	_, err := unix.Adjtimex(t)
	return err
}

func addKey() error {
	_, err := unix.AddKey("user", "stockade-bypass", []byte("x"), unix.KEY_SPEC_PROCESS_KEYRING)
	return err
}

func makeRing() error {
	r, err := newRing(0)
	if err == nil {
		r.close()
	}
	return err
}

// ring32 has the parameters lie where 32 bits reach.
func ring32() error {
	low, err := lowMemory()
	if err != nil {
		return err
	}
	return call32(425, 4, int(address(low)))
}
