package posture

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// socket is one line of a table in /proc/PID/net.
type socket struct {
	// name is the protocol and the addresses, as they stand in a fact's name.
	name  string
	state string
	inode uint64
	uid   string
	netns uint64
}

// table is a file in /proc/PID/net with the parser of its lines. A parser returns false for a line that is no socket of interest.
type table struct {
	file  string
	parse func(file, line string) (socket, bool)
}

// tables lists the files in the order in which their sockets are looked for: when there are too many, the last are left out.
func tables() []table {
	return []table{
		{"tcp", parseInet},
		{"tcp6", parseInet},
		{"udp", parseInet},
		{"udp6", parseInet},
		{"raw", parseInet},
		{"raw6", parseInet},
		{"packet", parsePacket},
		{"unix", parseUnix},
	}
}

// scanTable calls add for each socket until add returns false. The first line is the header.
func scanTable(in io.Reader, t table, add func(socket) bool) error {
	lines := bufio.NewScanner(in)
	lines.Scan()
	for lines.Scan() {
		if s, ok := t.parse(t.file, lines.Text()); ok && !add(s) {
			return nil
		}
	}
	return lines.Err()
}

// parseInet reads a line of tcp, udp or raw: slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode.
// Half-open and closing TCP sockets have no inode, hence no owner, and are left out.
func parseInet(file, line string) (socket, bool) {
	f := strings.Fields(line)
	if len(f) < 10 {
		return socket{}, false
	}
	local, ok := parseAddress(f[1])
	if !ok {
		return socket{}, false
	}
	remote, ok := parseAddress(f[2])
	if !ok {
		return socket{}, false
	}
	inode, err := strconv.ParseUint(f[9], 10, 64)
	if err != nil || inode == 0 {
		return socket{}, false
	}
	s := socket{uid: number(f[7]), inode: inode}
	protocol := strings.TrimSuffix(file, "6")
	connected := remote.Port() != 0 || !remote.Addr().IsUnspecified()
	s.state = inetState(protocol, f[3], connected)
	if protocol == "raw" {
		// A raw socket's port is its IP protocol number.
		s.name = fmt.Sprintf("raw %s protocol %d", local.Addr(), local.Port())
		if connected {
			s.name += " -> " + remote.Addr().String()
		}
		return s, true
	}
	s.name = protocol + " " + local.String()
	if connected {
		s.name += " -> " + remote.String()
	}
	return s, true
}

// inetState names the state of a socket; the numbers are the kernel's, in include/net/tcp_states.h.
func inetState(protocol, code string, connected bool) string {
	if protocol != "tcp" {
		if connected {
			return "connected"
		}
		return "bound"
	}
	names := []string{
		"established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait",
		"close", "close_wait", "last_ack", "listen", "closing", "new_syn_recv",
	}
	n, err := strconv.ParseUint(code, 16, 8)
	if err != nil || n == 0 || int(n) > len(names) {
		return "unknown"
	}
	return names[n-1]
}

// parseAddress reads ADDRESS:PORT in hexadecimal: the address as one or four words in the machine's byte order, the port as a number.
// IPv4-mapped addresses are returned as IPv4.
func parseAddress(text string) (netip.AddrPort, bool) {
	address, port, ok := strings.Cut(text, ":")
	if !ok {
		return netip.AddrPort{}, false
	}
	raw, err := hex.DecodeString(address)
	if err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.AddrPort{}, false
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), true
}

// parsePacket reads a line of packet: address, references, type, protocol, interface, running, memory, uid, inode.
func parsePacket(_, line string) (socket, bool) {
	f := strings.Fields(line)
	if len(f) < 9 {
		return socket{}, false
	}
	inode, err := strconv.ParseUint(f[8], 10, 64)
	if err != nil || inode == 0 {
		return socket{}, false
	}
	protocol, err := strconv.ParseUint(f[3], 16, 16)
	if err != nil {
		return socket{}, false
	}
	name := fmt.Sprintf("packet protocol 0x%04x interface %s", protocol, number(f[4]))
	return socket{name: name, state: "bound", uid: number(f[7]), inode: inode}, true
}

// parseUnix reads a line of unix: address, references, protocol, flags, type, state, inode, path. Sockets without a name, one half
// of a pair each, are left out. The kernel does not escape the path: one with a line feed in it can pretend to be a second socket.
func parseUnix(_, line string) (socket, bool) {
	var f [7]string
	path := line
	for i := range f {
		f[i], path, _ = strings.Cut(strings.TrimLeft(path, " "), " ")
	}
	if path == "" {
		return socket{}, false
	}
	inode, err := strconv.ParseUint(f[6], 10, 64)
	if err != nil || inode == 0 {
		return socket{}, false
	}
	flags, err := strconv.ParseUint(f[3], 16, 32)
	if err != nil {
		return socket{}, false
	}
	// __SO_ACCEPTCON in include/uapi/linux/net.h; the states are those of enum socket_state there.
	state := "bound"
	switch {
	case flags&0x10000 != 0:
		state = "listen"
	case f[5] == "03":
		state = "connected"
	}
	return socket{name: "unix " + path, state: state, inode: inode}, true
}

// number returns text if it is a decimal number, else a question mark: these files are read from trees that others may control.
func number(text string) string {
	if _, err := strconv.ParseUint(text, 10, 32); err != nil {
		return "?"
	}
	return text
}
