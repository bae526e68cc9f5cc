//go:build linux

package enforcer

import (
	"encoding/binary"
	"net/netip"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func networkCases() []networkCase {
	to := func(address string) func(networkWorld) unix.Sockaddr {
		return func(w networkWorld) unix.Sockaddr { return sockaddr(address, w.Port) }
	}
	closed := func(w networkWorld) unix.Sockaddr { return sockaddr("::1", w.Closed) }
	name := func(prefix, name string) func(networkWorld) unix.Sockaddr {
		return func(w networkWorld) unix.Sockaddr {
			return &unix.SockaddrUnix{Name: prefix + filepath.Join(w.Dir, name)}
		}
	}
	own := func(port func(networkWorld) int) func(networkWorld) unix.Sockaddr {
		return func(w networkWorld) unix.Sockaddr { return sockaddr("0.0.0.0", port(w)) }
	}
	open, other, any := func(w networkWorld) int { return w.Listen }, func(w networkWorld) int { return w.Listen ^ 1 }, func(networkWorld) int { return 0 }
	const stream, datagram = unix.SOCK_STREAM, unix.SOCK_DGRAM
	return []networkCase{
		{name: "tcp", try: connects(unix.AF_INET, stream, 0, to(allowed))},
		{name: "tcp, denied", denied: true, try: connects(unix.AF_INET, stream, 0, to(denied))},
		{name: "tcp, mapped", try: connects(unix.AF_INET6, stream, 0, to("::ffff:"+allowed))},
		{name: "tcp, mapped, denied", denied: true, try: connects(unix.AF_INET6, stream, 0, to("::ffff:"+denied))},
		{name: "tcp, ipv6", try: connects(unix.AF_INET6, stream, 0, to("::1"))},
		{name: "tcp, ipv6, denied port", denied: true, try: connects(unix.AF_INET6, stream, 0, closed)},
		{name: "mptcp, denied", denied: true, try: connects(unix.AF_INET, stream, unix.IPPROTO_MPTCP, to(denied))},
		{name: "fast open, denied", denied: true, try: sendsTo(unix.AF_INET, stream, 0, unix.MSG_FASTOPEN, to(denied))},
		{name: "udp", try: sendsTo(unix.AF_INET, datagram, 0, 0, to(allowed))},
		{name: "udp, denied", denied: true, try: sendsTo(unix.AF_INET, datagram, 0, 0, to(denied))},
		{name: "udp, ipv6 socket, denied", denied: true, try: sendsTo(unix.AF_INET6, datagram, 0, 0, to("::ffff:"+denied))},
		{name: "udp, connect, denied", denied: true, try: connects(unix.AF_INET, datagram, 0, to(denied))},
		{name: "ping socket", denied: true, lsm: true, try: sendsTo(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP, 0, to(denied))},
		{name: "raw, denied", denied: true, try: sendsTo(unix.AF_INET, unix.SOCK_RAW, 253, 0, to(denied))},
		{name: "raw, own header, denied", denied: true, try: sendHeader},
		{name: "packet socket", denied: true, lsm: true, try: makes(unix.AF_PACKET, unix.SOCK_RAW)},
		{name: "crypto socket", denied: true, lsm: true, try: makes(unix.AF_ALG, unix.SOCK_SEQPACKET)},
		{name: "netlink", try: makes(unix.AF_NETLINK, unix.SOCK_RAW)},
		{name: "unix", try: connects(unix.AF_UNIX, stream, 0, name("", "open"))},
		{name: "unix, denied", denied: true, lsm: true, try: connects(unix.AF_UNIX, stream, 0, name("", "shut"))},
		{name: "unix, abstract", try: connects(unix.AF_UNIX, stream, 0, name("@", "open"))},
		{name: "unix, abstract, denied", denied: true, lsm: true, try: connects(unix.AF_UNIX, stream, 0, name("@", "shut"))},
		{name: "unix, datagram", try: sendsTo(unix.AF_UNIX, datagram, 0, 0, name("@", "open-datagrams"))},
		{name: "unix, datagram, denied", denied: true, lsm: true, try: sendsTo(unix.AF_UNIX, datagram, 0, 0, name("@", "shut-datagrams"))},
		{name: "bind", try: listens(own(open), false)},
		{name: "bind, denied", denied: true, try: listens(own(other), false)},
		{name: "bind to any port", try: listens(own(any), false)},
		{name: "listen on any port", denied: true, lsm: true, try: listens(own(any), true)},
		{name: "listen without bind", denied: true, lsm: true, try: listens(nil, true)},
		{name: "accept and answer", try: acceptAndAnswer},
		{name: "inherited connection", denied: true, lsm: true, try: func(networkWorld) error { return ignore(unix.Write(connectedFD, []byte("x"))) }},
		{name: "inherited listener", denied: true, lsm: true, try: func(networkWorld) error { return acceptNow(listenerFD) }},
		{name: "received connection", denied: true, lsm: true, try: receive},
	}
}

func sockaddr(address string, port int) unix.Sockaddr {
	ip := netip.MustParseAddr(address)
	if ip.Is4() {
		return &unix.SockaddrInet4{Addr: ip.As4(), Port: port}
	}
	return &unix.SockaddrInet6{Addr: ip.As16(), Port: port}
}

func ignore(_ int, err error) error { return err }

// with makes a socket and does something with it.
func with(family, kind, protocol int, do func(fd int) error) error {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return do(fd)
}

func makes(family, kind int) func(networkWorld) error {
	return func(networkWorld) error { return with(family, kind, 0, func(int) error { return nil }) }
}

func connects(family, kind, protocol int, to func(networkWorld) unix.Sockaddr) func(networkWorld) error {
	return func(w networkWorld) error {
		return with(family, kind, protocol, func(fd int) error { return unix.Connect(fd, to(w)) })
	}
}

func sendsTo(family, kind, protocol, flags int, to func(networkWorld) unix.Sockaddr) func(networkWorld) error {
	return func(w networkWorld) error {
		return with(family, kind, protocol, func(fd int) error { return unix.Sendto(fd, []byte("12345678"), flags, to(w)) })
	}
}

// sendHeader sends a packet whose header is for another than the address that it is sent to.
func sendHeader(w networkWorld) error {
	return with(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW, func(fd int) error {
		packet := make([]byte, 28)
		packet[0], packet[8], packet[9] = 0x45, 64, unix.IPPROTO_UDP
		copy(packet[12:], []byte{127, 0, 0, 1})
		copy(packet[16:], netip.MustParseAddr(denied).AsSlice())
		binary.BigEndian.PutUint16(packet[22:], uint16(w.Port))
		binary.BigEndian.PutUint16(packet[24:], 8)
		return unix.Sendto(fd, packet, 0, sockaddr(allowed, 0))
	})
}

func listens(own func(networkWorld) unix.Sockaddr, listen bool) func(networkWorld) error {
	return func(w networkWorld) error {
		return with(unix.AF_INET, unix.SOCK_STREAM, 0, func(fd int) error {
			if own != nil {
				if err := unix.Bind(fd, own(w)); err != nil {
					return err
				}
			}
			if !listen {
				return nil
			}
			return unix.Listen(fd, 1)
		})
	}
}

// acceptAndAnswer serves on the open port. Who calls is on an address that the server itself could not reach at that port; it
// may answer all the same.
func acceptAndAnswer(w networkWorld) error {
	return with(unix.AF_INET, unix.SOCK_STREAM, 0, func(server int) error {
		if err := unix.Bind(server, sockaddr(allowed, w.Listen)); err != nil {
			return err
		}
		if err := unix.Listen(server, 1); err != nil {
			return err
		}
		return with(unix.AF_INET, unix.SOCK_STREAM, 0, func(client int) error {
			if err := unix.Bind(client, sockaddr(denied, 0)); err != nil {
				return err
			}
			if err := unix.Connect(client, sockaddr(allowed, w.Listen)); err != nil {
				return err
			}
			fd, _, err := unix.Accept(server)
			if err != nil {
				return err
			}
			defer func() { _ = unix.Close(fd) }()
			return ignore(unix.Write(fd, []byte("x")))
		})
	})
}

// acceptNow asks for a connection that nobody has made.
func acceptNow(fd int) error {
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	_, _, err := unix.Accept(fd)
	return err
}

// receive takes the descriptor that waits in the channel. One that was refused is missing.
func receive(networkWorld) error {
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(channelFD, make([]byte, 1), control, 0)
	if err != nil {
		return err
	}
	if n == 0 {
		return unix.EPERM
	}
	return nil
}
