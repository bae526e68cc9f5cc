//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// serveHelper stands by for attackers who get others to do it: a process that no rule means makes sockets for them, or
// uses theirs.
func (w *world) serveHelper() error {
	return w.inside.do(func() error {
		l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(w.dir, helperName), Net: "unixpacket"})
		if err != nil {
			return err
		}
		w.closeLater(l)
		w.servers.Go(func() {
			for {
				c, err := l.AcceptUnix()
				if err != nil {
					return
				}
				w.servers.Go(func() { w.help(c) })
			}
		})
		return nil
	})
}

// help answers one request with ok and a descriptor, or with what went wrong.
func (w *world) help(c *net.UnixConn) {
	defer c.Close()
	w.closeLater(c)
	buf, control := make([]byte, 100), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := c.ReadMsgUnix(buf, control)
	if err != nil {
		return
	}
	theirs := -1
	if messages, err := unix.ParseSocketControlMessage(control[:m]); err == nil && len(messages) == 1 {
		if fds, err := unix.ParseUnixRights(&messages[0]); err == nil && len(fds) == 1 {
			theirs = fds[0]
			defer func() { _ = unix.Close(theirs) }()
		}
	}
	words := strings.Fields(string(buf[:n]))
	fd, err := w.obey(words, theirs)
	if fd >= 0 {
		defer func() { _ = unix.Close(fd) }()
	}
	switch {
	case err != nil:
		_, _ = c.Write([]byte(err.Error()))
		return
	case fd < 0:
		_, _ = c.Write([]byte("ok"))
		return
	case words[0] == "where" || words[0] == "keep":
		_, _ = fmt.Fprintf(c, "ok /proc/%d/fd/%d", os.Getpid(), fd)
		_, _ = c.Read(buf) // until whoever asked has taken it
		return
	}
	_, _, _ = c.WriteMsgUnix([]byte("ok"), unix.UnixRights(fd), nil)
	_, _ = c.Read(buf) // a descriptor in flight is not closed before it has arrived
}

// obey does what the words say.
func (w *world) obey(words []string, theirs int) (int, error) {
	if len(words) == 0 {
		return -1, errors.New("said nothing")
	}
	to := sockaddr(forbidden4, port)
	switch words[0] {
	case "where": // the other host's network
		var thread int
		err := w.outside.do(func() error {
			thread = unix.Gettid()
			return nil
		})
		if err != nil {
			return -1, err
		}
		return unix.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", thread), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	case "keep": // a socket that has reached the forbidden port, which the helper holds
		return w.obey([]string{"connected", "tcp"}, -1)
	case "connected": // a socket of this type that has reached the forbidden port
		fd, err := w.make(words[1])
		if err == nil {
			err = w.inside.do(func() error { return unix.Connect(fd, to) })
		}
		return fd, err
	case "unconnected":
		return w.make(words[1])
	case "local": // one that has reached the forbidden UNIX socket
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err == nil {
			err = unix.Connect(fd, &unix.SockaddrUnix{Name: filepath.Join(w.dir, streamName)})
		}
		return fd, err
	case "listener": // one that listens on the closed port
		return w.listen()
	case "connect": // the socket that came with the words
		return -1, w.inside.do(func() error { return unix.Connect(theirs, to) })
	case "dial": // the attacker, from an address to a port
		return -1, w.dial(words[1], words[2])
	}
	return -1, fmt.Errorf("does not know %q", words[0])
}

func (w *world) make(kind string) (fd int, err error) {
	number := unix.SOCK_STREAM
	if kind == "udp" {
		number = unix.SOCK_DGRAM
	}
	err = w.inside.do(func() error {
		fd, err = unix.Socket(unix.AF_INET, number|unix.SOCK_CLOEXEC, 0)
		return err
	})
	return fd, err
}

func (w *world) listen() (int, error) {
	fd, err := w.make("tcp")
	if err != nil {
		return -1, err
	}
	return fd, errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.Bind(fd, sockaddr(own4, closedPort)), unix.Listen(fd, 8))
}

// dial calls from the other host, knocks and stays until it has its answer. An address that begins with udp/ gets a datagram.
func (w *world) dial(from, to string) error {
	network, address, found := strings.Cut(to, "/")
	if !found {
		network, address = "tcp", to
	}
	peer, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	d := net.Dialer{Timeout: answerTime}
	d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
	if network == "udp" {
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
	}
	w.servers.Go(func() {
		var c net.Conn
		err := w.outside.do(func() (err error) {
			c, err = d.Dial(network, peer.String())
			return err
		})
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(answerTime))
		_, _ = c.Write([]byte(question))
		buf := make([]byte, 100)
		_, _ = c.Read(buf)
	})
	return nil
}
