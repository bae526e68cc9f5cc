package guard

import (
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/verdict"
)

// In all of these process is the path of the executable, or its base name alone, and decides which entry of the policy
// holds; pid only stands in the violation. A nil violation: allowed, or the policy says nothing of it.

// CheckExec judges starting a program.
func (g *Guard) CheckExec(process string, pid int, program string) *event.Violation {
	return g.Check(factsOf(process), pid, &verdict.Access{Op: verdict.OpExec, Path: program})
}

// CheckSyscall judges a system call by its name on x86-64, in any case. A name that there is not is in no list.
func (g *Guard) CheckSyscall(process string, pid int, name string) *event.Violation {
	a := verdict.Syscall(strings.ToLower(name))
	return g.Check(factsOf(process), pid, &a)
}

// CheckFileAccess judges using a file. Symbolic links are not followed: give the path that they lead to. A path that is
// not absolute stands in no list.
func (g *Guard) CheckFileAccess(process string, pid int, path string, access policy.Access) *event.Violation {
	return g.Check(factsOf(process), pid, &verdict.Access{Op: verdict.OpFile, Path: path, Letters: access})
}

// CheckNetwork judges connecting to an address such as 192.0.2.1:443, [2001:db8::1]:53/udp, api.example.com:443 or
// unix:/run/app.sock; the protocol is tcp if none is given. A host name is judged by the rules for names, and by those
// for addresses that hold for all of them; what is no address at all counts as a host name.
func (g *Guard) CheckNetwork(process string, pid int, address string) *event.Violation {
	facts := factsOf(process)
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return g.Check(facts, pid, &verdict.Access{Op: verdict.OpConnect, Path: path})
	}
	a := verdict.Access{Op: verdict.OpConnect, Protocol: "tcp"}
	if i := strings.LastIndexByte(address, '/'); i >= 0 {
		address, a.Protocol = address[:i], strings.ToLower(address[i+1:])
	}
	if peer, err := netip.ParseAddrPort(address); err == nil {
		a.Peer = peer
		return g.Check(facts, pid, &a)
	}
	host, portText := address, ""
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		host, portText = address[:i], address[i+1:]
	}
	a.Names = []string{host}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		port = 0 // no list holds it
	}
	return g.checkName(facts, pid, &a, uint16(port))
}

// checkName judges a name whose address may be of either family: it is denied if it would be with both.
func (g *Guard) checkName(facts verdict.Facts, pid int, a *verdict.Access, port uint16) *event.Violation {
	f := g.force.Load()
	task := verdict.Identify(f.image, facts, nil)
	a.Peer = netip.AddrPortFrom(netip.IPv6Unspecified(), port)
	d := verdict.Decide(f.image, task, a)
	if d.Denied {
		a.Peer = netip.AddrPortFrom(netip.IPv4Unspecified(), port)
		d = verdict.Decide(f.image, task, a)
	}
	return g.record(f, facts, pid, task, a, d)
}

// CheckMemory judges how many MiB of memory a process uses.
func (g *Guard) CheckMemory(process string, pid, mebibytes int) *event.Violation {
	return g.Check(factsOf(process), pid, &verdict.Access{Op: verdict.OpMemory, Value: uint64(max(0, mebibytes)) << 20})
}

// CheckCPU judges how much of one CPU a process uses, in percent: 250 is two and a half CPUs. What is no number is above
// every limit.
func (g *Guard) CheckCPU(process string, pid int, percent float64) *event.Violation {
	a := verdict.Access{Op: verdict.OpCPU, Value: math.MaxUint64}
	if percent < 1<<53 {
		a.Value = uint64(math.Ceil(max(0, percent)))
	}
	return g.Check(factsOf(process), pid, &a)
}
