//go:build linux

package enforcer

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/internal/kernel/probe"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

// envNetwork holds the networkWorld of a test that has started this binary again, as the program that rules speak of.
const envNetwork = "STOCKADE_TEST_NETWORK"

// networkWorld is what there is to reach. Servers listen on one port of each address; a name allowed has a rule.
type networkWorld struct {
	Port, Listen, Closed int
	Dir                  string
	LSM                  bool
}

const allowed, denied = "127.0.0.2", "127.0.0.3"

// What the child inherits.
const (
	connectedFD = 3 + iota
	listenerFD
	channelFD
)

// networkCase is one thing that the child tries.
type networkCase struct {
	name   string
	denied bool
	// lsm: only LSM programs stand in its way.
	lsm bool
	try func(w networkWorld) error
}

// tryNetwork is the child: it tells the number of each error.
func tryNetwork(text string) {
	var w networkWorld
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		panic(err)
	}
	for _, c := range networkCases() {
		err := c.try(w)
		var number unix.Errno
		if err != nil && !errors.As(err, &number) {
			panic(fmt.Sprintf("%s: %v", c.name, err))
		}
		fmt.Printf("%s\t%d\n", c.name, int(number))
	}
}

// TestNetwork has a program try what its rules allow, and what they do not.
func TestNetwork(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	w := networkWorld{Dir: t.TempDir(), LSM: probe.Trampolines()}
	root, self := cgroupOf(t), filepath.Join(w.Dir, "client")
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(self, binary, 0o700); err != nil {
		t.Fatal(err)
	}
	connected, listener := w.serve(t)
	e := enforce(t, root, w.LSM, fmt.Sprintf(`version: "1.0"
mode: enforce
processes:
  client:
    match: {exe: %q}
    allowed_network: [%q, "[::1]:%d", "unix:%s/open*", "unix:@%s/open*"]
    allowed_listen: ["%d"]
`, self, allowed, w.Port, w.Dir, w.Dir, w.Listen))
	got := runNetwork(t, w, root, self, connected, listener)
	for _, c := range networkCases() {
		number, told := got[c.name]
		if c.lsm && !w.LSM {
			continue
		}
		want := unix.Errno(0)
		if c.denied {
			want = unix.EPERM
		}
		if !told || number != want {
			t.Errorf("%s: %v, want %v", c.name, number, want)
		}
	}
	status, err := e.Status()
	if err != nil || status.Denied["rule"] == 0 {
		t.Errorf("counts of denials: %v, %v", status.Denied, err)
	}
}

// cgroupOf makes a cgroup for the child: no program is attached to any other, where cgroups are what programs are attached to.
func cgroupOf(t *testing.T) string {
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var fs unix.Statfs_t
		if unix.Statfs(root, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC {
			dir := filepath.Join(root, "stockade-test-"+strconv.Itoa(os.Getpid()))
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Remove(dir) })
			return dir
		}
	}
	t.Skip("needs the cgroup v2 tree")
	return ""
}

// enforce puts a policy in force until the test ends.
func enforce(t *testing.T, root string, lsm bool, text string) *Enforcer {
	p, err := policy.Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	img, err := compile.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	pins := filepath.Join(probe.BPFFS, "stockade-test-"+strconv.Itoa(os.Getpid()))
	e, err := Open(Config{
		Pins: pins, State: t.TempDir(), Trampolines: lsm, CgroupRoot: root, Logger: slog.New(slog.DiscardHandler),
		Users: func(string) []uint32 { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(e.Release(), e.Close()); err != nil {
			t.Error(err)
		}
	})
	if f, err := os.Open("/proc/1/root"); err == nil {
		_ = f.Close()
		_, err = e.Apply(p, img, "")
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	// A container that may not look at process 1 names its own root instead of the host's mounts.
	c := change{Enforcer: e, policy: p, image: img, asks: asks(img, ""), old: e.active}
	attach := func() error { return e.attachAll(c.asks) }
	name := func() error {
		return onPath("/", func(fd int) error {
			return errors.Join(c.run(toolBindRoot, &identityDescriptor{Fd: int32(fd)}), c.run(toolBindMount, &identityMountBinding{Fd: int32(fd)}))
		})
	}
	for _, step := range []func() error{c.encode, c.publish, attach, c.openTools, name, c.label, c.flip} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// serve starts servers, and returns a connection to the one that is denied, and a listener on a port that is.
func (w *networkWorld) serve(t *testing.T) (connected, listener *os.File) {
	first := listen(t, "tcp4", allowed+":0")
	w.Port = first.Addr().(*net.TCPAddr).Port
	answer := func(network, address string) net.Listener {
		l := listen(t, network, address)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				t.Cleanup(func() { _ = c.Close() })
			}
		}()
		return l
	}
	port := strconv.Itoa(w.Port)
	answer("tcp4", denied+":"+port)
	answer("tcp6", "[::1]:"+port)
	w.Closed = answer("tcp6", "[::1]:0").Addr().(*net.TCPAddr).Port
	for _, name := range []string{"open", "shut"} {
		answer("unix", filepath.Join(w.Dir, name))
		answer("unix", "@"+filepath.Join(w.Dir, name))
		c, err := net.ListenPacket("unixgram", "@"+filepath.Join(w.Dir, name+"-datagrams"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	free := listen(t, "tcp4", "127.0.0.1:0")
	w.Listen = free.Addr().(*net.TCPAddr).Port
	_ = free.Close()
	c, err := net.Dial("tcp4", denied+":"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	connected, err1 := c.(*net.TCPConn).File()
	listener, err2 := listen(t, "tcp4", "127.0.0.1:0").(*net.TCPListener).File()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(connected.Close(), listener.Close()) })
	return connected, listener
}

func listen(t *testing.T, network, address string) net.Listener {
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// runNetwork runs the child in a cgroup, with what it inherits, and returns its errors.
func runNetwork(t *testing.T, w networkWorld, root, self string, connected, listener *os.File) map[string]unix.Errno {
	text, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "channel"), os.NewFile(uintptr(pair[1]), "channel")
	defer func() { _ = errors.Join(ours.Close(), theirs.Close()) }()
	if err := unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(int(connected.Fd())), nil, 0); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), envNetwork+"="+string(text))
	cmd.ExtraFiles = []*os.File{connected, listener, theirs}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	got := map[string]unix.Errno{}
	for lines := bufio.NewScanner(io.TeeReader(out, io.Discard)); lines.Scan(); {
		name, number, _ := strings.Cut(lines.Text(), "\t")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Errorf("the child said %q", lines.Text())
		}
		got[name] = unix.Errno(n)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return got
}
