package posture

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

// TestThisHost looks for sockets that the test itself holds in the inventory of the real machine.
func TestThisHost(t *testing.T) {
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Skipf("no IPv6 on this machine: %v", err)
	}
	defer udp.Close()
	path := t.TempDir() + "/a socket"
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
	owner := fmt.Sprintf("pid=%d ", os.Getpid())
	for name, state := range map[string]string{
		"tcp " + tcp.Addr().String():      "state=listen ",
		"udp " + udp.LocalAddr().String(): "state=bound ",
		"unix " + path:                    "state=listen ",
	} {
		value, ok := find(facts, "socket", name)
		if !ok || !strings.Contains(value, owner) || !strings.Contains(value, state) {
			t.Errorf("%s = %q, %v; want %s and %s", name, value, ok, owner, state)
		}
	}
}

func BenchmarkCheap(b *testing.B) {
	r := New(nil, nil)
	for b.Loop() {
		r.cheap()
	}
}
