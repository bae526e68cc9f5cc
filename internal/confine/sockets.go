package confine

import "github.com/stockade-security/stockade/policy"

// sockets are the kinds of sockets that are refused when they are made.
type sockets struct {
	packet, stream, datagram, other bool
	// ports: TCP ports are judged, so what reaches them past Landlock is refused: MPTCP, SMC and Fast Open.
	ports bool
}

func (s sockets) any() bool { return s != sockets{} }

// socketsOf finds the kinds that an entry has no use for. Sockets are not told apart by what they will do: a protocol of which
// the entry speaks at all can be had.
func socketsOf(q *policy.Process) sockets {
	if !q.AllowedNetwork.Present {
		return sockets{}
	}
	unused := func(protocol string) bool {
		return !speak(q.AllowedNetwork, protocol) && !speak(q.AllowedListen, protocol)
	}
	return sockets{
		packet: true, datagram: unused(udp), other: unused(other),
		stream: unused(tcp) && q.AllowedListen.Present, // a server reaches nobody, and is common
	}
}

// Linux's numbers: include/linux/socket.h, include/uapi/linux/in.h.
const (
	familyINET   = 2
	familyINET6  = 10
	familyPACKET = 17
	familySMC    = 43
	familyXDP    = 44

	typeMask     = 0xf // the rest are flags
	typeStream   = 1
	typeDatagram = 2

	protocolTCP   = 6
	protocolUDP   = 17
	protocolMPTCP = 262

	msgFastOpen = 0x2000_0000
)

// code judges socket(family, type, protocol).
func (s sockets) code() code {
	answer := func(refused bool) code {
		if refused {
			return deny()
		}
		return allow()
	}
	rest := answer(s.other)
	stream := argument(2,
		ifEqual(0, answer(s.stream),
			ifEqual(protocolTCP, answer(s.stream),
				ifEqual(protocolMPTCP, answer(s.stream || s.ports), rest))))
	datagram := argument(2,
		ifEqual(0, answer(s.datagram),
			ifEqual(protocolUDP, answer(s.datagram), rest)))
	inet := argument(1, and(typeMask, ifEqual(typeStream, stream, ifEqual(typeDatagram, datagram, rest))))
	return argument(0,
		ifEqual(familyPACKET, answer(s.packet),
			ifEqual(familyXDP, answer(s.packet),
				ifEqual(familySMC, answer(s.ports || s.stream),
					ifEqual(familyINET, inet, ifEqual(familyINET6, inet, allow()))))))
}
