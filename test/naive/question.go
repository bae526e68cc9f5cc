package naive

import (
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/verdict"
)

// Question is an access, who does it, and to whom.
type Question struct {
	Task      verdict.Facts
	Ancestors []event.Ref // from the parent up
	// Access is of any operation. Its Target is left to who asks an image: it is a number there.
	Access verdict.Access
	Target verdict.Facts // of OpSignal and OpPtrace
}

// Ask makes an access of any operation, who does it, and to whom, from the words that Write uses too.
func Ask(r *rand.Rand) *Question {
	q := &Question{Task: randomFacts(r), Target: verdict.Facts{Exe: randomFacts(r).Exe}}
	for range r.IntN(4) {
		q.Ancestors = append(q.Ancestors, event.Ref{Exe: randomFacts(r).Exe})
	}
	q.Access = randomAccess(r)
	return q
}

func randomFacts(r *rand.Rand) verdict.Facts {
	f := verdict.Facts{
		Exe:    any1(r, "/usr/bin/a", "/usr/bin/b", "/usr/bin/ab", "/opt/a/x.y", "/usr/bin/a (deleted)", "/usr/bin/../bin/b", "/usr/bin/other", ""),
		Unit:   any1(r, "a.service", "b.service", ""),
		Cgroup: any1(r, "/a/b", "/b", ""),
		SHA256: any1(r, strings.Repeat("a1", 32), strings.Repeat("b2", 32), ""),
	}
	switch r.IntN(3) {
	case 0:
		f.User = "root"
	case 1:
		f.UID, f.User = 33, "www-data"
	default:
		f.UID = 4_000_000_000
	}
	if r.IntN(2) == 0 {
		f.Container = &event.Container{ID: "0123456789", Name: any1(r, "web-1", "db", ""), Image: any1(r, "docker.io/nginx:1", "")}
	}
	return f
}

func randomPath(r *rand.Rand) string {
	path := ""
	for range 1 + r.IntN(5) {
		path += "/" + any1(r, "a", "b", "ab", "etc", "x.y", "*", "bb", "a.bak", "ab")
	}
	switch r.IntN(20) {
	case 0:
		return path + " (deleted)"
	case 1:
		return strings.Replace(path, "/", "//", 1)
	case 2:
		return path + "/../ab/./b/"
	case 3:
		return "/../.." + path
	case 4:
		return path[1:]
	case 5:
		return any1(r, "", "/", ".", "..", "/a/.b/..")
	}
	return path
}

func randomPeer(r *rand.Rand) netip.AddrPort {
	addr := netip.MustParseAddr(any1(r, "10.1.2.3", "10.1.2.4", "10.1.9.9", "10.9.9.9", "192.168.1.1", "198.51.100.8", "127.0.0.1", "169.254.169.254", "::ffff:10.1.2.3",
		"64:ff9b::a01:203", "2001:db8:1::1", "2001:db8::5", "::1", "fe80::1%eth0", "0.0.0.0", "192.0.2.53"))
	return netip.AddrPortFrom(addr, any1[uint16](r, 22, 80, 443, 99, 8050, 65535, 0))
}

func randomAccess(r *rand.Rand) (a verdict.Access) {
	// Files and connections have most rules.
	a.Op = any1(r, verdict.OpFile, verdict.OpConnect, verdict.OpExec, verdict.Op(1+r.IntN(int(verdict.OpEgress))), verdict.Op(1+r.IntN(int(verdict.OpEgress))))
	a.Path, a.Letters = randomPath(r), policy.Access(1+r.IntN(7))
	if r.IntN(4) == 0 {
		a.Interpreter = randomPath(r)
	}
	a.GainsPrivilege = r.IntN(4) == 0
	a.Protocol = any1(r, "tcp", "tcp", "udp", "mptcp", "sctp", "raw")
	switch a.Op {
	case verdict.OpConnect, verdict.OpSend, verdict.OpBind, verdict.OpListen:
		switch r.IntN(6) {
		case 0:
			a.Path = any1(r, "@bus", "@x", randomPath(r))
			if a.Op == verdict.OpBind || a.Op == verdict.OpListen {
				a.Path = ""
			}
		case 1:
			a.Path = ""
		default:
			a.Path, a.Peer = "", randomPeer(r)
		}
	case verdict.OpIngress, verdict.OpEgress:
		a.Peer = randomPeer(r)
		a.Interface = any1(r, "eth0", "eth1", "lo", "wg0", "wlan0")
		if r.IntN(3) == 0 && a.Op == verdict.OpIngress {
			a.Protocol = any1(r, "icmp", "icmpv6")
		}
	}
	names := []string{"example.org", "a.example.org", "A.Example.ORG.", "b.a.example.org", "b.example.org", "example.com", "c.b.a.example.org"}
	for range r.IntN(3) {
		a.Names = append(a.Names, any1(r, names...))
	}
	a.Name = any1(r, names...)
	if a.Op == verdict.OpModule {
		a.Name = any1(r, "nf_tables", "vfat", "dm_mod", "loop")
	}
	a.Number = randomNumber(r, a)
	a.I386 = r.IntN(3) == 0
	a.Value = any1[uint64](r, 0, 50, 51, 50<<20, 50<<20+1, 150, 200<<20, 1<<60)
	a.Interface = any1(r, "eth0", "eth1", "lo", "wg0", "wlan0")
	return a
}

func randomNumber(r *rand.Rand, a verdict.Access) uint32 {
	switch a.Op {
	case verdict.OpCapability:
		return any1[uint32](r, 21, 13, 39, 0, 40, 63)
	case verdict.OpPrctl:
		n, _ := syscalls.PrctlOption(any1(r, "PR_SET_DUMPABLE", "PR_SET_NAME", "PR_SET_MM", "PR_SET_VMA"))
		return n
	case verdict.OpIngress:
		return any1[uint32](r, 8, 0, 11, 3, 256+128, 256+129, 256+3, 256+2, 256+135)
	}
	n, _ := syscalls.Number(any1(r, "ptrace", "bpf", "openat", "execve", "mount", "read", "keyctl", "9999", "511"), false)
	return any1(r, n, uint32(r.IntN(600)))
}

func any1[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }
