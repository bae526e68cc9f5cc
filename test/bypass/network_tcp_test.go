//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	protocolMPTCP = 262
	protocolSMC   = 256
	afSMC         = 43
)

func tcpTechniques() []technique {
	to4, to6 := sockaddr(forbidden4, port), sockaddr(forbidden6, port)
	mapped := sockaddr("::ffff:"+forbidden4, port)
	const stream = unix.SOCK_STREAM
	return []technique{
		{name: "tcp over ipv6", attempt: caller(unix.AF_INET6, stream, 0, to6)},
		{name: "tcp to a mapped address", attempt: caller(unix.AF_INET6, stream, 0, mapped)},
		{name: "tcp to a NAT64 address", attempt: caller(unix.AF_INET6, stream, 0, sockaddr(nat64, port))},
		{name: "mptcp", attempt: caller(unix.AF_INET, stream, protocolMPTCP, to4)},
		{name: "mptcp over ipv6", attempt: caller(unix.AF_INET6, stream, protocolMPTCP, to6)},
		{name: "mptcp to a mapped address", attempt: caller(unix.AF_INET6, stream, protocolMPTCP, mapped)},
		{name: "mptcp subflow", attempt: doSubflow},
		{name: "smc", attempt: caller(afSMC, stream, 0, to4)},
		{name: "smc as a protocol", attempt: caller(unix.AF_INET, stream, protocolSMC, to4)},
		{name: "connect without waiting", attempt: bySocket(unix.AF_INET, stream|unix.SOCK_NONBLOCK, 0, doLater)},
		{name: "fast open", attempt: bySocket(unix.AF_INET, stream, 0, func(_ *Env, fd int) error { return fastOpen(fd, rawAddress(to4)) })},
		{name: "fast open over ipv6", attempt: bySocket(unix.AF_INET6, stream, 0, func(_ *Env, fd int) error { return fastOpen(fd, rawAddress(to6)) })},
		{name: "fast open to a mapped address", attempt: bySocket(unix.AF_INET6, stream, 0, func(_ *Env, fd int) error { return fastOpen(fd, rawAddress(mapped)) })},
		{name: "fast open over mptcp", attempt: bySocket(unix.AF_INET, stream, protocolMPTCP, func(_ *Env, fd int) error { return fastOpen(fd, rawAddress(to4)) })},
		{name: "fast open by socket option", attempt: bySocket(unix.AF_INET, stream, 0, doFastOpenConnect)},
		{name: "connected, disconnected, connected again", attempt: bySocket(unix.AF_INET, stream, 0, doAgain)},
		{name: "bound to a device", attempt: bySocket(unix.AF_INET, stream, 0, doDevice)},
		{name: "bound to a foreign address", attempt: bySocket(unix.AF_INET, stream, 0, doTransparent)},
		{name: "marked", attempt: bySocket(unix.AF_INET, stream, 0, doMark)},
		{name: "connect by io_uring", attempt: bySocket(unix.AF_INET, stream, 0, doRingConnect(0))},
		{name: "connect by io_uring's thread", attempt: bySocket(unix.AF_INET, stream, 0, doRingConnect(ringPoll))},
		{name: "socket and connect by io_uring", attempt: doRingSocket},
		{name: "fast open by io_uring", attempt: bySocket(unix.AF_INET, stream, 0, doRingSend(unix.MSG_FASTOPEN))},
	}
}

// doLater asks once a connect in the background is through.
func doLater(_ *Env, fd int) error {
	if err := unix.Connect(fd, sockaddr(forbidden4, port)); !errors.Is(err, unix.EINPROGRESS) {
		return fmt.Errorf("connect: %w", err)
	}
	if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(answerTime.Milliseconds())); n == 0 {
		return fmt.Errorf("%w: the connection did not come about", errRefused)
	}
	if _, err := unix.Write(fd, []byte(question)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	readable(fd, answerTime)
	return hear(fd)
}

// fastOpen connects by sending, twice: the first time brings the cookie, if it is the first.
func fastOpen(fd int, to []byte) error {
	if err := knockTo(fd, unix.MSG_FASTOPEN, to); err != nil {
		return err
	}
	return hear(fd)
}

// doFastOpenConnect has connect(2) do nothing, and the first write connect.
func doFastOpenConnect(_ *Env, fd int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_FASTOPEN_CONNECT, 1); err != nil {
		return fmt.Errorf("TCP_FASTOPEN_CONNECT: %w", err)
	}
	return callBy(fd, sockaddr(forbidden4, port))
}

// doAgain connects a socket to where it may before it goes where it may not.
func doAgain(_ *Env, fd int) error {
	if err := unix.Connect(fd, sockaddr(allowed4, port)); err != nil {
		return unfair("connect to what is allowed", err)
	}
	if err := syscallAddress(unix.SYS_CONNECT, fd, make([]byte, 16)); err != nil { // AF_UNSPEC
		return unfair("disconnect", err)
	}
	return callBy(fd, sockaddr(forbidden4, port))
}

func doDevice(_ *Env, fd int) error {
	if err := unix.BindToDevice(fd, cable); err != nil {
		return fmt.Errorf("SO_BINDTODEVICE: %w", err)
	}
	return callBy(fd, sockaddr(forbidden4, port))
}

// doTransparent takes an address that no interface has.
func doTransparent(_ *Env, fd int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TRANSPARENT, 1); err != nil {
		return fmt.Errorf("IP_TRANSPARENT: %w", err)
	}
	if err := unix.Bind(fd, sockaddr(foreign4, 0)); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return callBy(fd, sockaddr(forbidden4, port))
}

// doMark sets the mark that some guards take for their own packets.
func doMark(_ *Env, fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, 0xca12); err != nil {
		return fmt.Errorf("SO_MARK: %w", err)
	}
	return callBy(fd, sockaddr(forbidden4, port))
}

// doSubflow connects by MPTCP to where it may. The other host announces a second address, and the kernel opens a way there
// by itself.
func doSubflow(*Env) error {
	fd, err := socket(unix.AF_INET, unix.SOCK_STREAM, protocolMPTCP)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := callBy(fd, sockaddr(allowed4, port)); err != nil {
		return unfair("connect to what is allowed", err)
	}
	for deadline := time.Now().Add(answerTime); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if subflowTo(fd, forbidden4) {
			return nil
		}
	}
	return fmt.Errorf("%w: no subflow came about", errRefused)
}

// subflowTo reports whether one of the subflows of an MPTCP connection goes there (MPTCP_SUBFLOW_ADDRS of linux/mptcp.h).
func subflowTo(fd int, ip string) bool {
	const solMPTCP, subflowAddresses = 284, 3
	var info struct {
		size, count, kernel, user uint32
		addresses                 [8]struct{ local, remote [128]byte }
	}
	info.size, info.user = 16, uint32(unsafe.Sizeof(info.addresses[0]))
	length := uint32(unsafe.Sizeof(info))
	_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), solMPTCP, subflowAddresses, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&length)), 0)
	if e != 0 {
		return false
	}
	want := rawAddress(sockaddr(ip, port))
	for _, a := range info.addresses[:min(info.count, 8)] {
		if string(a.remote[:8]) == string(want[:8]) {
			return true
		}
	}
	return false
}
