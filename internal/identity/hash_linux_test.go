package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// program writes a file and returns its path and key.
func program(t *testing.T, text string) (string, fileKey) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prog")
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return path, fileKey{deviceText(st.Dev), st.Ino, st.Ctim.Nano()}
}

func TestDigest(t *testing.T) {
	path, key := program(t, "hello")
	other, _ := program(t, "other")
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path string
		key  fileKey
		want string
		err  error
	}{
		"same":                 {path, key, hashed("hello"), nil},
		"change time unknown":  {path, fileKey{key.device, key.inode, 0}, hashed("hello"), nil},
		"changed since":        {path, fileKey{key.device, key.inode, key.changedNS - 1}, "", errNotSameFile},
		"another inode":        {path, fileKey{key.device, key.inode + 1, key.changedNS}, "", errNotSameFile},
		"another device":       {path, fileKey{"9:99", key.inode, key.changedNS}, "", errNotSameFile},
		"another has the name": {other, key, "", errNotSameFile},
		"fifo":                 {fifo, key, "", errNotSameFile},
		"gone":                 {path + "x", key, "", errNotSameFile},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHasher(HashConfig{}.withDefaults(), "/proc")
			got, err := h.digest(t.Context(), hashAsk{key: c.key, of: processKey{pid: 1 << 30}, path: c.path})
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("got %q, %v", got, err)
			}
			if sum, ok := h.cached(key); ok != (c.want != "") || sum != c.want {
				t.Errorf("cached %q, %v", sum, ok)
			}
		})
	}
}

func TestDigestBounds(t *testing.T) {
	text := strings.Repeat("x", 1<<20)
	path, key := program(t, text)
	ask := hashAsk{key: key, of: processKey{pid: 1 << 30}, path: path}
	small := newHasher(HashConfig{MaxFileBytes: 1<<20 - 1}.withDefaults(), "/proc")
	if _, err := small.digest(t.Context(), ask); !errors.Is(err, errTooLarge) {
		t.Errorf("got %v", err)
	}
	slow := newHasher(HashConfig{BytesPerSecond: 4 << 20}.withDefaults(), "/proc")
	begin := time.Now()
	if sum, err := slow.digest(t.Context(), ask); err != nil || sum != hashed(text) {
		t.Errorf("got %q, %v", sum, err)
	}
	if took := time.Since(begin); took < 140*time.Millisecond {
		t.Errorf("1 MiB at 4 MiB/s took %v", took)
	}
	slower := newHasher(HashConfig{BytesPerSecond: 1}.withDefaults(), "/proc")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := slower.digest(ctx, ask); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestDigestReachesTheProcess(t *testing.T) {
	path, key := program(t, "hello")
	cfg := testConfig(t)
	cfg.Procfs, cfg.Hash.Off = "/proc", false
	tab := New(cfg)
	exec := func(pid int) string {
		return tab.Exec(ExecInfo{
			Task: task(pid, 101*second, "prog"), Exe: path, Inode: key.inode, Device: key.device, ChangedNS: key.changedNS,
		}).SHA256
	}
	if got := exec(1 << 30); got != "" {
		t.Errorf("%q before anything was read", got)
	}
	run(t, tab)
	eventually(t, func() bool { return tab.Lookup(task(1<<30, 101*second, "")).SHA256 == hashed("hello") })
	if got := exec(1<<30 + 1); got != hashed("hello") {
		t.Errorf("the second exec of the same file has %q", got)
	}
	child := tab.Fork(ForkInfo{Parent: task(1<<30, 101*second, ""), Child: task(1<<30+2, 102*second, "")})
	if child.SHA256 != hashed("hello") {
		t.Errorf("the child has %q", child.SHA256)
	}
}
