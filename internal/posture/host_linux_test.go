package posture

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stockade-security/stockade/event"
)

// TestMain is also the child of TestOtherNamespace: it listens, says where, and holds the socket until its input ends.
func TestMain(m *testing.M) {
	if os.Getenv("STOCKADE_POSTURE_CHILD") == "" {
		os.Exit(m.Run())
	}
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = l.Close()
}

// wantSocket looks for a socket with an owner and a state.
func wantSocket(t *testing.T, facts []event.Posture, name string, pid int, state string) string {
	t.Helper()
	value, ok := find(facts, "socket", name)
	if !ok || !strings.Contains(value, fmt.Sprintf(" pid=%d ", pid)) || !strings.Contains(value, "state="+state+" ") {
		t.Errorf("%s = %q, %v; want pid %d and %s", name, value, ok, pid, state)
	}
	return value
}

// TestThisHost looks for sockets that the test itself holds in the inventory of the real machine.
func TestThisHost(t *testing.T) {
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	client, err := net.Dial("tcp4", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	path := t.TempDir() + "/a  socket"
	local, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()

	facts := New(nil, nil).Inventory(t.Context())
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := find(facts, "kernel", "release"); got != strings.TrimSpace(string(release)) {
		t.Errorf("release %q, want %q", got, release)
	}
	wantSocket(t, facts, "tcp "+tcp.Addr().String(), os.Getpid(), "listen")
	wantSocket(t, facts, fmt.Sprintf("tcp %s -> %s", client.LocalAddr(), client.RemoteAddr()), os.Getpid(), "established")
	wantSocket(t, facts, "udp "+udp.LocalAddr().String(), os.Getpid(), "bound")
	wantSocket(t, facts, "unix "+path, os.Getpid(), "listen")
}

// TestOtherNamespace finds a socket of a process in another network namespace.
func TestOtherNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make a network namespace")
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), "STOCKADE_POSTURE_CHILD=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("needs network namespaces: %v", err)
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	facts := New(nil, nil).Inventory(t.Context())
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	value := wantSocket(t, facts, "tcp "+strings.TrimSpace(address), cmd.Process.Pid, "listen")
	if id, _ := inodeOf(own, "net"); strings.Contains(value, fmt.Sprintf("netns=%d ", id)) {
		t.Errorf("%s is said to be in this namespace: %s", address, value)
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func BenchmarkCheap(b *testing.B) {
	r := New(nil, nil)
	for b.Loop() {
		r.cheap()
	}
}

func BenchmarkInventory(b *testing.B) {
	r := New(nil, nil)
	for b.Loop() {
		r.Inventory(b.Context())
	}
}
