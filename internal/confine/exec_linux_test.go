package confine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

// The roles of this test's own binary: hold puts itself under the policy in the first argument and executes the rest, probe
// tries accesses.
const roleVariable = "CONFINE_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "hold":
		hold(os.Args[1], os.Args[2:])
	case "probe":
		for _, op := range os.Args[1:] {
			fmt.Println(op, attempt(op))
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func hold(file string, argv []string) {
	p, err := policy.Load(file)
	if err == nil {
		var img *compile.Image
		var command *Command
		if img, err = compile.Compile(p); err == nil {
			if command, err = Look(argv); err == nil {
				plan := New(Input{Policy: p, Image: img, Subject: 1, Command: command, Kernel: Detect(), UID: os.Getuid()})
				if err = errors.Join(os.Setenv(roleVariable, "probe"), swap()); err == nil {
					err = plan.Exec(command, os.Environ())
				}
			}
		}
	}
	fmt.Println("hold:", err)
	os.Exit(125)
}

// swapVariable names a directory: between plan and start its folder in becomes a link to its folder out.
const swapVariable = "CONFINE_TEST_SWAP"

func swap() error {
	root := os.Getenv(swapVariable)
	if root == "" {
		return nil
	}
	return errors.Join(os.Rename(root+"/in", root+"/was"), os.Symlink("out", root+"/in"))
}

// box is a directory with this binary as app, and a policy for it.
type box struct {
	root string
	uid  int
}

// boxes runs a test as the user that it is, and if that is root as nobody too.
func boxes(t *testing.T, test func(t *testing.T, b *box)) {
	users := []int{os.Getuid()}
	if users[0] == 0 {
		users = append(users, 65534)
	}
	for _, uid := range users {
		t.Run("uid "+strconv.Itoa(uid), func(t *testing.T) { test(t, newBox(t, uid)) })
	}
}

func newBox(t *testing.T, uid int) *box {
	t.Helper()
	b := &box{root: tree(t, "in/", "out/"), uid: uid}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	b.file(t, "app", string(text), 0o755)
	for _, dir := range []string{"in", "out"} {
		b.file(t, dir+"/f", "x", 0o666)
		if err := os.Chmod(filepath.Join(b.root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for dir := b.root; dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil && os.Getuid() == 0 {
			t.Fatal(err)
		}
	}
	return b
}

func (b *box) file(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	at := filepath.Join(b.root, name)
	if err := os.WriteFile(at, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(at, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

// libraries are what a program needs to load if it is built with cgo, as for the race detector.
const libraries = `"/usr/lib{,64}{,/**} rx", "/usr/lib{,64}/**", "/etc/ld.so.cache r", "/dev/null rw"`

// holds runs accesses under an entry's keys. Each wanted line is an access and its result; ROOT stands for the directory.
func (b *box) holds(t *testing.T, entry string, want ...string) {
	t.Helper()
	ops := []string{}
	for i := range want {
		want[i] = strings.ReplaceAll(want[i], "ROOT", b.root)
		op, _, _ := strings.Cut(want[i], " ")
		ops = append(ops, op)
	}
	got, code := b.command(t, entry, append([]string{b.root + "/app"}, ops...)...)
	if diff := cmp.Diff(strings.Join(want, "\n")+"\n", got); diff != "" || code != 0 {
		t.Errorf("%s: exit code %d, -want +got:\n%s", entry, code, diff)
	}
}

func (b *box) command(t *testing.T, entry string, argv ...string) (output string, code int) {
	t.Helper()
	text := "mode: enforce\nprocesses:\n  app:\n    inherit: true\n    no_sudo: true\n    " + strings.ReplaceAll(entry, "; ", "\n    ") + "\n"
	b.file(t, "policy.yaml", strings.ReplaceAll(text, "ROOT", b.root), 0o644)
	c := exec.Command(b.root+"/app", append([]string{b.root + "/policy.yaml"}, argv...)...)
	c.Env = append(os.Environ(), roleVariable+"=hold", "GORACE=atexit_sleep_ms=0")
	c.Dir = b.root
	if b.uid != os.Getuid() {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(b.uid), Gid: uint32(b.uid)}}
	}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), c.ProcessState.ExitCode()
}

// needs skips on kernels that cannot have a version of Landlock, and fails on those that should.
func needs(t *testing.T, version int) {
	t.Helper()
	k := Detect()
	if k.Landlock >= version {
		return
	}
	if k.Landlock == 0 && k.NoLandlock == "" {
		t.Fatal("no Landlock, and no reason")
	}
	if since := map[int][2]int{1: {5, 13}, 3: {6, 2}, 4: {6, 7}}[version]; k.Landlock > 0 && kernelIs(t, since) {
		t.Fatalf("this kernel has Landlock %d, want %d", k.Landlock, version)
	}
	t.Skipf("needs Landlock %d: %d %s", version, k.Landlock, k.NoLandlock)
}

func kernelIs(t *testing.T, since [2]int) bool {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return major > since[0] || major == since[0] && minor >= since[1]
}

func TestFiles(t *testing.T) {
	needs(t, 1)
	boxes(t, func(t *testing.T, b *box) {
		b.file(t, "one", "x", 0o666)
		b.holds(
			t, `allowed_files: ["ROOT/in{,/**} rw", "ROOT/one r", "ROOT/many* r", `+libraries+`]`,
			"read:ROOT/in/f ok", "list:ROOT/in ok", "write:ROOT/in/new ok", "move:ROOT/in/new,ROOT/in/new2 ok", "remove:ROOT/in/new2 ok",
			"read:ROOT/one ok", "append:ROOT/one EACCES", "move:ROOT/in/f,ROOT/out/f EACCES",
			"read:ROOT/out/f EACCES", "append:ROOT/out/f EACCES", "list:ROOT/out EACCES", "list:ROOT EACCES", "write:ROOT/out/new EACCES", "remove:ROOT/out/f EACCES",
		)
		b.holds(t, `allowed_files: ["ROOT/in/** rx", "ROOT/app rx", "/usr/lib{,64}{,/**} rx", "/etc/ld.so.cache rx"]`, "read:ROOT/in/f ok", "append:ROOT/in/f EACCES", "chmod:ROOT/app EPERM", "call:425 EPERM")
		b.holds(t, `allowed_files: ["ROOT/in/** w", `+libraries+`]`, "read:ROOT/in/f EACCES", "append:ROOT/in/f ok", "write:ROOT/in/f ok", "list:ROOT/in EACCES")
		b.holds(t, `allowed_files: ["ROOT/{in,out}/f rw", `+libraries+`]; blocked_files: ["ROOT/out/*"]`, "read:ROOT/in/f ok", "append:ROOT/in/f ok", "read:ROOT/out/f EACCES")
	})
}

func TestTruncation(t *testing.T) {
	needs(t, 3)
	boxes(t, func(t *testing.T, b *box) {
		b.holds(t, `allowed_files: ["ROOT/in/** w", "ROOT/out/** r", `+libraries+`]`, "truncate:ROOT/in/f ok", "truncate:ROOT/out/f EACCES")
	})
}

func TestPrograms(t *testing.T) {
	needs(t, 1)
	boxes(t, func(t *testing.T, b *box) {
		b.file(t, "in/yes", "#!"+b.root+"/app\n", 0o755)
		b.file(t, "out/no", "#!"+b.root+"/app\n", 0o755)
		b.file(t, "in/blocked", "#!"+b.root+"/app\n", 0o755)
		want := []string{"run:ROOT/in/yes ok", "run:ROOT/out/no EACCES", "run:ROOT/in/blocked EACCES", "run:ROOT/app ok", "move:ROOT/in/f,ROOT/out/g ok", "move:ROOT/out/g,ROOT/in/f ok"}
		if Detect().Landlock < 2 {
			want = want[:4]
		}
		b.holds(t, `allowed_exec: ["ROOT/in/*"]; blocked_exec: ["**/blocked"]`, want...)
		b.holds(t, `allowed_exec: ["ROOT/in/**"]`, "run:ROOT/in/blocked ok", "run:ROOT/out/no EACCES", "memory:ROOT/out/no EPERM")
		// Started as a script, the command has its interpreter.
		b.file(t, "in/script", "#!"+b.root+"/app\n", 0o755)
		got, _ := b.command(t, `allowed_exec: []`, b.root+"/in/script", "run:"+b.root+"/out/no")
		if want := "\nrun:" + b.root + "/out/no EACCES\n"; !strings.HasSuffix(got, want) {
			t.Errorf("a script: got %q, want it to end in %q", got, want)
		}
	})
}

func TestTCP(t *testing.T) {
	needs(t, 4)
	open, shut := listener(t), listener(t)
	boxes(t, func(t *testing.T, b *box) {
		b.holds(
			t, `allowed_network: ["127.0.0.0/8:`+open+`/tcp"]; allowed_listen: []`,
			"connect:"+open+" ok", "connect:"+shut+" EACCES", "fastopen:"+open+" EPERM", "bind:0 ok", "bind:"+freePort(t)+" EACCES",
			"socket:2/2/0 EPERM", "socket:10/2/17 EPERM", "socket:17/3/0 EPERM", "socket:2/1/262 EPERM", "socket:1/1/0 ok", "call:425 EPERM",
		)
		b.holds(t, `blocked_network: ["0.0.0.0/0:`+shut+`", "[::/0]:`+shut+`"]`, "connect:"+open+" ok", "connect:"+shut+" EACCES", "socket:2/2/0 ok")
		port := freePort(t)
		b.holds(t, `allowed_listen: ["`+port+`/tcp"]`, "bind:"+port+" ok", "bind:"+freePort(t)+" EACCES", "connect:"+shut+" ok")
	})
}

// TestSockets needs no Landlock.
func TestSockets(t *testing.T) {
	boxes(t, func(t *testing.T, b *box) {
		b.holds(t, `allowed_network: []; allowed_listen: []`, "socket:2/1/0 EPERM", "socket:10/1/6 EPERM", "socket:2/2/0 EPERM", "socket:1/2/0 ok", "socket:16/3/0 ok")
	})
}

func listener(t *testing.T) (port string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}

func TestCalls(t *testing.T) {
	boxes(t, func(t *testing.T, b *box) {
		b.holds(
			t, `blocked_syscalls: [ptrace, "@mount", keyctl, openat2]`,
			"control:0x5412 EPERM", "control:0x5401 EBADF", "call:101 EPERM", "call:165 EPERM", "call:250 EPERM", "call:0x40000209 EPERM", "call:437 EPERM", "call:425 EPERM", "call:39 ok", "read:ROOT/in/f ok",
		)
	})
}

// TestCapabilities needs root, who has some to lose.
func TestCapabilities(t *testing.T) {
	boxes(t, func(t *testing.T, b *box) {
		if b.uid == 0 {
			b.holds(t, `blocked_capabilities: [CAP_NET_RAW, CAP_BPF]`, "capability:13 absent", "capability:39 absent", "capability:7 ok", "socket:2/3/1 EPERM")
		}
		b.holds(t, `blocked_capabilities: [ALL]`, "capability:13 absent", "capability:0 absent")
	})
}

// program64 is an executable of x86-64 that consists of its code alone.
func program64(code string) string {
	const base, header = 0x400000, 64 + 56
	var out bytes.Buffer
	out.WriteString("\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 9))
	size := uint64(header + len(code))
	for _, field := range []any{
		uint16(2), uint16(62), uint32(1), uint64(base + header), uint64(64), uint64(0), uint32(0), uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0),
		uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), size, size, uint64(0x1000),
	} {
		if err := binary.Write(&out, binary.LittleEndian, field); err != nil {
			panic(err) // the fields have fixed sizes
		}
	}
	return out.String() + code
}

// TestCalls32 makes calls as 32-bit programs do, which have another table: ptrace(PTRACE_TRACEME), then exit with its error.
func TestCalls32(t *testing.T) {
	// mov eax,26; xor ebx,ebx; int 0x80; neg eax; mov ebx,eax; mov eax,1; int 0x80
	code := "\xb8\x1a\x00\x00\x00\x31\xdb\xcd\x80\xf7\xd8\x89\xc3\xb8\x01\x00\x00\x00\xcd\x80"
	boxes(t, func(t *testing.T, b *box) {
		b.file(t, "old", program64(code), 0o755)
		if _, got := b.command(t, `blocked_syscalls: [mount]`, b.root+"/old"); got == -1 {
			t.Skip("needs a kernel that runs 32-bit programs (CONFIG_IA32_EMULATION)")
		} else if got != 0 {
			t.Fatalf("ptrace, which nothing blocks: errno %d", got)
		}
		if out, got := b.command(t, `blocked_syscalls: [ptrace]`, b.root+"/old"); got != int(unix.EPERM) {
			t.Errorf("errno %d, want EPERM: %s", got, out)
		}
	})
}

// TestFewestCalls starts a program under a filter that leaves it two calls and what its start takes.
func TestFewestCalls(t *testing.T) {
	boxes(t, func(t *testing.T, b *box) {
		b.file(t, "tiny", program64("\xbf\x2a\x00\x00\x00\xb8\xe7\x00\x00\x00\x0f\x05"), 0o755) // mov edi,42; mov eax,231; syscall
		for range 8 {
			if out, code := b.command(t, `allowed_syscalls: [execve, exit_group]`, b.root+"/tiny"); code != 42 {
				t.Fatalf("exit code %d (-1 is a signal): %s", code, out)
			}
		}
	})
}

func TestNested(t *testing.T) {
	needs(t, 1)
	boxes(t, func(t *testing.T, b *box) {
		// As the inner command app would have the role of a probe, so env gives it that of the wrapper again.
		env, err := exec.LookPath("env")
		if err != nil {
			t.Fatal(err)
		}
		inner := []string{env, roleVariable + "=hold", b.root + "/app", b.root + "/inner.yaml", b.root + "/app", "read:" + b.root + "/in/f", "read:" + b.root + "/out/f"}
		b.file(t, "inner.yaml", strings.ReplaceAll("mode: enforce\nprocesses: {app: {allowed_files: [\"ROOT/{in,out}/** r\", "+libraries+"]}}\n", "ROOT", b.root), 0o644)
		got, code := b.command(t, `allowed_files: ["ROOT/{in/**,inner.yaml,app} r", "/proc/** r", `+libraries+`, "`+env+` r"]`, inner...)
		want := "read:" + b.root + "/in/f ok\nread:" + b.root + "/out/f EACCES\n"
		if got != want || code != 0 {
			t.Errorf("exit code %d, got %q, want %q", code, got, want)
		}
	})
}

func TestUnstartable(t *testing.T) {
	boxes(t, func(t *testing.T, b *box) {
		b.file(t, "empty", "", 0o755)
		b.file(t, "orphan", "#!/none/such\n", 0o755)
		b.file(t, "plain", "x", 0o644)
		for name, want := range map[string]error{"empty": ErrNotExecutable, "orphan": ErrNotFound, "plain": ErrNotExecutable, "none": ErrNotFound, "in": ErrNotExecutable} {
			out, code := b.command(t, `blocked_syscalls: [ptrace]`, b.root+"/"+name)
			if !strings.Contains(out, want.Error()) || code != 125 {
				t.Errorf("%s: exit code %d, %q; want %v", name, code, out, want)
			}
		}
	})
}

// TestLinks: what a link leads to is granted by its own path alone.
func TestLinks(t *testing.T) {
	needs(t, 1)
	boxes(t, func(t *testing.T, b *box) {
		if err := os.Symlink(b.root+"/out/f", b.root+"/link"); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(b.root+"/out", b.root+"/dir"); err != nil {
			t.Fatal(err)
		}
		b.holds(t, `allowed_files: ["ROOT/link r", "ROOT/dir/** r", `+libraries+`]`, "read:ROOT/link EACCES", "read:ROOT/out/f EACCES", "list:ROOT/dir EACCES")
	})
}

// TestPathThatMoved: a path that leads elsewhere by the time of the grant is granted nothing.
func TestPathThatMoved(t *testing.T) {
	needs(t, 1)
	boxes(t, func(t *testing.T, b *box) {
		if err := os.Chmod(b.root, 0o777); err != nil {
			t.Fatal(err)
		}
		t.Setenv(swapVariable, b.root)
		b.holds(t, `allowed_files: ["ROOT/in/** r", `+libraries+`]`, "read:ROOT/in/f EACCES", "read:ROOT/out/f EACCES", "read:ROOT/was/f EACCES")
	})
}
