package verdict

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

// ParseTask reads how people write a task: the name of an entry, or default; or an executable, which is a path or a base
// name that no entry has. Behind an executable may stand what else is known of the task, and what its ancestors run,
// from the parent up:
//
//	nginx
//	/usr/bin/python3.11,unit=web.service,user=www-data<-/bin/sh<-/usr/sbin/nginx
//	/opt/x,uid=33,cgroup=/a/b,container=web-1,sha256=ab12...
//
// A task that is given as an entry stands in no list of executables. One without uid has no user id, but for root's.
func ParseTask(img *compile.Image, text string) (Task, error) {
	for i := range img.Subjects {
		if img.Subjects[i].Name == text {
			return Task{Subject: uint32(i)}, nil
		}
	}
	self, chain, _ := strings.Cut(text, "<-")
	facts, err := parseFacts(self)
	if err != nil {
		return Task{}, fmt.Errorf("parse task %q: %w", text, err)
	}
	var ancestors []event.Ref
	for exe := range strings.SplitSeq(chain, "<-") {
		if exe != "" {
			ancestors = append(ancestors, event.Ref{Exe: exe})
		}
	}
	return Identify(img, facts, ancestors), nil
}

// noUID is nobody's: (uid_t)-1 stands for no id in system calls.
const noUID = 1<<32 - 1

func parseFacts(text string) (Facts, error) {
	parts := strings.Split(text, ",")
	facts := Facts{Exe: parts[0], UID: noUID}
	if facts.Exe == "" {
		return facts, errors.New("no executable and no entry")
	}
	if !strings.Contains(facts.Exe, "/") {
		facts.Exe = "/usr/bin/" + facts.Exe
	}
	for _, part := range parts[1:] {
		key, value, _ := strings.Cut(part, "=")
		if value == "" {
			return facts, fmt.Errorf("%q is no KEY=VALUE", part)
		}
		switch key {
		case "unit":
			facts.Unit = value
		case "cgroup":
			facts.Cgroup = value
		case "user":
			if facts.User = value; value == "root" {
				facts.UID = 0
			}
		case "uid":
			n, err := parseNumber(value, 1<<32-1)
			if err != nil {
				return facts, err
			}
			facts.UID = uint32(n)
		case "container":
			facts.Container = &event.Container{Name: value}
		case "sha256":
			facts.SHA256 = strings.ToLower(value)
		default:
			return facts, fmt.Errorf("%q is none of unit, cgroup, user, uid, container, sha256", key)
		}
	}
	return facts, nil
}

// ParseAccess reads how people write an access, an operation and its object:
//
//	exec /bin/ls                          script /srv/run.sh,/bin/sh          setuid /usr/bin/sudo
//	r /etc/hosts                          w, x, rw ... /srv/a b
//	connect, send 192.0.2.1:443/tcp       connect 192.0.2.1:443/tcp,api.example.com    (a name known for the address)
//	connect, send unix:/run/a.sock        connect, bind packet
//	bind, listen 0.0.0.0:80/tcp           resolve www.example.com
//	syscall ptrace                        syscall socketcall/i386
//	capability CAP_SYS_ADMIN              signal, ptrace TASK
//	module nf_tables                      mount /dev/sdb1
//	ioctl /dev/video0                     prctl PR_SET_DUMPABLE
//	bpf    settime    keyring    io_uring
//	memory 512 (MiB)    cpu 80 (percent)    processes 64
//	ingress eth0,192.0.2.7,22/tcp         ingress eth0,192.0.2.7,icmp/8       (or icmpv6/128)
//	egress 192.0.2.1:443/tcp              egress 192.0.2.1:443/tcp,api.example.com
func ParseAccess(img *compile.Image, text string) (Access, error) {
	op, object, _ := strings.Cut(strings.TrimSpace(text), " ")
	a, err := parseAccess(img, op, strings.TrimSpace(object))
	if err != nil {
		return Access{}, fmt.Errorf("parse access %q: %w", text, err)
	}
	return a, nil
}

func parseAccess(img *compile.Image, op, object string) (Access, error) {
	if plain := plainOp(op); plain != 0 {
		if object != "" && object != "-" {
			return Access{}, fmt.Errorf("%s takes no object", op)
		}
		return Access{Op: plain}, nil
	}
	if object == "" {
		return Access{}, errors.New("write an operation and its object, such as r /etc/hosts or connect 192.0.2.1:443/tcp")
	}
	switch op {
	case "exec":
		return Access{Op: OpExec, Path: object}, nil
	case "setuid":
		return Access{Op: OpExec, Path: object, GainsPrivilege: true}, nil
	case "script":
		script, interpreter, _ := strings.Cut(object, ",")
		return Access{Op: OpExec, Path: script, Interpreter: interpreter}, nil
	case "mount":
		return Access{Op: OpMount, Path: object}, nil
	case "ioctl":
		return Access{Op: OpIoctl, Path: object}, nil
	case "resolve":
		return Access{Op: OpResolve, Name: object}, nil
	case "module":
		return Access{Op: OpModule, Name: object}, nil
	case "connect":
		return parsePeer(OpConnect, object)
	case "send":
		return parsePeer(OpSend, object)
	case "bind":
		return parsePeer(OpBind, object)
	case "listen":
		return parsePeer(OpListen, object)
	case "egress":
		return parsePeer(OpEgress, object)
	case "ingress":
		return parsePacket(object)
	case "memory", "cpu", "processes":
		return parseAmount(op, object)
	case "signal", "ptrace":
		return parseReach(img, op, object)
	case "syscall", "capability", "prctl":
		return parseNamed(op, object)
	}
	letters, ok := policy.ParseAccess(op)
	if !ok {
		return Access{}, fmt.Errorf("%q is no operation", op)
	}
	return Access{Op: OpFile, Path: object, Letters: letters}, nil
}

// plainOp is an operation without an object, 0 for another.
func plainOp(op string) Op {
	switch op {
	case "bpf":
		return OpBPF
	case "settime":
		return OpSettime
	case "keyring":
		return OpKeyring
	case "io_uring":
		return OpIOUring
	}
	return 0
}

func parseAmount(op, object string) (Access, error) {
	n, err := parseNumber(object, 1<<32)
	switch op {
	case "memory":
		return Access{Op: OpMemory, Value: n << 20}, err
	case "cpu":
		return Access{Op: OpCPU, Value: n}, err
	}
	return Access{Op: OpProcesses, Value: n}, err
}

func parseReach(img *compile.Image, op, object string) (Access, error) {
	target, err := ParseTask(img, object)
	if op == "signal" {
		return Access{Op: OpSignal, Target: target.Subject}, err
	}
	return Access{Op: OpPtrace, Target: target.Subject}, err
}

// parseNamed reads operations on something that has a number.
func parseNamed(op, object string) (Access, error) {
	switch op {
	case "syscall":
		name, abi, _ := strings.Cut(object, "/")
		if abi != "" && abi != "i386" {
			return Access{}, fmt.Errorf("%q is no other table than i386", abi)
		}
		if n, ok := syscalls.Number(name, abi == "i386"); ok {
			return Access{Op: OpSyscall, Number: n, I386: abi == "i386"}, nil
		}
	case "capability":
		for n := range uint32(64) {
			if event.CapabilityName(int(n)) == strings.ToUpper(object) {
				return Access{Op: OpCapability, Number: n}, nil
			}
		}
	case "prctl":
		if n, ok := syscalls.PrctlOption(strings.ToUpper(object)); ok {
			return Access{Op: OpPrctl, Number: n}, nil
		}
	}
	return Access{}, fmt.Errorf("no %s has the name %q", op, object)
}

func parsePeer(op Op, object string) (Access, error) {
	a := Access{Op: op}
	if name, ok := strings.CutPrefix(object, "unix:"); ok {
		a.Path = name
		return a, nil
	}
	if object == "packet" {
		return a, nil
	}
	parts := strings.Split(object, ",")
	a.Names = parts[1:]
	address, protocol, ok := strings.Cut(parts[0], "/")
	peer, err := netip.ParseAddrPort(address)
	if err != nil || !ok || protocol == "" {
		return a, fmt.Errorf("%q is no ADDRESS:PORT/PROTOCOL, unix:PATH or packet", object)
	}
	a.Peer, a.Protocol = peer, protocol
	return a, nil
}

func parsePacket(object string) (Access, error) {
	wrong := fmt.Errorf("%q is no INTERFACE,ADDRESS,PORT/PROTOCOL or INTERFACE,ADDRESS,icmp/TYPE", object)
	parts := strings.Split(object, ",")
	if len(parts) != 3 {
		return Access{}, wrong
	}
	from, err := netip.ParseAddr(parts[1])
	if err != nil {
		return Access{}, wrong
	}
	a := Access{Op: OpIngress, Interface: parts[0]}
	first, second, _ := strings.Cut(parts[2], "/")
	if isICMP(first) {
		n, err := parseNumber(second, 255)
		a.Peer, a.Protocol, a.Number = netip.AddrPortFrom(from, 0), first, uint32(n)
		if first == "icmpv6" {
			a.Number += 256
		}
		return a, err
	}
	port, err := parseNumber(first, 1<<16-1)
	if second == "" {
		return Access{}, wrong
	}
	a.Peer, a.Protocol = netip.AddrPortFrom(from, uint16(port)), second
	return a, err
}

func parseNumber(text string, most uint64) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > most {
		return 0, fmt.Errorf("%q is no whole number up to %d", text, most)
	}
	return n, nil
}
