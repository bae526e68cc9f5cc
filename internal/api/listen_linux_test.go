package api

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSocketIsForItsOwnerAlone(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	_, socket := serve(t, &guard{}, nil)
	for path, want := range map[string]fs.FileMode{
		socket: fs.ModeSocket | 0o600, socket + ".lock": 0o600, filepath.Dir(socket): fs.ModeDir | 0o700,
	} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
	}
}

func TestPeer(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	got, err := peerOf(conn)
	if want := (Peer{PID: os.Getpid(), UID: uint32(os.Getuid())}); err != nil || got != want {
		t.Errorf("peer = %+v, %v, want %+v", got, err, want)
	}
	if p, err := peerOf(&net.TCPConn{}); err == nil {
		t.Errorf("peer of a TCP connection = %+v, want an error", p)
	}
}

// TestOthersAreRefused connects as nobody through a socket whose mode somebody widened. The other process is this test
// binary once more.
func TestOthersAreRefused(t *testing.T) {
	const variable = "STOCKADE_TEST_ASK"
	if socket := os.Getenv(variable); socket != "" {
		ask(t, socket)
		return
	}
	if os.Getuid() != 0 {
		t.Skip("needs root, to become somebody else")
	}
	for name, uid := range map[string]uint32{"nobody": 65534, "root": 0} {
		t.Run(name, func(t *testing.T) {
			dir, err := os.MkdirTemp("", "stockade-api")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = os.RemoveAll(dir) }()
			s := New(Config{Socket: filepath.Join(dir, "s"), Daemon: &guard{}})
			if err := s.Listen(); err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- s.Serve() }()
			binary := filepath.Join(dir, "ask")
			for _, err := range []error{os.Chmod(dir, 0o755), os.Chmod(s.config.Socket, 0o666), copyFile(binary, "/proc/self/exe")} {
				if err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(binary, "-test.run=^TestOthersAreRefused$", "-test.v")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), variable+"="+s.config.Socket)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			want := "answer: 403 application/problem+json forbidden"
			if uid == 0 {
				want = "answer: 200 application/json"
			}
			if !strings.Contains(string(out), want) {
				t.Errorf("want %q:\n%s", want, out)
			}
			if err := errors.Join(s.Close(t.Context()), <-served); err != nil {
				t.Error(err)
			}
		})
	}
}

func ask(t *testing.T, socket string) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := fmt.Fprint(c, "GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var code string
	if body, _ := bufio.NewReader(resp.Body).ReadString('\n'); strings.Contains(body, `"code":"forbidden"`) {
		code = " forbidden"
	}
	fmt.Printf("answer: %d %s%s\n", resp.StatusCode, resp.Header.Get("Content-Type"), code)
}

func copyFile(to, from string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o755)
}

func TestUnknownPeerIsRefused(t *testing.T) {
	_, socket := serve(t, &guard{}, func(s *Server) {
		s.peer = func(net.Conn) (Peer, error) { return Peer{}, errors.New("no answer") }
	})
	_, err := dial(t, socket).Status(t.Context())
	var p *Problem
	if !errors.As(err, &p) || p.Code != CodeForbidden {
		t.Errorf("err = %v, want forbidden", err)
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path("stale"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()
	alive, err := net.Listen("unix", path("alive"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = alive.Close() }()
	first, err := listen(path("first"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	if err := os.WriteFile(path("file"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path("file"), path("link.lock")); err != nil {
		t.Fatal(err)
	}

	tests := []struct{ name, want string }{
		{"new", ""},
		{"stale", ""},
		{"alive", "a guard is running already"},
		{"first", "a guard is running already"},
		{"file", "a file that is not a socket"},
		{"link", "lock the socket"},
		{"file/below", "not a directory"},
		{strings.Repeat("x", 108), "longer than the 107 bytes"},
	}
	for _, tt := range tests {
		l, err := listen(path(tt.name))
		switch {
		case err == nil && tt.want == "":
			if c, err := net.Dial("unix", path(tt.name)); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			} else {
				_ = c.Close()
			}
		case err == nil || tt.want == "" || !strings.Contains(err.Error(), tt.want):
			t.Errorf("listen at %s: %v, want %q", tt.name, err, tt.want)
		}
		if l != nil {
			_ = l.Close()
		}
	}
	if text, err := os.ReadFile(path("file")); err != nil || string(text) != "precious" {
		t.Errorf("the file is now %q, %v", text, err)
	}
}

func TestListenAgainAfterClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for range 3 {
		l, err := listen(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := listen(path); !errors.As(err, new(*RunningError)) {
			t.Errorf("second guard: %v, want RunningError", err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDialErrors(t *testing.T) {
	dir := t.TempDir()
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "stale"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	_ = stale.Close()
	tests := []struct{ name, want string }{
		{"none", "no guard is running (no socket at " + dir + "/none)"},
		{"stale", "no guard is running (nobody listens at " + dir + "/stale)"},
	}
	for _, tt := range tests {
		_, err := Dial(filepath.Join(dir, tt.name))
		var dial *DialError
		if !errors.As(err, &dial) || err.Error() != tt.want || dial.Hint() == "" {
			t.Errorf("dial %s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if e := (&DialError{Socket: "s", Err: os.ErrPermission}); e.Error() != "not allowed to talk to the guard at s" || !strings.Contains(e.Hint(), "root") {
		t.Errorf("permission: %v / %s", e, e.Hint())
	}
}
