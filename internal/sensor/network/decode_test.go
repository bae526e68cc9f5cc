//go:build linux

package network

import (
	"net/netip"
	"strings"
	"testing"
)

func flow(family, kind, protocol uint16, src, dst string) *bpfFlow {
	f := &bpfFlow{Family: family, Type: kind, Protocol: protocol}
	if src != "" {
		f.Src.Ip = netip.MustParseAddr(src).As16()
	}
	if dst != "" {
		f.Dst.Ip = netip.MustParseAddr(dst).As16()
	}
	return f
}

func TestFamilyAndProtocol(t *testing.T) {
	for _, test := range []struct {
		name             string
		flow             *bpfFlow
		family, protocol string
	}{
		{"tcp", flow(familyInet, typeStream, 6, "10.0.0.1", "10.0.0.2"), "inet", "tcp"},
		{"tcp over ipv6", flow(familyInet6, typeStream, 6, "::1", "::1"), "inet6", "tcp"},
		{"an ipv6 socket that speaks ipv4", flow(familyInet6, typeStream, 6, "::", "10.0.0.2"), "inet", "tcp"},
		{"an ipv6 socket bound to an ipv4 address", flow(familyInet6, typeDgram, 17, "10.0.0.1", ""), "inet", "udp"},
		{"ping socket", flow(familyInet, typeDgram, 1, "", "10.0.0.2"), "inet", "icmp"},
		{"raw socket of tcp", flow(familyInet, typeRaw, 6, "", "10.0.0.2"), "inet", "raw"},
		{"mptcp", flow(familyInet, typeStream, 262, "", "10.0.0.2"), "inet", "mptcp"},
		{"unknown protocol", flow(familyInet, typeStream, 200, "", "10.0.0.2"), "inet", "200"},
		{"unix", flow(familyUnix, typeSeqpacket, 0, "", ""), "unix", "seqpacket"},
		{"packet", flow(familyPacket, typeDgram, 0, "", ""), "packet", "dgram"},
		{"old packet", flow(familyPacket, typePacket, 0, "", ""), "packet", "packet"},
		{"unknown", flow(99, 77, 0, "", ""), "99", "77"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := family(test.flow); got != test.family {
				t.Errorf("family %s instead of %s", got, test.family)
			}
			if got := protocol(test.flow); got != test.protocol {
				t.Errorf("protocol %s instead of %s", got, test.protocol)
			}
		})
	}
}

func TestEndpoint(t *testing.T) {
	for _, test := range []struct {
		raw  string
		port uint16
		any  bool
		want string
	}{
		{"::ffff:10.0.0.1", 80, false, "10.0.0.1"},
		{"2001:db8::1", 0, false, "2001:db8::1"},
		{"::ffff:0.0.0.0", 0, false, ""},
		{"::", 0, false, ""},
		{"::", 53, false, "::"},
		{"::ffff:0.0.0.0", 0, true, "0.0.0.0"},
	} {
		ip, port := endpoint(netip.MustParseAddr(test.raw).As16(), test.port, test.any)
		if ip != test.want || port != test.port {
			t.Errorf("%s port %d: %q port %d", test.raw, test.port, ip, port)
		}
	}
}

func FuzzUnixName(f *testing.F) {
	for _, name := range []string{"", "\x00", "/run/a.sock\x00junk", "\x00abstract\x00more", "relative"} {
		f.Add([]byte(name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got := unixName(b)
		switch {
		case len(b) > 0 && b[0] == 0:
			if got != "@"+string(b[1:]) {
				t.Errorf("abstract %q became %q", b, got)
			}
		case strings.Contains(got, "\x00") || !strings.HasPrefix(string(b), got):
			t.Errorf("path %q became %q", b, got)
		}
	})
}
