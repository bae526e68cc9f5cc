package verdict_test

import (
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/syscalls"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// A line of a "decisions" block is
//
//	ACTOR ACCESS OBJECT allowed|denied|undecided [line N]
//
// with blanks between. ACTOR is an entry's name, or default, or an executable: a path, or a base name that no entry has. Behind
// an executable may stand what else is known of the task, and what its ancestors run, from the parent up:
//
//	/usr/bin/python3.11,unit=web.service,user=www-data<-/bin/sh<-/usr/sbin/nginx
//	/opt/x,uid=33,cgroup=/a/b,container=web-1,sha256=ab12...
//
// ACCESS and OBJECT are
//
//	exec /bin/ls                          script /srv/run.sh,/bin/sh          setuid /usr/bin/sudo
//	r, w, x, rw ... /etc/hosts
//	connect, send 192.0.2.1:443/tcp       connect 192.0.2.1:443/tcp,api.example.com    (a name known for the address)
//	connect, send unix:/run/a.sock        connect, bind packet
//	bind, listen 0.0.0.0:80/tcp           resolve www.example.com
//	syscall ptrace                        syscall socketcall/i386
//	capability CAP_SYS_ADMIN              signal, ptrace ACTOR
//	module nf_tables                      mount /dev/sdb1
//	ioctl /dev/video0                     prctl PR_SET_DUMPABLE
//	bpf -    settime -    keyring -    io_uring -
//	memory 512 (MiB)    cpu 80 (percent)    processes 64
//	ingress eth0,192.0.2.7,22/tcp         ingress eth0,192.0.2.7,icmp/8       (or icmpv6/128)
//	egress 192.0.2.1:443/tcp              egress 192.0.2.1:443/tcp,api.example.com

// TestDocs runs the examples of docs/policy.md: after each policy, a block of accesses with what is decided, and after
// each bad policy the text of its error.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```([a-z-]+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	policies, cases := 0, 0
	var img *compile.Image
	var problem error
	for _, block := range blocks {
		switch body := block[2]; block[1] {
		case "yaml":
			policies++
			var p *policy.Policy
			img = nil
			if p, problem = policy.Parse("policy.yaml", []byte(body)); problem == nil {
				img, problem = compile.Compile(p)
			}
		case "decisions":
			if img == nil {
				t.Fatalf("the policy before\n%sdoes not load: %v", body, problem)
			}
			for line := range strings.Lines(body) {
				cases++
				checkLine(t, img, strings.TrimSpace(line))
			}
		case "text":
			if problem == nil {
				t.Fatalf("the policy before\n%sloads", body)
			}
			cases++
			if diff := cmp.Diff(body, problem.Error()+"\n"); diff != "" {
				t.Errorf("-documented +got:\n%s", diff)
			}
		}
	}
	if policies < 4 || cases < 20 {
		t.Errorf("only %d policies with %d cases found", policies, cases)
	}
}

// checkLine decides what a line says and compares.
func checkLine(t *testing.T, img *compile.Image, line string) {
	t.Helper()
	f := strings.Fields(line)
	if len(f) != 4 && (len(f) != 6 || f[4] != "line") {
		t.Errorf("not a decision: %q", line)
		return
	}
	rule := ""
	if len(f) == 6 {
		rule = "policy.yaml:" + f[5]
	}
	a := parseAccess(t, img, f[1], f[2])
	task := parseActor(t, img, f[0])
	d := verdict.Decide(img, task, &a)
	answer := "allowed"
	switch {
	case d.Denied:
		answer = "denied"
	case d.Undecided:
		answer = "undecided"
	}
	if answer != f[3] || d.Position(img) != rule {
		t.Errorf("documented: %s\ndecided: %s by %q: %s", line, answer, d.Position(img), verdict.Detail(img, task, &a, d))
	}
}

// parseActor reads the ACTOR of a line.
func parseActor(t testing.TB, img *compile.Image, text string) verdict.Task {
	t.Helper()
	if i := slices.IndexFunc(img.Subjects, func(s compile.Subject) bool { return s.Name == text }); i >= 0 {
		return verdict.Task{Subject: uint32(i)}
	}
	var ancestors []event.Ref
	self, chain, _ := strings.Cut(text, "<-")
	for exe := range strings.SplitSeq(chain, "<-") {
		if exe != "" {
			ancestors = append(ancestors, event.Ref{Exe: exe})
		}
	}
	parts := strings.Split(self, ",")
	facts := verdict.Facts{Exe: parts[0]}
	if !strings.Contains(facts.Exe, "/") {
		facts.Exe = "/usr/bin/" + facts.Exe
	}
	for _, part := range parts[1:] {
		switch key, value, _ := strings.Cut(part, "="); key {
		case "unit":
			facts.Unit = value
		case "cgroup":
			facts.Cgroup = value
		case "user":
			facts.User = value
		case "uid":
			facts.UID = uint32(number(t, value))
		case "container":
			facts.Container = &event.Container{Name: value}
		case "sha256":
			facts.SHA256 = value
		default:
			t.Fatalf("%s: nobody knows %s of a task", text, key)
		}
	}
	return verdict.Identify(img, facts, ancestors)
}

// ops are the operations whose object is none, a number, a name or a path.
func ops() (none, count, name, path map[string]verdict.Op) {
	return map[string]verdict.Op{"bpf": verdict.OpBPF, "settime": verdict.OpSettime, "keyring": verdict.OpKeyring, "io_uring": verdict.OpIOUring},
		map[string]verdict.Op{"memory": verdict.OpMemory, "cpu": verdict.OpCPU, "processes": verdict.OpProcesses},
		map[string]verdict.Op{"resolve": verdict.OpResolve, "module": verdict.OpModule},
		map[string]verdict.Op{"exec": verdict.OpExec, "mount": verdict.OpMount, "ioctl": verdict.OpIoctl}
}

// parseAccess reads ACCESS and OBJECT of a line.
func parseAccess(t testing.TB, img *compile.Image, op, object string) verdict.Access {
	t.Helper()
	none, count, name, path := ops()
	switch {
	case none[op] != 0:
		return verdict.Access{Op: none[op]}
	case op == "memory":
		return verdict.Access{Op: verdict.OpMemory, Value: number(t, object) << 20}
	case count[op] != 0:
		return verdict.Access{Op: count[op], Value: number(t, object)}
	case name[op] != 0:
		return verdict.Access{Op: name[op], Name: object}
	case path[op] != 0:
		return verdict.Access{Op: path[op], Path: object}
	}
	switch op {
	case "setuid":
		return verdict.Access{Op: verdict.OpExec, Path: object, GainsPrivilege: true}
	case "script":
		script, interpreter, _ := strings.Cut(object, ",")
		return verdict.Access{Op: verdict.OpExec, Path: script, Interpreter: interpreter}
	case "signal", "ptrace":
		a := verdict.Access{Op: verdict.OpSignal, Target: parseActor(t, img, object).Subject}
		if op == "ptrace" {
			a.Op = verdict.OpPtrace
		}
		return a
	case "syscall":
		call, abi, _ := strings.Cut(object, "/")
		n, ok := syscalls.Number(call, abi == "i386")
		if !ok {
			t.Fatalf("no such system call: %s", object)
		}
		return verdict.Access{Op: verdict.OpSyscall, Number: n, I386: abi == "i386"}
	case "capability":
		for n := range 64 {
			if event.CapabilityName(n) == object {
				return verdict.Access{Op: verdict.OpCapability, Number: uint32(n)}
			}
		}
		t.Fatalf("no such capability: %s", object)
	case "prctl":
		n, ok := syscalls.PrctlOption(object)
		if !ok {
			t.Fatalf("no such option: %s", object)
		}
		return verdict.Access{Op: verdict.OpPrctl, Number: n}
	case "connect", "send", "bind", "listen", "egress":
		return parsePeer(t, op, object)
	case "ingress":
		return parsePacket(t, object)
	}
	letters, ok := policy.ParseAccess(op)
	if !ok {
		t.Fatalf("no such access: %s", op)
	}
	return verdict.Access{Op: verdict.OpFile, Path: object, Letters: letters}
}

func parsePeer(t testing.TB, op, object string) verdict.Access {
	t.Helper()
	a := verdict.Access{Op: map[string]verdict.Op{
		"connect": verdict.OpConnect, "send": verdict.OpSend, "bind": verdict.OpBind, "listen": verdict.OpListen, "egress": verdict.OpEgress,
	}[op]}
	if name, ok := strings.CutPrefix(object, "unix:"); ok {
		a.Path = name
		return a
	}
	if object == "packet" {
		return a
	}
	parts := strings.Split(object, ",")
	a.Names = parts[1:]
	address, protocol, ok := strings.Cut(parts[0], "/")
	peer, err := netip.ParseAddrPort(address)
	if err != nil || !ok {
		t.Fatalf("no peer: %s", object)
	}
	a.Peer, a.Protocol = peer, protocol
	return a
}

func parsePacket(t testing.TB, object string) verdict.Access {
	t.Helper()
	parts := strings.Split(object, ",")
	if len(parts) != 3 {
		t.Fatalf("no packet: %s", object)
	}
	from, err := netip.ParseAddr(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	a := verdict.Access{Op: verdict.OpIngress, Interface: parts[0]}
	first, second, _ := strings.Cut(parts[2], "/")
	switch first {
	case "icmp", "icmpv6":
		a.Peer, a.Protocol, a.Number = netip.AddrPortFrom(from, 0), first, uint32(number(t, second))
		if first == "icmpv6" {
			a.Number += 256
		}
	default:
		a.Peer, a.Protocol = netip.AddrPortFrom(from, uint16(number(t, first))), second
	}
	return a
}

func number(t testing.TB, text string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
