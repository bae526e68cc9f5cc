//go:build linux

package enforcer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/policy/layout"
	"github.com/stockade-security/stockade/test/naive"
	"github.com/stockade-security/stockade/verdict"
)

// TestKernelParity compares the kernel's answers with verdict's: the rule and what it means, on random policies. verdict's own
// test holds those to the text of the policy. An emulated kernel gets fewer of them, and the same ones each time.
func TestKernelParity(t *testing.T) {
	if os.Getenv("STOCKADE_TEST_SERIES") != "" {
		kernelParity(t, 6, 300)
		return
	}
	kernelParity(t, 100, 1000)
}

// TestSoakKernelParity is TestKernelParity with a million accesses.
func TestSoakKernelParity(t *testing.T) {
	if os.Getenv("STOCKADE_SOAK") == "" {
		t.Skip("set STOCKADE_SOAK=1")
	}
	kernelParity(t, 1000, 1000)
}

func kernelParity(t *testing.T, policies, accesses int) {
	k := newKernelJudge(t, 1<<16)
	answers := map[string]int{}
	for seed := range policies {
		r := rand.New(rand.NewPCG(uint64(seed), 3))
		text, _ := naive.Write(r)
		p, err := policy.Parse("p.yaml", []byte(text))
		if err != nil {
			t.Fatalf("policy %d: %v\n%s", seed, err, text)
		}
		img, err := compile.Compile(p)
		if err != nil {
			t.Fatalf("policy %d: %v", seed, err)
		}
		laid := k.load(t, img)
		for range accesses {
			task, a := randomQuestion(r, img)
			names := lease(t, img, laid, task, a)
			want, got := verdict.Decide(img, task, a), k.ask(t, question(task, a, names), 1)
			answers[fmt.Sprintf("%s: denied %t, undecided %t", kind(a), want.Denied, want.Undecided)]++
			if got != want {
				t.Fatalf("policy %d: %+v\nby %+v\nthe kernel: %+v, by %s\nverdict:    %+v, by %s\n%s",
					seed, *a, task, got, rule(img, got), want, rule(img, want), text)
			}
		}
	}
	t.Logf("%d policies, %d accesses", policies, policies*accesses)
	checkSpread(t, answers)
}

// TestKernelGrants has more lists of executables than random policies do, and for each a task that stands in no other.
func TestKernelGrants(t *testing.T) {
	k := newKernelJudge(t, 1<<16)
	const lists = compile.MaxGrants - 1
	var text strings.Builder
	text.WriteString("processes: {a: {}}\nhost:\n  devices:\n")
	for i := range lists {
		fmt.Fprintf(&text, "    - {path: /dev/x%d, allow_exe: [/usr/bin/x%d]}\n", i, i)
	}
	p, err := policy.Parse("p.yaml", []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	img, err := compile.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	k.load(t, img)
	for i := range lists {
		task := verdict.Identify(img, verdict.Facts{Exe: fmt.Sprintf("/usr/bin/x%d", i)}, nil)
		for _, other := range []int{i, i ^ 1<<(i%8)} {
			a := &verdict.Access{Op: verdict.OpIoctl, Path: fmt.Sprintf("/dev/x%d", other)}
			want, got := verdict.Decide(img, task, a), k.ask(t, question(task, a, layout.None), 1)
			if got != want || other < lists && want.Denied == (i == other) {
				t.Errorf("%s by /usr/bin/x%d: the kernel %+v, verdict %+v", a.Path, i, got, want)
			}
		}
	}
}

// rule is the decision's line, for a message: the kernel's may be none.
func rule(img *compile.Image, d verdict.Decision) string {
	if int(d.ID) >= len(img.Decisions) {
		return "no decision of this image"
	}
	return d.Position(img)
}

// randomQuestion makes an access that the kernel judges, and who does it: a task that the policy knows, or one with any grants.
func randomQuestion(r *rand.Rand, img *compile.Image) (verdict.Task, *verdict.Access) {
	for {
		q := naive.Ask(r)
		a := &q.Access
		task := verdict.Identify(img, q.Task, q.Ancestors)
		a.Target = verdict.Identify(img, q.Target, nil).Subject
		if r.IntN(2) == 0 {
			task = randomTask(r, img)
			a.Target = r.Uint32N(uint32(len(img.Subjects)) + 1)
		}
		// A port of 0 is what the hook lets pass, and an interpreter is a program of its own there.
		if whatOf(a) == 0 || a.Op == verdict.OpBind && a.Peer.IsValid() && a.Peer.Port() == 0 {
			continue
		}
		a.Interpreter = ""
		oddities(r, a)
		return task, a
	}
}

// randomTask stands in any lists, and now and then has a number that the image does not know.
func randomTask(r *rand.Rand, img *compile.Image) (task verdict.Task) {
	task.Subject = r.Uint32N(uint32(len(img.Subjects)) + 1)
	for i := range task.Grants {
		task.Grants[i] = r.Uint64()
	}
	task.Grants[0] &^= 1
	return task
}

// oddities are what no event holds, but a program may try: names over the bound, calls with the mark of x32.
func oddities(r *rand.Rand, a *verdict.Access) {
	switch n := r.IntN(40); {
	case a.Op == verdict.OpSyscall && n < 20:
		a.Number |= 1 << 30
	case a.Path == "" || a.Path[0] == '@' || a.Op == verdict.OpModule:
	case n == 0:
		a.Truncated = true
	case n == 1:
		a.Path = (strings.Repeat("/ab", compile.MaxPath/3) + "x")[:compile.MaxPath+r.IntN(2)]
	}
}

// lease is the number of the range of ports of what the access knows as its peer's name, and NONE if it knows none. It drops
// names that the task's networks do not hold: no lease is made of them. Of several names it keeps the first.
func lease(t *testing.T, img *compile.Image, laid *layout.Image, task verdict.Task, a *verdict.Access) uint32 {
	names := a.Names
	a.Names = nil
	if whatOf(a) != parityWhatWHAT_PEER {
		return layout.None
	}
	subject := uint32(compile.DefaultSubject)
	if int(task.Subject) < len(img.Subjects) {
		subject = task.Subject
	}
	index := img.Subjects[subject].Peers
	if index == compile.NoTable || img.Networks[index].Hosts.Automata.Count != 1 {
		return layout.None
	}
	for i, name := range names {
		set := img.Automata[img.Networks[index].Hosts.Automata.First].MatchName(name)
		if set != automaton.None {
			a.Names = names[i : i+1]
			return network(t, laid, index).Names + set
		}
	}
	return layout.None
}

// network reads one that was laid out.
func network(t *testing.T, laid *layout.Image, index uint32) (n layout.Network) {
	head, _, err := layout.Read(laid.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	at := int(4*head.Networks) + int(index)*binary.Size(n)
	if err := binary.Read(bytes.NewReader(laid.Bytes[at:]), binary.LittleEndian, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// kinds are what accesses are counted by; those behind the functions are some that have an answer of their own.
var kinds = []string{
	parityWhatWHAT_PROGRAM: "exec", parityWhatWHAT_FILE: "files", parityWhatWHAT_UNIX: "unix", parityWhatWHAT_PEER: "peer",
	parityWhatWHAT_LOCAL: "local", parityWhatWHAT_PACKET: "packet", parityWhatWHAT_SYSCALL: "syscall amd64",
	parityWhatWHAT_CAPABILITY: "capability", parityWhatWHAT_SIGNAL: "signal", parityWhatWHAT_PTRACE: "ptrace",
	parityWhatWHAT_MODULE: "module", parityWhatWHAT_MOUNT: "mount", parityWhatWHAT_DEVICE: "device", parityWhatWHAT_BPF: "bpf",
	parityWhatWHAT_SETTIME: "settime", parityWhatWHAT_KEYRING: "keyring", parityWhatWHAT_IO_URING: "io_uring", parityWhatWHAT_PRCTL: "prctl",
	parityWhatWHAT_PRCTL + 1: "exec gaining privilege", "files too long", "peer by name", "syscall x32", "syscall i386",
}

func kind(a *verdict.Access) string {
	switch what := whatOf(a); {
	case what == parityWhatWHAT_PROGRAM && a.GainsPrivilege:
		return "exec gaining privilege"
	case what == parityWhatWHAT_FILE && (a.Truncated || len(a.Path) > compile.MaxPath):
		return "files too long"
	case what == parityWhatWHAT_PEER && a.Names != nil:
		return "peer by name"
	case what == parityWhatWHAT_SYSCALL && a.I386:
		return "syscall i386"
	case what == parityWhatWHAT_SYSCALL && a.Number>>30 == 1:
		return "syscall x32"
	default:
		return kinds[what]
	}
}

// checkSpread makes sure that accesses of each kind were both allowed and denied.
func checkSpread(t *testing.T, answers map[string]int) {
	t.Helper()
	for _, kind := range kinds[1:] {
		for _, denied := range []bool{false, true} {
			if key := fmt.Sprintf("%s: denied %t, undecided false", kind, denied); answers[key] == 0 {
				t.Errorf("no answer was %s", key)
			}
		}
	}
	if key := "peer: denied false, undecided true"; answers[key] == 0 {
		t.Errorf("no answer was %s", key)
	}
}
