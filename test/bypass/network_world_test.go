//go:build linux

package bypass

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// The attacker's host is joined by a cable to another one, which it must not reach; both are network namespaces. Who
// reaches a service there says knock and hears open.
const (
	question, answer = "knock", "open"
	port             = 4466 // of the services, and the one port that the attacker may open
	closedPort       = 4477 // a port that it may not open

	own4, own6             = "10.66.0.2", "fd66::2"
	forbidden4, forbidden6 = "10.66.0.1", "fd66::1"
	nat64                  = "64:ff9b::10.66.0.1"
	broadcast4             = "10.66.0.255"
	allowed4, allowed6     = "10.66.0.3", "fd66::3"
	foreign4               = "10.67.0.2" // comes back to the attacker's host, but no interface there has it

	helperName   = "helper.sock"
	streamName   = "forbidden.sock"
	datagramName = "forbidden-datagrams.sock"
	cable        = "bypass0" // the attacker's end
	peerMAC      = "02:00:00:00:66:01"
)

// answerTime is how long one end waits for the other.
const answerTime = 5 * time.Second

// abstractName is the name of an abstract socket; those belong to a network namespace, not to a directory.
func abstractName(kind string) string { return "@stockade-bypass-forbidden-" + kind }

// place is a thread that stays in a network namespace.
type place struct{ work chan func() }

// open makes the namespace.
func (p *place) open() error {
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		failed <- err
		for f := range p.work {
			f()
		}
	}()
	return <-failed
}

// do runs f in the namespace. Sockets that f makes, and processes that it starts, stay there.
func (p *place) do(f func() error) error {
	done := make(chan error, 1)
	p.work <- func() { done <- f() }
	return <-done
}

// world is both hosts, and what answers there.
type world struct {
	inside, outside *place
	dir             string
	mu              sync.Mutex
	closers         []io.Closer
	stopped         atomic.Bool
	servers         sync.WaitGroup
}

// start makes it for the programs in bin.
func (w *world) start(bin string) error {
	w.dir = filepath.Dir(bin)
	if os.Getenv(envBinary) != "" { // in a guest: what the kernel does not ask for by itself
		_ = exec.Command("modprobe", "-a", "vsock_loopback", "tun", "tipc", "rds").Run()
	}
	w.inside, w.outside = &place{work: make(chan func())}, &place{work: make(chan func())}
	if err := errors.Join(w.inside.open(), w.outside.open()); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	return errors.Join(w.join(), w.serve(), w.serveUnix(), w.serveHelper())
}

func (w *world) close() {
	w.stopped.Store(true)
	w.mu.Lock()
	for _, c := range w.closers {
		_ = c.Close()
	}
	w.mu.Unlock()
	w.servers.Wait()
	close(w.inside.work)
	close(w.outside.work)
}

func ip(args string) error {
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func ips(commands ...string) error {
	for _, c := range commands {
		if err := ip(c); err != nil {
			return err
		}
	}
	return nil
}

// join lays the cable and gives both ends their addresses.
func (w *world) join() error {
	var thread int
	err := w.outside.do(func() error {
		thread = unix.Gettid()
		return ip("link set lo up")
	})
	if err != nil {
		return err
	}
	err = w.inside.do(func() error {
		// For root only: Fast Open without a cookie, pings without a raw socket.
		for name, value := range map[string]string{"ipv4/tcp_fastopen": "1543", "ipv4/ping_group_range": "0 2147483647", "ipv4/ip_forward": "1"} {
			if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0); err != nil {
				return err
			}
		}
		return ips("link set lo up", "link add "+cable+" type veth peer name peer address "+peerMAC, fmt.Sprintf("link set peer netns /proc/%d/task/%d/ns/net", os.Getpid(), thread),
			"addr add "+own4+"/24 brd + dev "+cable, "addr add "+own6+"/64 dev "+cable+" nodad", "link set "+cable+" up", "route add 64:ff9b::/96 dev "+cable,
			"route add local "+foreign4+" dev lo", "mptcp limits set subflow 2 add_addr_accepted 2")
	})
	if err != nil {
		return err
	}
	return w.outside.do(func() error {
		if err := os.WriteFile("/proc/sys/net/ipv4/tcp_fastopen", []byte("1543"), 0); err != nil {
			return err
		}
		return ips("addr add "+forbidden4+"/24 brd + dev peer", "addr add "+allowed4+"/24 dev peer", "addr add "+forbidden6+"/64 dev peer nodad",
			"addr add "+allowed6+"/64 dev peer nodad", "addr add "+nat64+"/128 dev peer nodad", "link set peer up", "route add default via "+own4,
			"-6 route add default via "+own6, "mptcp endpoint add "+forbidden4+" dev peer signal")
	})
}

// serve opens the services of the other host.
func (w *world) serve() error {
	return w.outside.do(func() error {
		var multipath net.ListenConfig
		multipath.SetMultipathTCP(true)
		l, err := multipath.Listen(context.Background(), "tcp", fmt.Sprintf("[::]:%d", port))
		if err != nil {
			return err
		}
		w.accept(l)
		for _, addr := range []string{forbidden4, forbidden6, nat64, allowed4, allowed6, broadcast4} {
			c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), port)))
			if err != nil {
				return err
			}
			w.answer(c)
		}
		// What this kernel does not have, the control run shows.
		w.acceptRaw(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP, sockaddr(forbidden4, port))
		w.acceptRaw(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP, sockaddr(allowed4, port))
		w.acceptRaw(unix.AF_VSOCK, unix.SOCK_STREAM, 0, &unix.SockaddrVM{CID: unix.VMADDR_CID_ANY, Port: port})
		return nil
	})
}

// closeLater has something closed with the world.
func (w *world) closeLater(c io.Closer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped.Load() {
		_ = c.Close()
	}
	w.closers = append(w.closers, c)
}

func (w *world) accept(l net.Listener) {
	w.closeLater(l)
	w.servers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			w.closeLater(c)
			w.servers.Go(func() { greet(c) })
		}
	})
}

// greet waits for a knock.
func greet(c net.Conn) {
	defer c.Close()
	buf := make([]byte, len(question))
	if _, err := io.ReadFull(c, buf); err == nil && string(buf) == question {
		_, _ = c.Write([]byte(answer))
		_, _ = c.Read(buf) // until the other side has closed
	}
}

func (w *world) answer(c net.PacketConn) {
	w.closeLater(c)
	w.servers.Go(func() {
		buf := make([]byte, 100)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				if w.stopped.Load() {
					return
				}
				continue
			}
			if string(buf[:n]) == question {
				_, _ = c.WriteTo([]byte(answer), from)
			}
		}
	})
}

// acceptRaw serves families that the package net does not know.
func (w *world) acceptRaw(family, kind, protocol int, at unix.Sockaddr) {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return
	}
	if errors.Join(unix.Bind(fd, at), unix.Listen(fd, 8)) != nil {
		_ = unix.Close(fd)
		return
	}
	w.servers.Go(func() {
		defer func() { _ = unix.Close(fd) }()
		for !w.stopped.Load() {
			if !readable(fd, 100*time.Millisecond) {
				continue
			}
			c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
			if err != nil {
				continue
			}
			w.servers.Go(func() {
				defer func() { _ = unix.Close(c) }()
				buf := make([]byte, 100)
				if !readable(c, answerTime) {
					return
				}
				if n, err := unix.Read(c, buf); err == nil && string(buf[:n]) == question {
					_, _ = unix.Write(c, []byte(answer))
					readable(c, answerTime)
				}
			})
		}
	})
}

// serveUnix opens the local services, by path and by abstract name.
func (w *world) serveUnix() error {
	return w.inside.do(func() error {
		for _, name := range []string{filepath.Join(w.dir, streamName), abstractName("stream")} {
			l, err := net.Listen("unix", name)
			if err != nil {
				return err
			}
			w.accept(l)
		}
		for _, name := range []string{filepath.Join(w.dir, datagramName), abstractName("datagrams")} {
			c, err := net.ListenPacket("unixgram", name)
			if err != nil {
				return err
			}
			w.answer(c)
		}
		return nil
	})
}

func sockaddr(ip string, port int) unix.Sockaddr {
	a := netip.MustParseAddr(ip)
	if a.Is4() {
		return &unix.SockaddrInet4{Port: port, Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: port, Addr: a.As16()}
}

// readable waits until there is something to read, or to accept.
func readable(fd int, limit time.Duration) bool {
	deadline := time.Now().Add(limit)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(deadline).Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return n > 0
		}
	}
}
