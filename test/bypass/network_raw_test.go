//go:build linux

package bypass

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Below TCP and UDP: packets that the attacker builds by itself.

func rawTechniques() []technique {
	return []technique{
		{name: "ping by raw socket", attempt: bySocket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP, doPing4)},
		{name: "ping by raw ipv6 socket", attempt: bySocket(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6, doPing6)},
		{name: "ping by ping socket", attempt: bySocket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP, doPing4)},
		{name: "ping by ping socket, connected", attempt: bySocket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP, doPingConnected)},
		{name: "ping by ipv6 ping socket", attempt: bySocket(unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_ICMPV6, doPing6)},
		{name: "udp by raw socket", attempt: bySocket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_UDP, doRawUDP)},
		{name: "udp by raw ipv6 socket", attempt: bySocket(unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_UDP, doRawUDP6)},
		{name: "udp by raw socket with its own header", attempt: bySocket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW, doRawHeader)},
		{name: "tcp by raw socket", attempt: bySocket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_TCP, doRawTCP)},
		{name: "raw socket, connected", attempt: bySocket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_UDP, doRawConnected)},
		{name: "packet socket", attempt: doPacket(unix.SOCK_DGRAM, false)},
		{name: "packet socket with link headers", attempt: doPacket(unix.SOCK_RAW, false)},
		{name: "packet socket past the queues", attempt: doPacket(unix.SOCK_RAW, true)},
		{name: "packet ring", attempt: doPacketRing},
		{name: "packets by AF_XDP", attempt: doXDP},
		{name: "packets of a tun device", attempt: doTun},
	}
}

func sum(data []byte, start uint32) uint16 {
	for ; len(data) > 1; data = data[2:] {
		start += uint32(data[0])<<8 | uint32(data[1])
	}
	if len(data) == 1 {
		start += uint32(data[0]) << 8
	}
	for start>>16 != 0 {
		start = start&0xffff + start>>16
	}
	return ^uint16(start)
}

// udp is a datagram with a knock for the forbidden port. IPv4 does without its sum.
func udp() []byte {
	b := binary.BigEndian.AppendUint16(nil, port)
	b = binary.BigEndian.AppendUint16(b, port)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(question)))
	return append(append(b, 0, 0), question...)
}

// udp6 is one with its sum.
func udp6() []byte {
	b, from, to := udp(), netip.MustParseAddr(own6).As16(), netip.MustParseAddr(forbidden6).As16()
	pseudo := append(append(append([]byte{}, from[:]...), to[:]...), 0, 0, 0, byte(len(b)), 0, 0, 0, unix.IPPROTO_UDP)
	binary.BigEndian.PutUint16(b[6:], sum(append(pseudo, b...), 0))
	return b
}

// ip4 puts an IPv4 header before a packet for the forbidden address.
func ip4(from string, protocol byte, body []byte) []byte {
	source, to := netip.MustParseAddr(from).As4(), netip.MustParseAddr(forbidden4).As4()
	h := []byte{0x45, 0, 0, byte(20 + len(body)), 0, 1, 0, 0, 64, protocol, 0, 0}
	h = append(append(h, source[:]...), to[:]...)
	binary.BigEndian.PutUint16(h[10:], sum(h, 0))
	return append(h, body...)
}

// sendRaw sends on an unconnected socket.
func sendRaw(fd int, packet []byte, to unix.Sockaddr) error {
	if err := unix.Sendto(fd, packet, 0, to); err != nil {
		return fmt.Errorf("sendto: %w", unanswered(err))
	}
	return nil
}

// expect reads packets until one is the answer.
func expect(fd int, isAnswer func(packet []byte) bool) error {
	buf := make([]byte, 2000)
	for deadline := time.Now().Add(answerTime); time.Now().Before(deadline); {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return fmt.Errorf("receive: %w", unanswered(err))
		}
		if isAnswer(buf[:n]) {
			return nil
		}
	}
	return fmt.Errorf("%w: no answer came", errRefused)
}

func echo(kind byte) []byte {
	b := []byte{kind, 0, 0, 0, 0x66, 0x66, 0, 1, 'p', 'i', 'n', 'g'}
	if kind == 8 {
		binary.BigEndian.PutUint16(b[2:], sum(b, 0)) // the kernel does it for IPv6
	}
	return b
}

func isPong(p []byte) bool { return len(p) >= 12 && string(p[len(p)-4:]) == "ping" }

// isPong4 takes the header off that raw sockets show.
func isPong4(p []byte) bool {
	if len(p) > 20 && p[0]>>4 == 4 {
		p = p[20:]
	}
	return isPong(p) && p[0] == 0
}

func doPing4(_ *Env, fd int) error {
	if err := sendRaw(fd, echo(8), sockaddr(forbidden4, 0)); err != nil {
		return err
	}
	return expect(fd, isPong4)
}

func doPingConnected(_ *Env, fd int) error {
	if err := unix.Connect(fd, sockaddr(forbidden4, 0)); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if _, err := unix.Write(fd, echo(8)); err != nil {
		return fmt.Errorf("write: %w", unanswered(err))
	}
	return expect(fd, isPong4)
}

func doPing6(_ *Env, fd int) error {
	if err := sendRaw(fd, echo(128), sockaddr(forbidden6, 0)); err != nil {
		return err
	}
	return expect(fd, func(p []byte) bool { return isPong(p) && p[0] == 129 })
}

func isAnswer(p []byte) bool { return strings.HasSuffix(string(p), answer) }

func doRawUDP(_ *Env, fd int) error {
	if err := sendRaw(fd, udp(), sockaddr(forbidden4, 0)); err != nil {
		return err
	}
	return expect(fd, isAnswer)
}

func doRawUDP6(_ *Env, fd int) error {
	if err := sendRaw(fd, udp6(), sockaddr(forbidden6, 0)); err != nil {
		return err
	}
	return expect(fd, isAnswer)
}

func doRawConnected(_ *Env, fd int) error {
	if err := unix.Connect(fd, sockaddr(forbidden4, 0)); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if _, err := unix.Write(fd, udp()); err != nil {
		return fmt.Errorf("write: %w", unanswered(err))
	}
	return expect(fd, isAnswer)
}

// doRawHeader says in the call that it goes to where it may, and in the packet where it may not.
func doRawHeader(_ *Env, fd int) error {
	in, err := socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_UDP)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(in) }()
	if err := sendRaw(fd, ip4(own4, unix.IPPROTO_UDP, udp()), sockaddr(allowed4, 0)); err != nil {
		return err
	}
	return expect(in, isAnswer)
}

// doRawTCP begins a connection: that it is agreed to shows that both ways are open.
func doRawTCP(_ *Env, fd int) error {
	syn := binary.BigEndian.AppendUint16(nil, port)
	syn = binary.BigEndian.AppendUint16(syn, port)
	syn = append(syn, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0xff, 0, 0, 0, 0, 0)
	from, to := netip.MustParseAddr(own4).As4(), netip.MustParseAddr(forbidden4).As4()
	pseudo := append(append(append([]byte{}, from[:]...), to[:]...), 0, unix.IPPROTO_TCP, 0, byte(len(syn)))
	binary.BigEndian.PutUint16(syn[16:], sum(append(pseudo, syn...), 0))
	if err := sendRaw(fd, syn, sockaddr(forbidden4, 0)); err != nil {
		return err
	}
	return expect(fd, func(p []byte) bool { return len(p) >= 40 && p[20+13]&0x12 == 0x12 })
}

// cableEnd is the other end of the cable below IP, and the header of a packet for it.
func cableEnd() (*unix.SockaddrLinklayer, []byte, error) {
	dev, err := net.InterfaceByName(cable)
	if err != nil {
		return nil, nil, err
	}
	mac, err := net.ParseMAC(peerMAC)
	if err != nil {
		return nil, nil, err
	}
	to := &unix.SockaddrLinklayer{Protocol: 0x0008, Ifindex: dev.Index, Halen: 6}
	copy(to.Addr[:], mac)
	return to, append(append(append([]byte{}, mac...), dev.HardwareAddr...), 8, 0), nil
}

// listenBelow is a packet socket that hears everything that comes in by the cable.
func listenBelow(kind int) (int, error) {
	fd, err := socket(unix.AF_PACKET, kind, 0x0008) // ETH_P_IP in network order
	if err != nil {
		return -1, err
	}
	return fd, nil
}

func doPacket(kind int, pastQueues bool) func(*Env) error {
	return func(*Env) error {
		to, header, err := cableEnd()
		if err != nil {
			return err
		}
		fd, err := listenBelow(kind)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		if pastQueues {
			if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
				return fmt.Errorf("PACKET_QDISC_BYPASS: %w", err)
			}
		}
		packet := ip4(own4, unix.IPPROTO_UDP, udp())
		if kind == unix.SOCK_RAW {
			packet = append(header, packet...)
		}
		if err := sendRaw(fd, packet, to); err != nil {
			return err
		}
		return expect(fd, isAnswer)
	}
}

// doPacketRing hands the packet over in shared memory.
func doPacketRing(*Env) error {
	to, header, err := cableEnd()
	if err != nil {
		return err
	}
	fd, err := listenBelow(unix.SOCK_RAW)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Bind(fd, to); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	const page, frame = 4096, 2048
	request := &unix.TpacketReq{Block_size: page, Block_nr: 1, Frame_size: frame, Frame_nr: page / frame}
	if err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_TX_RING, request); err != nil {
		return fmt.Errorf("PACKET_TX_RING: %w", err)
	}
	ring, err := unix.Mmap(fd, 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map the ring: %w", err)
	}
	defer func() { _ = unix.Munmap(ring) }()
	packet := append(header, ip4(own4, unix.IPPROTO_UDP, udp())...)
	slot := (*unix.TpacketHdr)(unsafe.Pointer(&ring[0]))
	copy(ring[int(unsafe.Sizeof(*slot)):], packet)
	slot.Len, slot.Status = uint32(len(packet)), unix.TP_STATUS_SEND_REQUEST
	if _, _, e := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), 0, 0, 0, 0, 0); e != 0 {
		return fmt.Errorf("send the ring: %w", e)
	}
	return expect(fd, isAnswer)
}

// doTun lets the kernel forward a packet that came in from a device of the attacker's own.
func doTun(*Env) error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) {
		return lacks(fmt.Sprintf("no tun devices: %v", err))
	} else if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	request, err := unix.NewIfreq("bypasstun")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return fmt.Errorf("TUNSETIFF: %w", err)
	}
	const guest = "10.68.0.2"
	if err := ips("addr add 10.68.0.1/24 dev bypasstun", "link set bypasstun up"); err != nil {
		return err
	}
	if _, err := unix.Write(fd, ip4(guest, unix.IPPROTO_UDP, udp())); err != nil {
		return fmt.Errorf("write to the device: %w", err)
	}
	buf := make([]byte, 2000)
	for deadline := time.Now().Add(answerTime); readable(fd, time.Until(deadline)); {
		if n, err := unix.Read(fd, buf); err != nil {
			return os.NewSyscallError("read", err)
		} else if isAnswer(buf[:n]) {
			return nil
		}
	}
	return fmt.Errorf("%w: no answer came", errRefused)
}

// doXDP hands the packet to the device itself. The answer comes the usual way.
func doXDP(*Env) error {
	in, err := socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(in) }()
	if err := unix.Bind(in, sockaddr(own4, port)); err != nil {
		return unfair("bind to the port that is allowed", err)
	}
	to, header, err := cableEnd()
	if err != nil {
		return err
	}
	fd, err := socket(unix.AF_XDP, unix.SOCK_RAW, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := xdpSend(fd, to.Ifindex, append(header, ip4(own4, unix.IPPROTO_UDP, udp())...)); err != nil {
		return err
	}
	return hear(in)
}

// xdpSend gives the socket memory and rings, and one packet.
func xdpSend(fd, device int, packet []byte) error {
	const page, frames = 4096, 4
	memory, err := unix.Mmap(-1, 0, frames*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Munmap(memory) }()
	area := unix.XDPUmemReg{Addr: uint64(uintptr(unsafe.Pointer(&memory[0]))), Len: frames * page, Size: page}
	set := func(option int, value unsafe.Pointer, size uintptr) error {
		if _, _, e := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_XDP, uintptr(option), uintptr(value), size, 0); e != 0 {
			return fmt.Errorf("set option %d of AF_XDP: %w", option, e)
		}
		return nil
	}
	entries := uint32(frames)
	var offsets unix.XDPMmapOffsets
	err = errors.Join(set(unix.XDP_UMEM_REG, unsafe.Pointer(&area), 24), // without the fields that came later
		set(unix.XDP_UMEM_FILL_RING, unsafe.Pointer(&entries), 4), set(unix.XDP_UMEM_COMPLETION_RING, unsafe.Pointer(&entries), 4),
		set(unix.XDP_TX_RING, unsafe.Pointer(&entries), 4))
	if err != nil {
		return err
	}
	size := uint32(unsafe.Sizeof(offsets))
	if _, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_XDP, unix.XDP_MMAP_OFFSETS, uintptr(unsafe.Pointer(&offsets)), uintptr(unsafe.Pointer(&size)), 0); e != 0 {
		return fmt.Errorf("offsets of AF_XDP: %w", e)
	}
	ring, err := unix.Mmap(fd, unix.XDP_PGOFF_TX_RING, int(offsets.Tx.Desc)+frames*int(unsafe.Sizeof(unix.XDPDesc{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map the ring of AF_XDP: %w", err)
	}
	defer func() { _ = unix.Munmap(ring) }()
	if err := unix.Bind(fd, &unix.SockaddrXDP{Flags: unix.XDP_COPY, Ifindex: uint32(device)}); err != nil {
		return fmt.Errorf("bind AF_XDP: %w", err)
	}
	copy(memory, packet)
	*(*unix.XDPDesc)(unsafe.Pointer(&ring[offsets.Tx.Desc])) = unix.XDPDesc{Len: uint32(len(packet))}
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&ring[offsets.Tx.Producer])), 1)
	if _, _, e := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), 0, 0, unix.MSG_DONTWAIT, 0, 0); e != 0 {
		return fmt.Errorf("send by AF_XDP: %w", e)
	}
	return nil
}
