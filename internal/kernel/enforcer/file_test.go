//go:build linux

package enforcer

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

// put enforces a policy until the test ends.
func put(t *testing.T, text string) *Enforcer {
	t.Helper()
	p, err := policy.Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	img, err := compile.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	pins, err := os.MkdirTemp("/sys/fs/bpf", "stockade-test-")
	if err != nil {
		t.Skipf("needs a bpf file system: %v", err)
	}
	e, err := Open(Config{
		Pins: pins, State: t.TempDir(), Trampolines: true, CgroupRoot: "/sys/fs/cgroup",
		Users: func(string) []uint32 { return nil }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(e.Release(), e.Close()); err != nil {
			t.Error(err)
		}
	})
	lacks, err := e.Apply(p, img, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, lack := range lacks {
		t.Errorf("not guarded: %s", lack)
	}
	return e
}

// use is one way to use a file: it is given a path, of an existing file unless fresh.
type use struct {
	name  string
	fresh bool
	dir   bool
	do    func(path string) error
}

func uses() []use {
	open := func(flags int) func(string) error {
		return func(path string) error {
			fd, err := unix.Open(path, flags, 0o600)
			if err != nil {
				return err
			}
			return unix.Close(fd)
		}
	}
	beside := func(path string) string {
		return filepath.Join(filepath.Dir(filepath.Dir(path)), "beside-"+filepath.Base(path))
	}
	touch := func(path string) error { return os.WriteFile(path, nil, 0o600) }
	return []use{
		{name: "read", do: open(unix.O_RDONLY)},
		{name: "write", do: open(unix.O_WRONLY)},
		{name: "open and cut", do: open(unix.O_RDONLY | unix.O_TRUNC)},
		{name: "open again", do: func(path string) error {
			fd, err := unix.Open(path, unix.O_PATH, 0)
			if err != nil {
				return errors.New("O_PATH: " + err.Error())
			}
			defer unix.Close(fd)
			return open(unix.O_RDONLY)(fmt.Sprintf("/proc/self/fd/%d", fd))
		}},
		{name: "create", fresh: true, do: open(unix.O_RDONLY | unix.O_CREAT)},
		{name: "mkdir", fresh: true, do: func(path string) error { return unix.Mkdir(path, 0o700) }},
		{name: "mknod", fresh: true, do: func(path string) error { return unix.Mknod(path, unix.S_IFIFO|0o600, 0) }},
		{name: "symlink", fresh: true, do: func(path string) error { return unix.Symlink("/", path) }},
		{name: "bind", fresh: true, do: func(path string) error {
			l, err := net.Listen("unix", path)
			if err != nil {
				return err
			}
			return l.Close()
		}},
		{name: "unlink", do: unix.Unlink},
		{name: "rmdir", dir: true, do: unix.Rmdir},
		{name: "rename", do: func(path string) error { return unix.Rename(path, beside(path)) }},
		{name: "rename onto", do: func(path string) error {
			return errors.Join(touch(beside(path)), unix.Rename(beside(path), path))
		}},
		{name: "exchange", do: func(path string) error {
			return errors.Join(touch(beside(path)), unix.Renameat2(unix.AT_FDCWD, beside(path), unix.AT_FDCWD, path, unix.RENAME_EXCHANGE))
		}},
		{name: "link", do: func(path string) error { return unix.Link(path, beside(path)) }},
		{name: "link as", fresh: true, do: func(path string) error {
			return errors.Join(touch(beside(path)), unix.Link(beside(path), path))
		}},
		{name: "chmod", do: func(path string) error { return unix.Chmod(path, 0o640) }},
		{name: "chown", do: func(path string) error { return unix.Lchown(path, 1, 1) }},
		{name: "truncate", do: func(path string) error { return unix.Truncate(path, 1) }},
		{name: "setxattr", do: func(path string) error { return unix.Setxattr(path, "trusted.test", []byte("x"), 0) }},
		{name: "removexattr", do: func(path string) error { return unix.Removexattr(path, "trusted.there") }},
		{name: "acl", do: func(path string) error {
			acl := []byte{2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 4, 0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255}
			return unix.Setxattr(path, "system.posix_acl_access", acl, 0)
		}},
		{name: "times", do: func(path string) error {
			return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{{Sec: 1}, {Sec: 1}}, 0)
		}},
		{name: "touch", do: func(path string) error { return unix.UtimesNanoAt(unix.AT_FDCWD, path, nil, 0) }},
	}
}

// TestFileUses makes each use of a file below a blocked tree, which must be refused, and of one beside it, which must not.
func TestFileUses(t *testing.T) {
	needsLSM(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"tree", "free"} {
		for _, u := range uses() {
			plant(t, filepath.Join(dir, kind, u.name), u)
		}
	}
	put(t, fmt.Sprintf("version: '1.0'\nmode: enforce\ndefault: {blocked_files: [%q]}\n", dir+"/tree/**"))
	for _, u := range uses() {
		t.Run(u.name, func(t *testing.T) {
			if err := u.do(filepath.Join(dir, "tree", u.name)); !errors.Is(err, unix.EPERM) {
				t.Errorf("in the blocked tree: %v", err)
			}
			if err := u.do(filepath.Join(dir, "free", u.name)); err != nil {
				t.Errorf("beside it: %v", err)
			}
		})
	}
}

func plant(t *testing.T, path string, u use) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	var err error
	switch {
	case u.fresh:
	case u.dir:
		err = os.Mkdir(path, 0o755)
	default:
		err = errors.Join(os.WriteFile(path, []byte("text"), 0o600), unix.Setxattr(path, "trusted.there", []byte("x"), 0))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestFileNames reaches two blocked files, one by its exact path and one by a pattern, by other names.
func TestFileNames(t *testing.T) {
	needsLSM(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	vault, work := filepath.Join(dir, "vault"), filepath.Join(dir, "work")
	secret, leaf := filepath.Join(vault, "secret"), filepath.Join(vault, "tree/leaf")
	for _, d := range []string{filepath.Dir(leaf), filepath.Join(work, "mnt"), filepath.Join(work, "upper"), filepath.Join(work, "temporary")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{secret, leaf, filepath.Join(work, "mine")} {
		if err := os.WriteFile(f, []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(secret, filepath.Join(work, "link")); err != nil {
		t.Fatal(err)
	}
	before, err := os.Open(secret)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	put(t, fmt.Sprintf("version: '1.0'\nmode: enforce\ndefault: {blocked_files: [%q, %q]}\n", secret, vault+"/tree/**"))

	read := func(path string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		_, err = io.ReadAll(f)
		return errors.Join(err, f.Close())
	}
	mounted := func(mount func(to string) error, names ...string) func() error {
		return func() error {
			to := filepath.Join(work, "mnt")
			if err := mount(to); err != nil {
				return err
			}
			var errs []error
			for _, name := range names {
				if err := read(filepath.Join(to, name)); !errors.Is(err, unix.EPERM) {
					errs = append(errs, fmt.Errorf("%s: %w", name, err))
				}
			}
			if len(errs) > 0 {
				return fmt.Errorf("not refused: %w", errors.Join(errs...))
			}
			return unix.EPERM
		}
	}
	for _, tt := range []struct {
		name string
		do   func() error
	}{
		{"hard link", func() error { return read(filepath.Join(work, "link")) }},
		{"dots", func() error { return read(vault + "/../vault/./secret") }},
		{"proc root", func() error { return read("/proc/self/root" + leaf) }},
		{"bind mount", mounted(func(to string) error { return unix.Mount(vault, to, "", unix.MS_BIND, "") }, "secret", "tree/leaf")},
		{"bind mount of the tree", mounted(func(to string) error { return unix.Mount(vault+"/tree", to, "", unix.MS_BIND, "") }, "leaf")},
		{"overlay", mounted(func(to string) error {
			return unix.Mount("overlay", to, "overlay", 0, "lowerdir="+vault+",upperdir="+work+"/upper,workdir="+work+"/temporary")
		}, "secret", "tree/leaf")},
		{"overlay to write in", func() error {
			err := unix.Mount("overlay", work+"/mnt", "overlay", 0, "lowerdir="+vault+"/tree,upperdir="+work+"/upper,workdir="+work+"/temporary")
			if err != nil {
				return err
			}
			f, err := os.OpenFile(work+"/mnt/leaf", os.O_RDWR, 0)
			if err != nil {
				return err
			}
			return errors.Join(f.Close(), errors.New("not refused"))
		}},
		{"chroot", func() error {
			if err := errors.Join(unix.Chroot(vault), unix.Chdir("/")); err != nil {
				return err
			}
			if err := read("/secret"); !errors.Is(err, unix.EPERM) {
				return fmt.Errorf("the secret: %w", err)
			}
			return read("/tree/leaf")
		}},
		{"clone of a tree", func() error {
			fd, err := unix.OpenTree(unix.AT_FDCWD, vault, unix.OPEN_TREE_CLONE)
			if err != nil {
				return fmt.Errorf("open_tree: %w", err)
			}
			defer unix.Close(fd)
			f, err := unix.Openat(fd, "tree/leaf", unix.O_RDONLY, 0)
			if err != nil {
				return err
			}
			return errors.Join(unix.Close(f), errors.New("not refused"))
		}},
		{"received", func() error { return passOn(int(before.Fd())) }},
		{"mine", func() error { return errors.Join(read(filepath.Join(work, "mine")), unix.EPERM) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := apart(tt.do); !errors.Is(err, unix.EPERM) {
				t.Errorf("%v", err)
			}
		})
	}
}

// apart runs f on a thread with mounts, root and working directory of its own, which ends with it.
func apart(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if err := errors.Join(unix.Unshare(unix.CLONE_FS|unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, "")); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// passOn passes a descriptor through a socket; one that is not installed was refused.
func passOn(fd int) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	if err := unix.Sendmsg(pair[0], []byte("x"), unix.UnixRights(fd), nil, 0); err != nil {
		return err
	}
	space := make([]byte, unix.CmsgSpace(4))
	_, n, flags, _, err := unix.Recvmsg(pair[1], make([]byte, 1), space, 0)
	if err != nil {
		return err
	}
	if n == 0 && flags&unix.MSG_CTRUNC != 0 {
		return unix.EPERM
	}
	return errors.New("not refused")
}
