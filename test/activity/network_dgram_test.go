//go:build linux

package activity

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/event"
)

func unixActivities() []activity {
	return []activity{
		{name: "unix stream", kind: event.KindConnect, do: doUnix(unix.SOCK_STREAM, false), want: wantUnix("stream", false)},
		{name: "unix seqpacket", kind: event.KindConnect, do: doUnix(unix.SOCK_SEQPACKET, false), want: wantUnix("seqpacket", false)},
		{name: "unix abstract", kind: event.KindAccept, do: doUnix(unix.SOCK_STREAM, true), want: wantUnix("stream", true)},
		{name: "unix refused", kind: event.KindConnect, do: doUnixRefused, want: wantUnixRefused},
		{name: "unix dgram", kind: event.KindSend, do: doUnixDgram, want: wantUnixDgram},
	}
}

// doUDPConnect sends on a connected socket, and disconnects it.
func doUDPConnect(string) (facts, error) {
	_, port, err := bound("127.0.0.1", unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return nil, err
	}
	c, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Connect(c, sockaddr("127.0.0.1", unix.AF_INET, port)); err != nil {
		return nil, err
	}
	_, err = unix.Write(c, []byte(question))
	return facts{"port": strconv.Itoa(port)}, errors.Join(err, unix.Send(c, []byte(question), 0), disconnect(c))
}

// disconnect connects to no family, for which the package unix has no address.
func disconnect(fd int) error {
	var none unix.RawSockaddr
	if _, _, e := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&none)), unsafe.Sizeof(none)); e != 0 {
		return e
	}
	return nil
}

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	bytes  uint32
	_      uint32
}

// sendMany sends one byte to each port of loopback in a single call.
func sendMany(fd int, ports ...int) error {
	messages, names := make([]mmsghdr, len(ports)), make([]unix.RawSockaddrInet4, len(ports))
	text := []byte("x")
	part := unix.Iovec{Base: &text[0], Len: 1}
	for i, port := range ports {
		names[i] = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: uint16(port>>8 | port&0xff<<8), Addr: [4]byte{127, 0, 0, 1}}
		messages[i].header = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&names[i])), Namelen: unix.SizeofSockaddrInet4, Iov: &part, Iovlen: 1}
	}
	n, _, e := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages)), 0, 0, 0)
	if e != 0 {
		return e
	}
	if int(n) != len(ports) {
		return errors.New("sendmmsg sent less than it was given")
	}
	return nil
}

// doUDPSend sends to seven ports, to one of them four times.
func doUDPSend(string) (facts, error) {
	f := facts{}
	ports := make([]int, 7)
	for i := range ports {
		_, port, err := bound("127.0.0.1", unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return nil, err
		}
		ports[i], f["port"+strconv.Itoa(i)] = port, strconv.Itoa(port)
	}
	c, _, err := bound("127.0.0.1", unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return nil, err
	}
	six, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM, 0)
	if err != nil {
		return nil, err
	}
	text := []byte(question)
	err = errors.Join(
		unix.Sendto(c, text, 0, sockaddr("127.0.0.1", unix.AF_INET, ports[0])),
		unix.Sendmsg(c, text, nil, sockaddr("127.0.0.1", unix.AF_INET, ports[1]), 0),
		sendMany(c, ports[2], ports[3]),
		unix.Sendto(six, text, 0, sockaddr("::ffff:127.0.0.1", unix.AF_INET6, ports[4])),
		unix.Sendto(six, text, 0, sockaddr("::1", unix.AF_INET6, ports[5])))
	for range 4 {
		err = errors.Join(err, unix.Sendto(c, text, 0, sockaddr("127.0.0.1", unix.AF_INET, ports[6])))
	}
	return f, err
}

func wantUDPSend(_ string, f facts) []event.Event {
	var want []event.Event
	for i := range 7 {
		flow := &event.Flow{Family: "inet", Protocol: "udp", Destination: "127.0.0.1", DestinationPort: uint16(f.int("port" + strconv.Itoa(i)))}
		e := event.Event{Flow: flow}
		switch i {
		case 5:
			flow.Family, flow.Destination = "inet6", "::1"
		case 6:
			e.Count = 3 // the first was reported at once
		}
		want = append(want, e)
	}
	return want
}

const (
	manySends = "udp send to many"
	manyPorts = 6
)

// doManySends sends three times to each of many ports, in turn. Nobody need listen there.
func doManySends(string) (facts, error) {
	c, _, err := bound("127.0.0.1", unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return nil, err
	}
	for range 3 {
		for i := range manyPorts {
			err = errors.Join(err, unix.Sendto(c, []byte(question), 0, sockaddr("127.0.0.9", unix.AF_INET, 9000+i)))
		}
	}
	return nil, err
}

// wantManySends expects the first of each at once, and two more folded.
func wantManySends(string, facts) []event.Event {
	var want []event.Event
	for i := range manyPorts {
		want = append(want, event.Event{Count: 2, Flow: &event.Flow{Destination: "127.0.0.9", DestinationPort: uint16(9000 + i)}})
	}
	return want
}

// doRaw pings without waiting for an answer.
func doRaw(string) (facts, error) {
	ping, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	if err != nil {
		return nil, err
	}
	ping6, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6)
	if err != nil {
		return nil, err
	}
	echo := []byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0}
	return facts{}, errors.Join(
		unix.Sendto(ping, echo, 0, sockaddr("127.0.0.1", unix.AF_INET, 0)),
		unix.Sendto(ping6, []byte{128, 0, 0, 0, 0, 0, 0, 0}, 0, sockaddr("::1", unix.AF_INET6, 0)),
		unix.Bind(ping, sockaddr("127.0.0.3", unix.AF_INET, 0)),
		unix.Connect(ping, sockaddr("127.0.0.2", unix.AF_INET, 0)))
}

// doPacket writes a frame to the loopback of a network of its own.
func doPacket(string) (facts, error) {
	if err := ownNetwork(); err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		return nil, err
	}
	lo := &unix.SockaddrLinklayer{Ifindex: 1, Protocol: 0x0300, Halen: 6}
	return facts{}, errors.Join(unix.Bind(fd, lo), unix.Sendto(fd, make([]byte, 64), 0, lo))
}

// unixName is the name that a test binds to, for the kernel and for the event.
func unixName(dir string, abstract bool) string {
	if abstract {
		return "@stockade-test" + filepath.Base(dir)
	}
	return filepath.Join(dir, "socket")
}

func doUnix(kind int, abstract bool) func(string) (facts, error) {
	return func(dir string) (facts, error) {
		l, err := unix.Socket(unix.AF_UNIX, kind, 0)
		if err != nil {
			return nil, err
		}
		c, err := unix.Socket(unix.AF_UNIX, kind, 0)
		if err != nil {
			return nil, err
		}
		at := &unix.SockaddrUnix{Name: unixName(dir, abstract)}
		bindTo := at
		if !abstract { // by a relative name: the event has the resolved one
			if err := os.Chdir(dir); err != nil {
				return nil, err
			}
			bindTo = &unix.SockaddrUnix{Name: "socket"}
		}
		if err := errors.Join(unix.Bind(l, bindTo), unix.Listen(l, 3), unix.Connect(c, at)); err != nil {
			return nil, err
		}
		_, _, err = unix.Accept(l)
		return facts{}, err
	}
}

func wantUnix(protocol string, abstract bool) func(string, facts) []event.Event {
	return func(dir string, _ facts) []event.Event {
		flow := &event.Flow{Family: "unix", Protocol: protocol, Path: unixName(dir, abstract)}
		return []event.Event{
			{Kind: event.KindBind, Flow: flow},
			{Kind: event.KindListen, Flow: flow},
			{Kind: event.KindConnect, Flow: flow},
			{Kind: event.KindAccept, Flow: flow},
		}
	}
}

func doUnixRefused(dir string) (facts, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	return facts{}, fails(unix.Connect(fd, &unix.SockaddrUnix{Name: unixName(dir, false)}), unix.ENOENT)
}

func wantUnixRefused(dir string, _ facts) []event.Event {
	return []event.Event{{Errno: int(unix.ENOENT), Flow: &event.Flow{Family: "unix", Protocol: "stream", Path: unixName(dir, false)}}}
}

// doUnixDgram sends to a path, to an abstract name three times, and on a socket pair, which is no event.
func doUnixDgram(dir string) (facts, error) {
	fds := make([]int, 3)
	for i := range fds {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		if err != nil {
			return nil, err
		}
		fds[i] = fd
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return nil, err
	}
	path, abstract := &unix.SockaddrUnix{Name: unixName(dir, false)}, &unix.SockaddrUnix{Name: unixName(dir, true)}
	err = errors.Join(unix.Bind(fds[0], path), unix.Bind(fds[1], abstract), unix.Send(pair[0], []byte(question), 0),
		unix.Sendto(fds[2], []byte(question), 0, path))
	for range 3 {
		err = errors.Join(err, unix.Sendmsg(fds[2], []byte(question), nil, abstract, 0))
	}
	return facts{}, err
}

func wantUnixDgram(dir string, _ facts) []event.Event {
	flow := func(abstract bool) *event.Flow {
		return &event.Flow{Family: "unix", Protocol: "dgram", Path: unixName(dir, abstract)}
	}
	return []event.Event{{Flow: flow(false)}, {Count: 2, Flow: flow(true)}}
}
