package confine

import (
	"slices"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// call is struct seccomp_data.
type call struct {
	arch, number uint32
	args         [6]uint32
}

// run executes a filter as the kernel would. It fails on what the kernel's checker refuses.
func run(t testing.TB, program code, c call) uint32 {
	t.Helper()
	var a uint32
	for pc := 0; ; pc++ {
		if pc >= len(program) {
			t.Fatalf("the filter runs out at %d", pc)
		}
		jump := func(yes bool) {
			if yes {
				pc += int(program[pc].jt)
			} else {
				pc += int(program[pc].jf)
			}
		}
		switch in := program[pc]; in.op {
		case opLoad:
			switch {
			case in.k == offsetNumber:
				a = c.number
			case in.k == offsetArch:
				a = c.arch
			case in.k >= offsetArgs && (in.k-offsetArgs)%8 == 0:
				a = c.args[(in.k-offsetArgs)/8]
			default:
				t.Fatalf("load from %d", in.k)
			}
		case opAnd:
			a &= in.k
		case opJump:
			pc += int(in.k)
		case opEqual:
			jump(a == in.k)
		case opMore:
			jump(a > in.k)
		case opAny:
			jump(a&in.k != 0)
		case opReturn:
			return in.k
		default:
			t.Fatalf("operation %#x", in.op)
		}
	}
}

// planOf plans for an entry of a policy's text and a command that is not there.
func planOf(t testing.TB, text, name string, kernel Kernel) (*Plan, *compile.Image, uint32) {
	t.Helper()
	return planFor(t, text, name, kernel, "/none/app")
}

func planFor(t testing.TB, text, name string, kernel Kernel, file string) (*Plan, *compile.Image, uint32) {
	t.Helper()
	p, err := policy.Parse("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	img, err := compile.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	subject := slices.IndexFunc(img.Subjects, func(s compile.Subject) bool { return s.Name == name })
	return New(Input{
		Policy: p, Image: img, Subject: uint32(subject), Command: &Command{Path: file, File: file, Argv: []string{file}}, Kernel: kernel, UID: 1000,
	}), img, uint32(subject)
}

const denied = returnErrno | errnoEPERM

// TestFilterIsTheVerdict asks filter and verdict about every number of every kind of program.
func TestFilterIsTheVerdict(t *testing.T) {
	for text, ring := range map[string]bool{ // whether io_uring could do what is refused
		`processes: {app: {blocked_syscalls: [ptrace, "@mount", "@keyring"]}}`:                                     false,
		`processes: {app: {blocked_syscalls: [openat2]}}`:                                                          true,
		`processes: {app: {allowed_syscalls: ["@system-service", "@known"], blocked_syscalls: [mount, execveat]}}`: false,
		`processes: {app: {allowed_syscalls: [read, write, execve, exit_group]}}`:                                  true,
		`processes: {app: {blocked_syscalls: ["@known"]}}`:                                                         true,
		`processes: {app: {allowed_syscalls: []}}`:                                                                 true,
	} {
		plan, img, subject := planOf(t, text, "app", Kernel{Landlock: 7})
		if len(plan.filter) > maxFilter {
			t.Errorf("%s: %d instructions", text, len(plan.filter))
		}
		ask := func(arch, number uint32) {
			d := verdict.Decide(img, verdict.Task{Subject: subject}, &verdict.Access{Op: verdict.OpSyscall, Number: number, I386: arch == archI386})
			want := uint32(returnAllow)
			ringCall := number&^x32 >= 425 && number&^x32 <= 427
			starting := arch == archAMD64 && (number&^x32 == 59 || number&^x32 == 15)
			if d.Denied && !starting || ring && ringCall {
				want = denied
			}
			if got := run(t, plan.filter, call{arch: arch, number: number}); got != want {
				t.Errorf("%s: arch %#x, number %#x: %#x, want %#x", text, arch, number, got, want)
			}
		}
		for n := range uint32(600) {
			ask(archAMD64, n)
			ask(archAMD64, n|x32)
			ask(archI386, n)
		}
		for _, n := range []uint32{1 << 31, 1<<31 | x32, ^uint32(0), 1<<30 - 1} {
			ask(archAMD64, n)
			ask(archI386, n)
		}
		for _, arch := range []uint32{0, 0xc00000b7, 0x40000028, archAMD64 &^ 0x40000000} {
			if got := run(t, plan.filter, call{arch: arch}); got != returnKill {
				t.Errorf("%s: arch %#x: %#x, want the process to end", text, arch, got)
			}
		}
	}
}

// TestTerminal: whatever the policy, nobody types for a shell outside.
func TestTerminal(t *testing.T) {
	for text, metadata := range map[string]uint32{
		`processes: {app: {}}`:                                 returnAllow,
		`processes: {app: {allowed_files: ["/x rx"]}}`:         denied,
		`processes: {app: {allowed_files: ["/x rx", "/y w"]}}`: returnAllow,
	} {
		plan, _, _ := planOf(t, text, "app", Kernel{Landlock: 7})
		for number, want := range map[uint32]uint32{0x5412: denied, 0x541c: denied, 0x5401: returnAllow, 0x40086602: metadata, 0x401c5820: metadata} {
			for arch, ioctl := range map[uint32]uint32{archAMD64: 16, archI386: 54} {
				if got := run(t, plan.filter, call{arch: arch, number: ioctl, args: [6]uint32{0, number}}); got != want {
					t.Errorf("%s: ioctl %#x on %#x: %#x, want %#x", text, number, arch, got, want)
				}
			}
		}
		if got := run(t, plan.filter, call{arch: archAMD64, number: 514 | x32, args: [6]uint32{0, 0x5412}}); got != denied {
			t.Errorf("%s: x32: %#x", text, got)
		}
	}
}

// TestLongestFilter takes answers that change with every number.
func TestLongestFilter(t *testing.T) {
	spans := func(count uint32) (out []span) {
		for n := range count {
			answer := allow()
			if n%2 == 0 {
				answer = deny()
			}
			out = append(out, span{n, answer})
		}
		return out
	}
	long := program(spans(549), spans(513))
	if len(long) > maxFilter {
		t.Fatalf("%d instructions, and the kernel takes %d", len(long), maxFilter)
	}
	for n := range uint32(700) {
		want := uint32(returnAllow)
		if min(n, 548)%2 == 0 {
			want = denied
		}
		if got := run(t, long, call{arch: archAMD64, number: n}); got != want {
			t.Errorf("number %d: %#x, want %#x", n, got, want)
		}
	}
}

func TestSocketFilter(t *testing.T) {
	const (
		socketAMD64, socketI386, socketcallI386 = 41, 359, 102
		sendto, sendmsg, sendmmsg, x32sendmsg   = 44, 46, 307, 518
	)
	filters := map[string]string{
		"none": `processes: {app: {allowed_network: [], allowed_listen: []}}`,
		"mute": `processes: {app: {allowed_network: []}}`,
		"tcp":  `processes: {app: {allowed_network: ["0.0.0.0/0:443/tcp"]}}`,
		"dns":  `processes: {app: {allowed_network: ["192.0.2.53:53/udp", "192.0.2.53:53/tcp"]}}`,
		"any":  `processes: {app: {allowed_network: ["192.0.2.1"]}}`,
		"mail": `processes: {app: {blocked_network: ["0.0.0.0/0:25/tcp", "[::/0]:25/tcp"]}}`,
	}
	for _, c := range []struct {
		what                    string
		family, kind, prototype uint32
		refusedBy               string
	}{
		{"TCP", 2, 1, 0, "none"},
		{"TCP by number, not blocking", 10, 1 | 0x800, 6, "none"},
		{"UDP", 2, 2, 0, "none mute tcp"},
		{"UDP by number, closed on exec", 10, 2 | 0x80000, 17, "none mute tcp"},
		{"ping", 2, 2, 1, "none mute tcp dns"},
		{"raw", 2, 3, 255, "none mute tcp dns"},
		{"MPTCP", 2, 1, 262, "none mute tcp dns mail"},
		{"SCTP", 10, 1, 132, "none mute tcp dns"},
		{"packet", 17, 3, 0, "none mute tcp dns any"},
		{"XDP", 44, 3, 0, "none mute tcp dns any"},
		{"SMC", 43, 1, 0, "none mute tcp dns mail"},
		{"UNIX", 1, 1, 0, ""},
		{"netlink", 16, 3, 0, ""},
	} {
		for name, text := range filters {
			plan, _, _ := planOf(t, text, "app", Kernel{Landlock: 7})
			want := uint32(returnAllow)
			for _, by := range strings.Fields(c.refusedBy) {
				if by == name {
					want = denied
				}
			}
			args := [6]uint32{c.family, c.kind, c.prototype}
			for _, at := range []call{{archAMD64, socketAMD64, args}, {archAMD64, socketAMD64 | x32, args}, {archI386, socketI386, args}} {
				if got := run(t, plan.filter, at); got != want {
					t.Errorf("%s under %s, arch %#x: %#x, want %#x", c.what, name, at.arch, got, want)
				}
			}
			if got := run(t, plan.filter, call{arch: archI386, number: socketcallI386}); got != denied {
				t.Errorf("socketcall under %s: %#x", name, got)
			}
		}
	}
	plan, _, _ := planOf(t, filters["tcp"], "app", Kernel{Landlock: 7})
	for number, flags := range map[uint32]int{sendto: 3, sendmsg: 2, sendmmsg: 3, x32sendmsg | x32: 2} {
		at := call{arch: archAMD64, number: number}
		if got := run(t, plan.filter, at); got != returnAllow {
			t.Errorf("send %d: %#x", number, got)
		}
		at.args[flags] = 0x2000_0000 | 0x40
		if got := run(t, plan.filter, at); got != denied {
			t.Errorf("send %d with Fast Open: %#x", number, got)
		}
	}
}

func TestPrctlFilter(t *testing.T) {
	plan, _, _ := planOf(t, "processes: {app: {}}\nhost: {prctl: {block: [PR_SET_DUMPABLE, PR_SET_SECCOMP]}}", "app", Kernel{Landlock: 7})
	for option, want := range map[uint32]uint32{4: denied, 22: denied, 3: returnAllow, 15: returnAllow} {
		if got := run(t, plan.filter, call{arch: archAMD64, number: 157, args: [6]uint32{option}}); got != want {
			t.Errorf("option %d: %#x, want %#x", option, got, want)
		}
	}
}
