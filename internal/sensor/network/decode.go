//go:build linux

package network

import (
	"bytes"
	"net/netip"
	"strconv"
	"time"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
)

// Families, types and protocols of sockets (include/linux/socket.h, include/linux/net.h, include/uapi/linux/in.h).
const (
	familyUnix   = 1
	familyInet   = 2
	familyInet6  = 10
	familyPacket = 17

	typeStream    = 1
	typeDgram     = 2
	typeRaw       = 3
	typeSeqpacket = 5
	typePacket    = 10
)

var protocols = map[uint16]string{
	1: "icmp", 6: "tcp", 17: "udp", 33: "dccp", 58: "icmpv6", 132: "sctp", 136: "udplite", 255: "raw", 262: "mptcp",
}

func decode(r *kernel.Record, e *event.Event) error {
	b, err := kernel.Body[bpfFlow](r)
	if err != nil {
		return err
	}
	f := &event.Flow{
		Family: family(b), Protocol: protocol(b), Interface: b.Interface, DurationNS: b.DurationNs, Backlog: int(b.Backlog), Cookie: b.Cookie,
	}
	if b.Type == typeRaw && f.Protocol == "raw" && b.Protocol < 255 {
		f.IPProtocol = uint8(b.Protocol)
	}
	switch b.Family {
	case familyUnix:
		name, _, err := r.Bytes()
		if err != nil {
			return err
		}
		f.Path = unixName(name)
	case familyInet, familyInet6:
		bound := r.Kind == event.KindBind || r.Kind == event.KindListen
		f.Source, f.SourcePort = endpoint(b.Src.Ip, b.Src.Port, bound)
		f.AnyPort = b.AnyPort != 0 && f.SourcePort != 0 // raw sockets have no ports
		f.Destination, f.DestinationPort = endpoint(b.Dst.Ip, b.Dst.Port, false)
	}
	e.Flow = f
	switch r.Kind {
	case event.KindSend:
		if b.Count > 1 {
			e.Count = b.Count
			e.Until = e.Time.Add(time.Duration(b.LastNs - r.TimeNS))
		}
	case event.KindFlowVolume:
		f.DurationNS = 0
		e.Volume = &event.Volume{ReadBytes: b.Received, WriteBytes: b.Sent, RTTMicroseconds: b.RttUs, DurationNS: b.DurationNs}
	}
	return nil
}

// endpoint writes an address, IPv4-mapped as IPv4. One that is not set is left out, unless that is its meaning.
func endpoint(raw [16]uint8, port uint16, any bool) (string, uint16) {
	ip := netip.AddrFrom16(raw).Unmap()
	if ip.IsUnspecified() && port == 0 && !any {
		return "", 0
	}
	return ip.String(), port
}

// family is that of the addresses as they are written: an IPv6 socket may speak IPv4.
func family(b *bpfFlow) string {
	switch b.Family {
	case familyUnix:
		return "unix"
	case familyInet:
		return "inet"
	case familyInet6:
		if netip.AddrFrom16(b.Dst.Ip).Is4In6() || netip.AddrFrom16(b.Src.Ip).Is4In6() {
			return "inet"
		}
		return "inet6"
	case familyPacket:
		return "packet"
	default:
		return strconv.Itoa(int(b.Family))
	}
}

// protocol tells what is spoken. A raw socket speaks anything, so it is raw whatever protocol it was opened for.
func protocol(b *bpfFlow) string {
	inet := b.Family == familyInet || b.Family == familyInet6
	switch {
	case b.Type == typeRaw:
		return "raw"
	case inet && protocols[b.Protocol] != "":
		return protocols[b.Protocol]
	case inet:
		return strconv.Itoa(int(b.Protocol))
	}
	switch b.Type {
	case typeStream:
		return "stream"
	case typeDgram:
		return "dgram"
	case typeSeqpacket:
		return "seqpacket"
	case typePacket:
		return "packet"
	default:
		return strconv.Itoa(int(b.Type))
	}
}

// unixName writes what stands in sun_path: an abstract name, where any byte may follow the zero, with an @ before it; a
// path up to its zero byte.
func unixName(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if b[0] == 0 {
		return "@" + string(b[1:])
	}
	path, _, _ := bytes.Cut(b, []byte{0})
	return string(path)
}
