//go:build linux

package activity

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
)

const mptcp = 262

func networkActivities() []activity {
	tcp4 := conversation("127.0.0.1", unix.AF_INET, 0)
	unnamed := func(name string, kind event.Kind, do func(string) (facts, error), want ...event.Event) activity {
		return activity{name: name, kind: kind, do: do, want: func(string, facts) []event.Event { return want }}
	}
	return append([]activity{
		{name: "tcp connect", kind: event.KindConnect, do: tcp4, want: wantConversation("inet", "tcp", "127.0.0.1"), none: noSecond},
		{name: "tcp accept", kind: event.KindAccept, do: tcp4, want: wantConversation("inet", "tcp", "127.0.0.1")},
		{name: "tcp bind", kind: event.KindBind, do: tcp4, want: wantConversation("inet", "tcp", "127.0.0.1")},
		{name: "bind to any port", kind: event.KindBind, do: doBinds, want: wantAnyPort, none: noSecondPort},
		{name: "tcp listen", kind: event.KindListen, do: tcp4, want: wantConversation("inet", "tcp", "127.0.0.1")},
		{name: "tcp volume", kind: event.KindFlowVolume, do: tcp4, want: wantConversation("inet", "tcp", "127.0.0.1")},
		{name: "tcp ipv6", kind: event.KindConnect, do: conversation("::1", unix.AF_INET6, 0), want: wantConversation("inet6", "tcp", "::1")},
		{name: "tcp mapped", kind: event.KindConnect, do: conversation("::ffff:127.0.0.1", unix.AF_INET6, 0), want: wantConversation("inet", "tcp", "127.0.0.1")},
		{name: "mptcp", kind: event.KindConnect, do: conversation("127.0.0.1", unix.AF_INET, mptcp), want: wantMPTCP, skip: noProtocol(mptcp)},
		{name: "tcp refused", kind: event.KindConnect, do: doRefused(false), want: wantTo("tcp", unix.ECONNREFUSED), none: noSecond},
		{name: "tcp refused later", kind: event.KindConnect, do: doRefused(true), want: wantTo("tcp", unix.ECONNREFUSED), none: noSecond},
		{name: "tcp connected later", kind: event.KindConnect, do: doLater, want: wantTo("tcp", 0), none: noSecond},
		{name: "tcp timed out", kind: event.KindConnect, do: doFull(false), want: wantTo("tcp", unix.ETIMEDOUT)},
		{name: "tcp given up", kind: event.KindConnect, do: doFull(true), want: wantTo("tcp", unix.ECANCELED)},
		{name: "tcp fast open", kind: event.KindConnect, do: doFastOpen, want: wantTo("tcp", 0), none: noSends},
		unnamed("tcp unreachable", event.KindConnect, doUnreachable(unix.SOCK_STREAM),
			event.Event{Errno: int(unix.ENETUNREACH), Flow: &event.Flow{Family: "inet", Protocol: "tcp", Destination: "192.0.2.1", DestinationPort: 80}}),
		unnamed("udp unreachable", event.KindConnect, doUnreachable(unix.SOCK_DGRAM),
			event.Event{Errno: int(unix.ENETUNREACH), Flow: &event.Flow{Family: "inet", Protocol: "udp", Destination: "192.0.2.1", DestinationPort: 80}}),
		{name: "udp connect", kind: event.KindConnect, do: doUDPConnect, want: wantTo("udp", 0), none: noSends},
		{name: "udp send", kind: event.KindSend, do: doUDPSend, want: wantUDPSend},
		{name: manySends, kind: event.KindSend, do: doManySends, want: wantManySends},
		unnamed("raw send", event.KindSend, doRaw,
			event.Event{Flow: &event.Flow{Family: "inet", Protocol: "raw", IPProtocol: unix.IPPROTO_ICMP, Destination: "127.0.0.1"}},
			event.Event{Flow: &event.Flow{Family: "inet6", Protocol: "raw", IPProtocol: unix.IPPROTO_ICMPV6, Destination: "::1"}},
			event.Event{Kind: event.KindConnect, Flow: &event.Flow{Family: "inet", Protocol: "raw", Destination: "127.0.0.2"}},
			event.Event{Kind: event.KindBind, Flow: &event.Flow{Family: "inet", Protocol: "raw", Source: "127.0.0.3"}}),
		unnamed("packet", event.KindSend, doPacket,
			event.Event{Flow: &event.Flow{Family: "packet", Protocol: "raw", Interface: 1}},
			event.Event{Kind: event.KindBind, Flow: &event.Flow{Family: "packet", Protocol: "raw", Interface: 1}}),
	}, unixActivities()...)
}

// sockaddr is an address for sockets of the family.
func sockaddr(ip string, family, port int) unix.Sockaddr {
	a := netip.MustParseAddr(ip)
	if family == unix.AF_INET6 {
		return &unix.SockaddrInet6{Port: port, Addr: a.As16()}
	}
	return &unix.SockaddrInet4{Port: port, Addr: a.As4()}
}

func portOf(fd int) int {
	switch a, _ := unix.Getsockname(fd); a := a.(type) {
	case *unix.SockaddrInet4:
		return a.Port
	case *unix.SockaddrInet6:
		return a.Port
	default:
		return 0
	}
}

// bound makes a socket with a port of its own.
func bound(ip string, family, kind, protocol int) (fd, port int, err error) {
	if fd, err = unix.Socket(family, kind, protocol); err != nil {
		return 0, 0, err
	}
	err = unix.Bind(fd, sockaddr(ip, family, 0))
	return fd, portOf(fd), err
}

const (
	question = "what is the time"
	answer   = "late"
)

// conversation connects to itself, sends both ways and closes both ends.
func conversation(ip string, family, protocol int) func(string) (facts, error) {
	return func(string) (facts, error) {
		l, port, err := bound(ip, family, unix.SOCK_STREAM, protocol)
		if err != nil {
			return nil, err
		}
		c, err := unix.Socket(family, unix.SOCK_STREAM, protocol)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(unix.Listen(l, 7), unix.Connect(c, sockaddr(ip, family, port))); err != nil {
			return nil, err
		}
		s, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC)
		if err != nil {
			return nil, err
		}
		f := facts{"port": strconv.Itoa(port), "client": strconv.Itoa(portOf(c))}
		buf := make([]byte, 100)
		for _, step := range []func() (int, error){
			func() (int, error) { return unix.Write(c, []byte(question)) },
			func() (int, error) { return unix.Read(s, buf) },
			func() (int, error) { return unix.Write(s, []byte(answer)) },
			func() (int, error) { return unix.Read(c, buf) },
			func() (int, error) { return 0, unix.Close(c) },
			func() (int, error) { return unix.Read(s, buf) }, // the end
			func() (int, error) { return 0, unix.Close(s) },
		} {
			if _, err := step(); err != nil {
				return nil, err
			}
		}
		return f, unix.Close(l)
	}
}

// wantConversation lists everything that a conversation consists of; the activity's kind says which one it is about.
func wantConversation(family, protocol, ip string) func(string, facts) []event.Event {
	return func(_ string, f facts) []event.Event {
		port, client := uint16(f.int("port")), uint16(f.int("client"))
		up := event.Flow{Family: family, Protocol: protocol, Source: ip, SourcePort: client, Destination: ip, DestinationPort: port}
		down := event.Flow{Family: family, Protocol: protocol, Source: ip, SourcePort: port, Destination: ip, DestinationPort: client}
		local := event.Flow{Family: family, Protocol: protocol, Source: ip, SourcePort: port}
		listen := local
		listen.Backlog = 7
		return []event.Event{
			{Kind: event.KindBind, Flow: &local},
			{Kind: event.KindListen, Flow: &listen},
			{Kind: event.KindConnect, Flow: &up},
			{Kind: event.KindAccept, Flow: &down},
			{Kind: event.KindFlowVolume, Flow: &up, Volume: &event.Volume{WriteBytes: uint64(len(question)), ReadBytes: uint64(len(answer))}},
			{Kind: event.KindFlowVolume, Flow: &down, Volume: &event.Volume{WriteBytes: uint64(len(answer)), ReadBytes: uint64(len(question))}},
		}
	}
}

// doBinds takes a free port, gives it back, and asks for it by its number from another address.
func doBinds(string) (facts, error) {
	free, port, err := bound("127.0.0.1", unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return nil, err
	}
	named, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return nil, err
	}
	err = unix.Bind(named, sockaddr("127.0.0.2", unix.AF_INET, port))
	return facts{"port": strconv.Itoa(port)}, errors.Join(err, unix.Close(free), unix.Close(named))
}

func wantAnyPort(_ string, f facts) []event.Event {
	port := uint16(f.int("port"))
	return []event.Event{
		{Flow: &event.Flow{Family: "inet", Protocol: "udp", Source: "127.0.0.1", SourcePort: port, AnyPort: true}},
		{Flow: &event.Flow{Family: "inet", Protocol: "udp", Source: "127.0.0.2", SourcePort: port}},
	}
}

func noSecondPort(string, facts) []event.Event {
	return []event.Event{{Kind: event.KindBind, Flow: &event.Flow{Source: "127.0.0.2", AnyPort: true}}}
}

func wantMPTCP(dir string, f facts) []event.Event {
	return wantConversation("inet", "mptcp", "127.0.0.1")(dir, f)[:4]
}

func noProtocol(protocol int) func() string {
	return func() string {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, protocol)
		if err != nil {
			return fmt.Sprintf("no sockets of protocol %d: %v", protocol, err)
		}
		_ = unix.Close(fd)
		return ""
	}
}

// wantTo is one connect to the port of the facts.
func wantTo(protocol string, result unix.Errno) func(string, facts) []event.Event {
	return func(_ string, f facts) []event.Event {
		flow := &event.Flow{Family: "inet", Protocol: protocol, Destination: "127.0.0.1", DestinationPort: uint16(f.int("port"))}
		return []event.Event{{Kind: event.KindConnect, Errno: int(result), Flow: flow}}
	}
}

// noSecond: what a caller is told meanwhile, or when it asks again, is not another connect.
func noSecond(string, facts) []event.Event {
	var none []event.Event
	for _, e := range []unix.Errno{unix.EINPROGRESS, unix.EALREADY, unix.EISCONN} {
		none = append(none, event.Event{Errno: int(e)})
	}
	return none
}

func noSends(_ string, f facts) []event.Event {
	return []event.Event{{Kind: event.KindSend, Flow: &event.Flow{DestinationPort: uint16(f.int("port"))}}}
}

// fails checks that a step failed as it should.
func fails(got error, want unix.Errno) error {
	if !errors.Is(got, want) {
		return fmt.Errorf("%w instead of %w", got, want)
	}
	return nil
}

// settle waits for the end of a connect and asks how it went.
func settle(fd int) error {
	if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 10_000); err != nil {
		return err
	}
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && n != 0 {
		err = unix.Errno(n)
	}
	return err
}

func doRefused(later bool) func(string) (facts, error) {
	return func(string) (facts, error) {
		_, port, err := bound("127.0.0.1", unix.AF_INET, unix.SOCK_STREAM, 0) // and nobody listens
		if err != nil {
			return nil, err
		}
		kind := unix.SOCK_STREAM
		if later {
			kind |= unix.SOCK_NONBLOCK
		}
		c, err := unix.Socket(unix.AF_INET, kind, 0)
		if err != nil {
			return nil, err
		}
		err = unix.Connect(c, sockaddr("127.0.0.1", unix.AF_INET, port))
		if later {
			err = errors.Join(fails(err, unix.EINPROGRESS), fails(settle(c), unix.ECONNREFUSED))
		} else {
			err = fails(err, unix.ECONNREFUSED)
		}
		return facts{"port": strconv.Itoa(port)}, err
	}
}

func doLater(string) (facts, error) {
	l, port, err := bound("127.0.0.1", unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	to := sockaddr("127.0.0.1", unix.AF_INET, port)
	return facts{"port": strconv.Itoa(port)}, errors.Join(
		unix.Listen(l, 1), fails(unix.Connect(c, to), unix.EINPROGRESS), settle(c),
		unix.Connect(c, to), fails(unix.Connect(c, to), unix.EISCONN))
}

// doFull connects where the queue of connections is full, so that nobody answers.
func doFull(giveUp bool) func(string) (facts, error) {
	return func(string) (facts, error) {
		l, port, err := bound("127.0.0.1", unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return nil, err
		}
		to := sockaddr("127.0.0.1", unix.AF_INET, port)
		first, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return nil, err
		}
		// The first one is outside of what is asked for: its own source address tells it apart.
		if err := errors.Join(unix.Listen(l, 0), unix.Bind(first, sockaddr("127.0.0.9", unix.AF_INET, 0)), unix.Connect(first, to)); err != nil {
			return nil, err
		}
		kind := unix.SOCK_STREAM
		if giveUp {
			kind |= unix.SOCK_NONBLOCK
		}
		c, err := unix.Socket(unix.AF_INET, kind, 0)
		if err != nil {
			return nil, err
		}
		err = unix.SetsockoptInt(c, unix.IPPROTO_TCP, unix.TCP_SYNCNT, 1)
		if giveUp {
			err = errors.Join(err, fails(unix.Connect(c, to), unix.EINPROGRESS), unix.Close(c))
		} else {
			err = errors.Join(err, fails(unix.Connect(c, to), unix.ETIMEDOUT))
		}
		return facts{"port": strconv.Itoa(port)}, err
	}
}

func doFastOpen(string) (facts, error) {
	l, port, err := bound("127.0.0.1", unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	to := sockaddr("127.0.0.1", unix.AF_INET, port)
	return facts{"port": strconv.Itoa(port)}, errors.Join(unix.Listen(l, 1), unix.Sendto(c, []byte(question), unix.MSG_FASTOPEN, to))
}

// ownNetwork puts the thread, and the sockets that it makes, into a network where nothing is reachable but loopback.
func ownNetwork() error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

func doUnreachable(kind int) func(string) (facts, error) {
	return func(string) (facts, error) {
		if err := ownNetwork(); err != nil {
			return nil, err
		}
		fd, err := unix.Socket(unix.AF_INET, kind, 0)
		if err != nil {
			return nil, err
		}
		return facts{}, fails(unix.Connect(fd, sockaddr("192.0.2.1", unix.AF_INET, 80)), unix.ENETUNREACH)
	}
}
