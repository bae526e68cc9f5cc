//go:build linux

package bypass

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Families and protocols besides TCP and UDP.

const (
	afKCM, afRDS, afTIPC = 41, 21, 30
	sctpConnectx         = 110 // SCTP_SOCKOPT_CONNECTX
)

func familyTechniques() []technique {
	to := sockaddr(forbidden4, port)
	return []technique{
		{name: "sctp", attempt: caller(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP, to)},
		{name: "sctp to several addresses", attempt: bySocket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP, doConnectx)},
		{name: "sctp without connect", attempt: bySocket(unix.AF_INET, unix.SOCK_SEQPACKET, unix.IPPROTO_SCTP, func(_ *Env, fd int) error {
			return knockAndHear(fd, rawAddress(to))
		})},
	}
}

// strangeTechniques make sockets of families that no list of peers can name: where only some peers are allowed, none of them is.
func strangeTechniques() []technique {
	exists := func(family, kind, protocol int) func(*Env) error {
		return bySocket(family, kind, protocol, func(*Env, int) error { return nil })
	}
	return []technique{
		{name: "vsock", attempt: doVsock},
		{name: "dccp socket", attempt: exists(unix.AF_INET, 6, 33)},
		{name: "tipc socket", attempt: exists(afTIPC, unix.SOCK_SEQPACKET, 0)},
		{name: "rds socket", attempt: exists(afRDS, unix.SOCK_SEQPACKET, 0)},
		{name: "kcm socket", attempt: exists(afKCM, unix.SOCK_SEQPACKET, 0)},
		{name: "crypto socket", attempt: exists(unix.AF_ALG, unix.SOCK_SEQPACKET, 0)},
		{name: "key socket", attempt: exists(unix.AF_KEY, unix.SOCK_RAW, 2)},
		{name: "netlink to change addresses", attempt: bySocket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE, doNetlink)},
	}
}

// doConnectx names a list of addresses in a socket option.
func doConnectx(_ *Env, fd int) error {
	list := rawAddress(sockaddr(forbidden4, port))
	if _, _, e := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.IPPROTO_SCTP, sctpConnectx, uintptr(unsafe.Pointer(&list[0])), uintptr(len(list)), 0); e != 0 {
		return fmt.Errorf("sctp_connectx: %w", unanswered(e))
	}
	return ask(fd)
}

// doVsock calls another service of this machine by the sockets of virtual machines.
func doVsock(*Env) error {
	if _, err := os.Stat("/sys/module/vsock_loopback"); err != nil {
		return lacks("no way from this machine to itself by vsock")
	}
	return call(unix.AF_VSOCK, unix.SOCK_STREAM, 0, &unix.SockaddrVM{CID: unix.VMADDR_CID_LOCAL, Port: port})
}

// doNetlink gives the attacker's end of the cable one more address.
func doNetlink(_ *Env, fd int) error {
	dev, err := net.InterfaceByName(cable)
	if err != nil {
		return err
	}
	b := binary.NativeEndian.AppendUint32(nil, 0)
	b = binary.NativeEndian.AppendUint16(b, unix.RTM_NEWADDR)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_REPLACE|unix.NLM_F_CREATE)
	b = append(b, make([]byte, 8)...)
	b = append(b, unix.AF_INET, 32, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, uint32(dev.Index))
	for _, kind := range []uint16{unix.IFA_LOCAL, unix.IFA_ADDRESS} {
		b = binary.NativeEndian.AppendUint16(b, 8)
		b = binary.NativeEndian.AppendUint16(b, kind)
		b = append(b, 10, 69, 0, 1)
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("sendto: %w", err)
	}
	buf := make([]byte, 1000)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil || n < 20 {
		return fmt.Errorf("receive: %w", unanswered(err))
	}
	if number := int32(binary.NativeEndian.Uint32(buf[16:])); number != 0 {
		return fmt.Errorf("netlink: %w", unix.Errno(-number))
	}
	return nil
}
