package policy

// icmpType is a type by its name in iptables and ip6tables, and its numbers there; -1 where a protocol lacks it. IANA,
// "ICMP Parameters" and "ICMPv6 Parameters".
type icmpType struct {
	name   string
	v4, v6 int
}

func icmpTypes() []icmpType {
	return []icmpType{
		{"echo-request", 8, 128},
		{"echo-reply", 0, 129},
		{"destination-unreachable", 3, 1},
		{"packet-too-big", -1, 2}, // in ICMPv4 a code of destination-unreachable
		{"time-exceeded", 11, 3},
		{"parameter-problem", 12, 4},
		{"redirect", 5, 137},
		{"router-solicitation", 10, 133},
		{"router-advertisement", 9, 134},
		{"neighbour-solicitation", -1, 135},
		{"neighbour-advertisement", -1, 136},
		{"timestamp-request", 13, -1},
		{"timestamp-reply", 14, -1},
	}
}

func icmpNames() []string {
	var names []string
	for _, t := range icmpTypes() {
		names = append(names, t.name)
	}
	return names
}

// ICMPv6 is what is added to a type of ICMPv6 to tell it from one of ICMPv4.
const ICMPv6 = 256

// ICMPTypes returns the numbers of a type that a Zone names, those of ICMPv6 from ICMPv6 on.
func ICMPTypes(name string) []uint32 {
	var out []uint32
	for _, t := range icmpTypes() {
		if t.name != name {
			continue
		}
		if t.v4 >= 0 {
			out = append(out, uint32(t.v4))
		}
		if t.v6 >= 0 {
			out = append(out, ICMPv6+uint32(t.v6))
		}
	}
	return out
}
