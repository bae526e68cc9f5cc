//go:build linux

package enforcer

import (
	"encoding/binary"
	"net/netip"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/policy/layout"
	"github.com/stockade-security/stockade/verdict"
)

// kernelJudge asks the programs' own functions, without a hook.
type kernelJudge struct {
	program          *ebpf.Program
	image, questions *ebpf.Map
}

// newKernelJudge loads them for images of so many words, a power of two.
func newKernelJudge(t testing.TB, words int) *kernelJudge {
	t.Helper()
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
	image, err := ebpf.NewMap(spec.Maps["images"].InnerMap)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = image.Close() })
	if err := c.Maps["images"].Put(uint32(0), image); err != nil {
		t.Fatal(err)
	}
	return &kernelJudge{c.Programs["parity_ask"], image, c.Maps["questions"]}
}

// load puts an image in force, and returns it as it was laid out. Nothing may be asked meanwhile.
func (k *kernelJudge) load(t testing.TB, img *compile.Image) *layout.Image {
	t.Helper()
	laid, err := layout.Encode(img, layout.Options{Generation: 1, Users: func(string) []uint32 { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	words := make([]byte, k.image.ValueSize())
	if copy(words, laid.Bytes) < len(laid.Bytes) {
		t.Fatalf("the image has %d bytes, its slot %d", len(laid.Bytes), len(words))
	}
	if err := k.image.Put(uint32(0), words); err != nil {
		t.Fatal(err)
	}
	return laid
}

// ask returns what the kernel says of an access, as verdict says it, when it has said it so many times.
func (k *kernelJudge) ask(t testing.TB, q *parityQuestion, times uint32) verdict.Decision {
	t.Helper()
	q.Repeat = times
	if err := k.questions.Put(uint32(0), q); err != nil {
		t.Fatal(err)
	}
	if status, err := k.program.Run(&ebpf.RunOptions{}); err != nil || status != 0 {
		t.Fatalf("run the judge: %d, %v", status, err)
	}
	if err := k.questions.Lookup(uint32(0), q); err != nil {
		t.Fatal(err)
	}
	const denied, undecided = 1 << 32, 1 << 33
	return verdict.Decision{Denied: q.Answer&denied != 0, Undecided: q.Answer&undecided != 0, ID: uint32(q.Answer)}
}

// question words an access for the kernel. names is the number of the range of ports that a known name stands for.
func question(task verdict.Task, a *verdict.Access, names uint32) *parityQuestion {
	q := &parityQuestion{What: uint32(whatOf(a)), Letters: uint32(a.Letters), Number: a.Number, Target: a.Target, Names: names}
	q.Who.Subject = task.Subject
	for i, w := range task.Grants {
		q.Who.Grants[2*i], q.Who.Grants[2*i+1] = uint32(w), uint32(w>>32)
	}
	if a.I386 {
		q.I386 = 1
	}
	if a.GainsPrivilege {
		q.Gains = 1
	}
	text := resolved(a.Path)
	if a.Op == verdict.OpModule {
		text = a.Name
	}
	if a.Truncated || len(a.Path) > compile.MaxPath {
		q.Text.TooLong, text = 1, ""
	}
	const textEnd = compile.MaxPath + 1
	q.Text.From = uint32(textEnd - len(text))
	copy(q.Text.Text[q.Text.From:textEnd], text)
	if a.Peer.IsValid() {
		q.Address.Port, q.Address.Protocol = a.Peer.Port(), protocol(a.Protocol)
		q.Address.High, q.Address.Low, q.Address.Halves = halves(a.Peer.Addr())
	}
	return q
}

// resolved is the name that the kernel's walk yields where an event may have another.
func resolved(name string) string {
	if strings.HasPrefix(name, "@") {
		return name
	}
	return path.Clean(strings.TrimSuffix(name, " (deleted)"))
}

func halves(addr netip.Addr) (high, low uint64, count uint32) {
	if addr.Is4() {
		b := addr.As4()
		return uint64(binary.BigEndian.Uint32(b[:])) << 32, 0, 8
	}
	b := addr.As16()
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]), 32
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

// whatOf is the function that judges an access; 0: none does.
func whatOf(a *verdict.Access) parityWhat {
	switch a.Op {
	case verdict.OpConnect, verdict.OpSend:
		switch {
		case a.Path != "":
			return parityWhatWHAT_UNIX
		case a.Peer.IsValid():
			return parityWhatWHAT_PEER
		}
		return parityWhatWHAT_PACKET
	case verdict.OpBind, verdict.OpListen:
		if a.Peer.IsValid() {
			return parityWhatWHAT_LOCAL
		}
		return parityWhatWHAT_PACKET
	}
	return map[verdict.Op]parityWhat{
		verdict.OpExec: parityWhatWHAT_PROGRAM, verdict.OpFile: parityWhatWHAT_FILE,
		verdict.OpSyscall: parityWhatWHAT_SYSCALL, verdict.OpCapability: parityWhatWHAT_CAPABILITY,
		verdict.OpSignal: parityWhatWHAT_SIGNAL, verdict.OpPtrace: parityWhatWHAT_PTRACE,
		verdict.OpModule: parityWhatWHAT_MODULE, verdict.OpMount: parityWhatWHAT_MOUNT, verdict.OpIoctl: parityWhatWHAT_DEVICE,
		verdict.OpBPF: parityWhatWHAT_BPF, verdict.OpSettime: parityWhatWHAT_SETTIME, verdict.OpKeyring: parityWhatWHAT_KEYRING,
		verdict.OpIOUring: parityWhatWHAT_IO_URING, verdict.OpPrctl: parityWhatWHAT_PRCTL,
	}[a.Op]
}
