//go:build linux

package bypass

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

func udpTechniques() []technique {
	const datagram = unix.SOCK_DGRAM
	to4, to6 := sockaddr(forbidden4, port), sockaddr(forbidden6, port)
	mapped := sockaddr("::ffff:"+forbidden4, port)
	unspecified := rawAddress(to4)
	binary.NativeEndian.PutUint16(unspecified, unix.AF_UNSPEC)
	send := func(family int, to []byte) func(*Env) error {
		return bySocket(family, datagram, 0, func(_ *Env, fd int) error { return knockAndHear(fd, to) })
	}
	return []technique{
		{name: "udp connect", attempt: caller(unix.AF_INET, datagram, 0, to4)},
		{name: "udp connect over ipv6", attempt: caller(unix.AF_INET6, datagram, 0, to6)},
		{name: "udp connect to a mapped address", attempt: caller(unix.AF_INET6, datagram, 0, mapped)},
		{name: "udp sendto", attempt: send(unix.AF_INET, rawAddress(to4))},
		{name: "udp sendto over ipv6", attempt: send(unix.AF_INET6, rawAddress(to6))},
		{name: "udp sendto a mapped address", attempt: send(unix.AF_INET6, rawAddress(mapped))},
		{name: "udp sendto a NAT64 address", attempt: send(unix.AF_INET6, rawAddress(sockaddr(nat64, port)))},
		{name: "udp sendto ipv4 from an ipv6 socket", attempt: send(unix.AF_INET6, rawAddress(to4))},
		{name: "udp sendto an address of no family", attempt: send(unix.AF_INET, unspecified)},
		{name: "udp sendto the broadcast address", attempt: bySocket(unix.AF_INET, datagram, 0, doBroadcast)},
		{name: "udp sendmsg", attempt: bySocket(unix.AF_INET, datagram, 0, doSendmsg)},
		{name: "udp sendmmsg, the forbidden one last", attempt: bySocket(unix.AF_INET, datagram, 0, doSendmmsg)},
		{name: "udp connected elsewhere, sendto", attempt: bySocket(unix.AF_INET, datagram, 0, doElsewhere)},
		{name: "udp corked", attempt: bySocket(unix.AF_INET, datagram, 0, doCork)},
		{name: "udp sendfile", attempt: bySocket(unix.AF_INET, datagram, 0, doSendfile)},
		{name: "udp splice", attempt: bySocket(unix.AF_INET, datagram, 0, doSplice)},
		{name: "udp-lite sendto", attempt: bySocket(unix.AF_INET, datagram, unix.IPPROTO_UDPLITE, doUDPLite)},
		{name: "udp sendmsg by io_uring", attempt: bySocket(unix.AF_INET, datagram, 0, doRingSend(0))},
	}
}

func knockAndHear(fd int, to []byte) error {
	if err := knockTo(fd, 0, to); err != nil {
		return err
	}
	return hear(fd)
}

func doBroadcast(_ *Env, fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1); err != nil {
		return fmt.Errorf("SO_BROADCAST: %w", err)
	}
	return knockAndHear(fd, rawAddress(sockaddr(broadcast4, port)))
}

func doSendmsg(_ *Env, fd int) error {
	if err := unix.Sendmsg(fd, []byte(question), nil, sockaddr(forbidden4, port), 0); err != nil {
		return fmt.Errorf("sendmsg: %w", unanswered(err))
	}
	return hear(fd)
}

// doSendmmsg sends to where it may before, in the same call.
func doSendmmsg(_ *Env, fd int) error {
	text := []byte(question)
	part := unix.Iovec{Base: &text[0], Len: uint64(len(text))}
	var messages [2]struct {
		header unix.Msghdr
		bytes  uint32
		_      uint32
	}
	for i, to := range []string{allowed4, forbidden4} {
		name := rawAddress(sockaddr(to, port))
		messages[i].header = unix.Msghdr{Name: &name[0], Namelen: uint32(len(name)), Iov: &part, Iovlen: 1}
	}
	n, _, e := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages)), 0, 0, 0)
	if e != 0 {
		return fmt.Errorf("sendmmsg: %w", e)
	}
	if n < 2 {
		return fmt.Errorf("%w: sendmmsg sent the first message alone", errRefused)
	}
	return hearFrom(fd, forbidden4)
}

// hearFrom waits for the answer of one of several.
func hearFrom(fd int, ip string) error {
	for {
		buf := make([]byte, 100)
		_, from, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return fmt.Errorf("receive: %w", unanswered(err))
		}
		if a, ok := from.(*unix.SockaddrInet4); ok && netip.AddrFrom4(a.Addr).String() == ip {
			return nil
		}
	}
}

func doElsewhere(_ *Env, fd int) error {
	if err := unix.Connect(fd, sockaddr(allowed4, port)); err != nil {
		return unfair("connect to what is allowed", err)
	}
	if err := knockTo(fd, 0, rawAddress(sockaddr(forbidden4, port))); err != nil {
		return err
	}
	// The socket hears only the one that it is connected to. So it lets go, and asks again.
	if err := syscallAddress(unix.SYS_CONNECT, fd, make([]byte, 16)); err != nil {
		return unfair("disconnect", err)
	}
	return knockAndHear(fd, rawAddress(sockaddr(forbidden4, port)))
}

// doCork leaves the address to the first of two sends, and the data to the second.
func doCork(_ *Env, fd int) error {
	to := rawAddress(sockaddr(forbidden4, port))
	if _, _, e := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), 0, 0, unix.MSG_MORE, uintptr(unsafe.Pointer(&to[0])), uintptr(len(to))); e != 0 {
		return fmt.Errorf("sendto nothing: %w", e)
	}
	if err := knockTo(fd, 0, rawAddress(sockaddr(allowed4, port))); err != nil {
		return err
	}
	return hearFrom(fd, forbidden4)
}

// spool is a file with a knock in it.
func spool(e *Env) (*os.File, error) {
	name := e.work("spool")
	if err := os.WriteFile(name, []byte(question), 0o600); err != nil {
		return nil, err
	}
	return os.Open(name)
}

// doSendfile connects to where it may not, and lets the kernel copy a file there.
func doSendfile(e *Env, fd int) error {
	if err := unix.Connect(fd, sockaddr(forbidden4, port)); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return sendFile(e, fd)
}

func sendFile(e *Env, fd int) error {
	f, err := spool(e)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := unix.Sendfile(fd, int(f.Fd()), nil, len(question)); err != nil {
		return fmt.Errorf("sendfile: %w", unanswered(err))
	}
	return hear(fd)
}

func doSplice(e *Env, fd int) error {
	if err := unix.Connect(fd, sockaddr(forbidden4, port)); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return spliceTo(fd)
}

// spliceTo writes through a pipe, whose pages the socket takes over.
func spliceTo(fd int) error {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	defer func() { _, _ = unix.Close(pipe[0]), unix.Close(pipe[1]) }()
	if _, err := unix.Write(pipe[1], []byte(question)); err != nil {
		return err
	}
	if _, err := unix.Splice(pipe[0], nil, fd, nil, len(question), 0); err != nil {
		return fmt.Errorf("splice: %w", unanswered(err))
	}
	return hear(fd)
}

// doUDPLite knocks where nothing listens: that the port is closed comes back as an error from there.
func doUDPLite(_ *Env, fd int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1); err != nil {
		return fmt.Errorf("IP_RECVERR: %w", err)
	}
	if err := knockTo(fd, 0, rawAddress(sockaddr(forbidden4, port))); err != nil {
		return err
	}
	err := hear(fd)
	if errors.Is(err, unix.ECONNREFUSED) {
		return nil
	}
	return err
}
