//go:build linux

package enforcer

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"os"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/policy/layout"
	"github.com/stockade-security/stockade/verdict"
)

// kernelJudge asks the programs' own functions, without a hook.
type kernelJudge struct {
	*ebpf.Collection
	words int
}

func newKernelJudge(t *testing.T, words int) *kernelJudge {
	if os.Geteuid() != 0 {
		t.Skip("needs root: BPF")
	}
	spec, err := loadParity()
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Variables["image_mask"].Set(uint32(words - 1)); err != nil {
		t.Fatal(err)
	}
	spec.Maps["images"].InnerMap.ValueSize = uint32(4 * words)
	c, err := ebpf.NewCollection(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &kernelJudge{c, words}
}

func (k *kernelJudge) load(t *testing.T, img *compile.Image) {
	laid, err := layout.Encode(img, layout.Options{Generation: 1, Users: func(string) []uint32 { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	inner, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: uint32(4 * k.words), MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	words := make([]byte, 4*k.words)
	if copy(words, laid.Bytes) < len(laid.Bytes) {
		t.Fatal("the image is larger than its slot")
	}
	if err := inner.Put(uint32(0), words); err != nil {
		t.Fatal(err)
	}
	if err := k.Maps["images"].Put(uint32(0), inner); err != nil {
		t.Fatal(err)
	}
}

// ask returns what the kernel says of an access, as verdict says it.
func (k *kernelJudge) ask(t *testing.T, task verdict.Task, a *verdict.Access) verdict.Decision {
	var q parityQuestion
	q.Who.Subject = task.Subject
	for i, w := range task.Grants {
		q.Who.Grants[2*i], q.Who.Grants[2*i+1] = uint32(w), uint32(w>>32)
	}
	path := a.Path
	switch a.Op {
	case verdict.OpExec:
		q.What = uint32(parityWhatWHAT_PROGRAM)
	case verdict.OpFile:
		q.What, q.Letters = uint32(parityWhatWHAT_FILE), uint32(a.Letters)
	case verdict.OpConnect, verdict.OpSend:
		switch {
		case path != "":
			q.What = uint32(parityWhatWHAT_UNIX)
		case a.Peer.IsValid():
			q.What = uint32(parityWhatWHAT_PEER)
		default:
			q.What = uint32(parityWhatWHAT_PACKET)
		}
	case verdict.OpListen:
		q.What = uint32(parityWhatWHAT_LOCAL)
	case verdict.OpSyscall:
		q.What = uint32(parityWhatWHAT_SYSCALL)
	case verdict.OpCapability:
		q.What = uint32(parityWhatWHAT_CAPABILITY)
	case verdict.OpSignal:
		q.What = uint32(parityWhatWHAT_SIGNAL)
	case verdict.OpPtrace:
		q.What = uint32(parityWhatWHAT_PTRACE)
	case verdict.OpModule:
		q.What, path = uint32(parityWhatWHAT_MODULE), a.Name
	case verdict.OpMount:
		q.What = uint32(parityWhatWHAT_MOUNT)
	case verdict.OpIoctl:
		q.What = uint32(parityWhatWHAT_DEVICE)
	case verdict.OpBPF:
		q.What = uint32(parityWhatWHAT_BPF)
	case verdict.OpSettime:
		q.What = uint32(parityWhatWHAT_SETTIME)
	case verdict.OpKeyring:
		q.What = uint32(parityWhatWHAT_KEYRING)
	case verdict.OpIOUring:
		q.What = uint32(parityWhatWHAT_IO_URING)
	case verdict.OpPrctl:
		q.What = uint32(parityWhatWHAT_PRCTL)
	default:
		t.Fatalf("op %d is not decided in the kernel", a.Op)
	}
	q.Number, q.Target = a.Number, a.Target
	if a.I386 {
		q.I386 = 1
	}
	if a.Truncated || len(path) > compile.MaxPath {
		q.Text.TooLong, path = 1, ""
	}
	const textEnd = 4096
	q.Text.From = uint32(textEnd - len(path))
	copy(q.Text.Text[q.Text.From:textEnd], path)
	if a.Peer.IsValid() {
		q.Address.Port, q.Address.Protocol = a.Peer.Port(), protocol(a.Protocol)
		if addr := a.Peer.Addr(); addr.Is4() {
			b := addr.As4()
			q.Address.High, q.Address.Halves = uint64(binary.BigEndian.Uint32(b[:]))<<32, 8
		} else {
			b := addr.As16()
			q.Address.High, q.Address.Low, q.Address.Halves = binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]), 32
		}
	}
	if err := k.Maps["questions"].Put(uint32(0), &q); err != nil {
		t.Fatal(err)
	}
	if status, err := k.Programs["parity_ask"].Run(&ebpf.RunOptions{}); err != nil || status != 0 {
		t.Fatalf("%d, %v", status, err)
	}
	if err := k.Maps["questions"].Lookup(uint32(0), &q); err != nil {
		t.Fatal(err)
	}
	const denied, undecided = 1 << 32, 1 << 33
	return verdict.Decision{Denied: q.Answer&denied != 0, Undecided: q.Answer&undecided != 0, ID: uint32(q.Answer)}
}

func protocol(name string) uint16 {
	switch name {
	case "tcp", "mptcp":
		return 0
	case "udp":
		return 1
	}
	return 2
}

func TestKernelJudges(t *testing.T) {
	k := newKernelJudge(t, 1<<18)
	text, err := os.ReadFile("../../../policy/compile/testdata/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse("policy.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	img, err := compile.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	k.load(t, img)
	r := rand.New(rand.NewPCG(1, 2))
	paths := []string{"/etc/shadow", "/etc/nginx/nginx.conf", "/usr/bin/passwd", "/usr/bin/nsenter", "/bin/sh", "/srv/x/y", "/dev/video0", "/dev/sda", "nf_tables", "@abstract", "/run/php.sock", "/", ""}
	peers := []string{"10.0.0.1:5432", "169.254.169.254:80", "[::ffff:10.0.0.1]:443", "[64:ff9b::a9fe:a9fe]:80", "[2001:db8::1]:443", "127.0.0.1:80", "192.0.2.9:1"}
	ops := []verdict.Op{verdict.OpExec, verdict.OpFile, verdict.OpConnect, verdict.OpListen, verdict.OpSyscall, verdict.OpCapability, verdict.OpSignal, verdict.OpPtrace, verdict.OpModule,
		verdict.OpMount, verdict.OpIoctl, verdict.OpBPF, verdict.OpSettime, verdict.OpKeyring, verdict.OpIOUring, verdict.OpPrctl}
	denied := 0
	for range 20000 {
		task := verdict.Task{Subject: r.Uint32N(uint32(len(img.Subjects)))}
		for i := range 3 {
			task.Grants[0] |= uint64(r.IntN(2)) << (1 + i)
		}
		a := verdict.Access{Op: ops[r.IntN(len(ops))], Letters: policy.Access(1 + r.IntN(7)), Number: r.Uint32N(600), I386: r.IntN(2) == 0, Target: r.Uint32N(uint32(len(img.Subjects))), Protocol: []string{"tcp", "udp", "icmp"}[r.IntN(3)]}
		if a.Op == verdict.OpListen || a.Op == verdict.OpConnect && r.IntN(2) == 0 {
			a.Peer = netip.MustParseAddrPort(peers[r.IntN(len(peers))])
		} else {
			a.Path = paths[r.IntN(len(paths))]
			a.Name = a.Path
		}
		if a.Op == verdict.OpConnect && a.Path == "" && !a.Peer.IsValid() {
			continue
		}
		want, got := verdict.Decide(img, task, &a), k.ask(t, task, &a)
		if want.Denied {
			denied++
		}
		if want != got {
			t.Fatalf("%+v by %+v: the kernel says %+v, verdict %+v", a, task.Subject, got, want)
		}
	}
	t.Logf("%d denied", denied)
}
