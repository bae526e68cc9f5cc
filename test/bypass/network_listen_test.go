//go:build linux

package bypass

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The attacker may open one port alone; others call it at another one. And who is forbidden calls it at the one that is open.

func listenTechniques() []technique {
	const stream, datagram = unix.SOCK_STREAM, unix.SOCK_DGRAM
	closed := sockaddr(own4, closedPort)
	hear := func(family, protocol int, at unix.Sockaddr) func(*Env) error {
		return bySocket(family, stream, protocol, func(e *Env, fd int) error {
			if err := takePort(fd, at); err != nil {
				return err
			}
			return listenAndHear(e, fd)
		})
	}
	return []technique{
		{name: "listen", attempt: hear(unix.AF_INET, 0, closed)},
		{name: "listen on any address", attempt: hear(unix.AF_INET, 0, sockaddr("0.0.0.0", closedPort))},
		{name: "listen over ipv6", attempt: hear(unix.AF_INET6, 0, sockaddr("::", closedPort))},
		{name: "listen on a mapped address", attempt: hear(unix.AF_INET6, 0, sockaddr("::ffff:"+own4, closedPort))},
		{name: "listen by mptcp", attempt: hear(unix.AF_INET, protocolMPTCP, closed)},
		{name: "listen by smc", attempt: hear(afSMC, 0, closed)},
		{name: "listen without bind", attempt: bySocket(unix.AF_INET, stream, 0, listenAndHear)},
		{name: "listen after a bind to any port", attempt: hear(unix.AF_INET, 0, sockaddr(own4, 0))},
		{name: "listen by io_uring", attempt: bySocket(unix.AF_INET, stream, 0, doRingListen)},
		{name: "bind for datagrams", attempt: bySocket(unix.AF_INET, datagram, 0, doListenDatagrams)},
		{name: "datagrams without bind", attempt: bySocket(unix.AF_INET, datagram, 0, doListenAny)},
		{name: "accept on a passed listener", attempt: given("listener", func(e *Env, fd int) error { return acceptAndHear(e, fd, closedPort) })},
		inherited("accept on an inherited listener", "listener", func(e *Env, fd int) error { return acceptAndHear(e, fd, closedPort) }),
		{name: "answer a forbidden caller", attempt: bySocket(unix.AF_INET, stream, 0, doAnswer)},
	}
}

// takePort does not mind that the port was used before.
func takePort(fd int, at unix.Sockaddr) error {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err := unix.Bind(fd, at); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

func localPort(fd int) (int, error) {
	a, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return a.Port, nil
	case *unix.SockaddrInet6:
		return a.Port, nil
	}
	return closedPort, nil
}

func listenAndHear(e *Env, fd int) error {
	if err := unix.Listen(fd, 8); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	at, err := localPort(fd)
	if err != nil {
		return err
	}
	return acceptAndHear(e, fd, at)
}

// acceptAndHear has somebody call who may be talked to.
func acceptAndHear(e *Env, fd, at int) error {
	return accept(e, fd, allowed4, at)
}

func accept(e *Env, fd int, caller string, at int) error {
	to := netip.AddrPortFrom(netip.MustParseAddr(own4), uint16(at))
	return helped(e, fmt.Sprintf("dial %s %s", caller, to), -1, func(string, int) error {
		c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		if err != nil {
			return fmt.Errorf("accept: %w", unanswered(err))
		}
		defer func() { _ = unix.Close(c) }()
		if err := impatient(c); err != nil {
			return err
		}
		buf := make([]byte, 100)
		n, err := unix.Read(c, buf)
		if err != nil {
			return fmt.Errorf("read: %w", unanswered(err))
		}
		if string(buf[:n]) != question {
			return fmt.Errorf("the caller said %q", buf[:n])
		}
		return nil
	})
}

func doRingListen(e *Env, fd int) error {
	return withRing(0, func(r *ring, pin *pinner) error {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
		address := rawAddress(sockaddr(own4, closedPort))
		_, err := r.do(submission{opcode: ringBind, fd: int32(fd), address: pinned(pin, address), offset: uint64(len(address))})
		if err == nil {
			_, err = r.do(submission{opcode: ringListen, fd: int32(fd), length: 8})
		}
		if isInvalid(err) {
			return lacks("this io_uring neither binds nor listens")
		} else if err != nil {
			return err
		}
		return acceptAndHear(e, fd, closedPort)
	})
}

func doListenDatagrams(e *Env, fd int) error {
	if err := takePort(fd, sockaddr(own4, closedPort)); err != nil {
		return err
	}
	return hearDatagram(e, fd, closedPort)
}

// doListenAny gets a port by sending to where it may.
func doListenAny(e *Env, fd int) error {
	if err := knockAndHear(fd, rawAddress(sockaddr(allowed4, port))); err != nil {
		return unfair("send to what is allowed", err)
	}
	at, err := localPort(fd)
	if err != nil {
		return err
	}
	return hearDatagram(e, fd, at)
}

func hearDatagram(e *Env, fd, at int) error {
	to := netip.AddrPortFrom(netip.MustParseAddr(own4), uint16(at))
	return helped(e, fmt.Sprintf("dial %s udp/%s", allowed4, to), -1, func(string, int) error {
		buf := make([]byte, 100)
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return fmt.Errorf("receive: %w", unanswered(err))
		}
		if string(buf[:n]) != question {
			return fmt.Errorf("the caller said %q", buf[:n])
		}
		return nil
	})
}

// doAnswer is called by the one whom it may not reach, where it may listen.
func doAnswer(e *Env, fd int) error { return listenOpen(e, fd, forbidden4) }

func doAllowedListen(e *Env, fd int) error { return listenOpen(e, fd, allowed4) }

func listenOpen(e *Env, fd int, caller string) error {
	if err := takePort(fd, sockaddr(own4, port)); err != nil {
		return unfair("bind to the port that is allowed", err)
	}
	if err := unix.Listen(fd, 8); err != nil {
		return unfair("listen on the port that is allowed", err)
	}
	return accept(e, fd, caller, port)
}
