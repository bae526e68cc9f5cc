//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Sockets that somebody else made, reached for, or bound.

func passedTechniques(w *world, control string) []technique {
	askIt := func(_ *Env, fd int) error { return ask(fd) }
	callIt := func(_ *Env, fd int) error { return callBy(fd, sockaddr(forbidden4, port)) }
	splice := func(_ *Env, fd int) error { return spliceTo(fd) }
	return []technique{
		{name: "passed connected socket", attempt: given("connected tcp", askIt)},
		{name: "passed connected socket, sendfile", attempt: given("connected tcp", sendFile)},
		{name: "passed connected udp socket", attempt: given("connected udp", askIt)},
		{name: "passed unconnected socket", attempt: given("unconnected tcp", callIt)},
		{name: "passed unconnected udp socket", attempt: given("unconnected udp", func(_ *Env, fd int) error {
			return knockAndHear(fd, rawAddress(sockaddr(forbidden4, port)))
		})},
		{name: "own socket, connected by another", attempt: bySocket(unix.AF_INET, unix.SOCK_STREAM, 0, doLend)},
		{name: "socket taken by pidfd_getfd", attempt: doTake},
		inherited("inherited connected socket", "connected tcp", askIt),
		inherited("inherited connected socket, sendfile", "connected tcp", sendFile),
		inherited("inherited connected socket, splice", "connected tcp", splice),
		inherited("inherited connected socket, io_uring", "connected tcp", func(_ *Env, fd int) error { return doRingWrite(fd) }),
		inherited("inherited connected udp socket", "connected udp", askIt),
		inherited("inherited unconnected socket", "unconnected tcp", callIt),
		early(w, control, "socket from before the policy", false),
		early(w, control, "connection from before the policy", true),
	}
}

// doLend has the helper connect the attacker's socket.
func doLend(e *Env, fd int) error {
	return helped(e, "connect", fd, func(string, int) error { return ask(fd) })
}

// doTake copies a descriptor out of the helper.
func doTake(e *Env) error {
	return helped(e, "keep", -1, func(said string, _ int) error {
		parts := strings.Split(said, "/") // /proc/PID/fd/N
		if len(parts) != 5 {
			return fmt.Errorf("the helper said %q", said)
		}
		pid, err1 := strconv.Atoi(parts[2])
		number, err2 := strconv.Atoi(parts[4])
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		process, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			return fmt.Errorf("pidfd_open: %w", err)
		}
		defer func() { _ = unix.Close(process) }()
		fd, err := unix.PidfdGetfd(process, number, 0)
		if err != nil {
			return fmt.Errorf("pidfd_getfd: %w", err)
		}
		defer func() { _ = unix.Close(fd) }()
		if err := impatient(fd); err != nil {
			return err
		}
		return ask(fd)
	})
}

// keptFD is the number by which a launcher leaves a descriptor to the attacker.
const keptFD = 100

// inherited is tried by a launcher, whom no rule means: it gets a descriptor, and becomes the attacker with it.
func inherited(name, words string, do func(e *Env, fd int) error) technique {
	keep := func(e *Env, fd int) error {
		if err := unix.Dup2(fd, keptFD); err != nil { // not closed by exec
			return err
		}
		return become(e.program("attacker"))
	}
	then := func(e *Env) error {
		if err := impatient(keptFD); err != nil {
			return fmt.Errorf("the inherited descriptor: %w", err)
		}
		return do(e, keptFD)
	}
	return technique{name: name, as: "launcher", attempt: given(words, keep), then: then}
}

// doRingWrite knocks by io_uring on a socket that is connected already.
func doRingWrite(fd int) error {
	return withRing(0, func(r *ring, pin *pinner) error {
		text := []byte(question)
		if _, err := r.do(submission{opcode: ringWrite, fd: int32(fd), address: pinned(pin, text), length: uint32(len(text))}); err != nil {
			return err
		}
		return hear(fd)
	})
}
