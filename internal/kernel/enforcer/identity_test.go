//go:build linux

package enforcer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/stockade-security/stockade/internal/kernel/probe"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

func needsLSM(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 || !probe.Trampolines() {
		t.Skip("needs root, and a kernel with BPF LSM")
	}
}

// hold puts a policy in force until the test ends.
func hold(t *testing.T, text string) (*Enforcer, *compile.Image) {
	t.Helper()
	needsLSM(t)
	pins, err := os.MkdirTemp("/sys/fs/bpf", "stockade-test-")
	if err != nil {
		t.Skipf("needs a bpf file system: %v", err)
	}
	e, err := Open(Config{
		Pins: pins, State: t.TempDir(), Trampolines: true, CgroupRoot: "/sys/fs/cgroup", Logger: slog.New(slog.DiscardHandler),
		Users: func(name string) []uint32 {
			n, err := strconv.ParseUint(name, 10, 32)
			if err != nil {
				return nil
			}
			return []uint32{uint32(n)}
		},
	})
	t.Cleanup(func() {
		if err := errors.Join(e.Release(), e.Close()); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return e, apply(t, e, text)
}

func apply(t *testing.T, e *Enforcer, text string) *compile.Image {
	t.Helper()
	p, err := policy.Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	img, err := compile.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	lacks, err := e.Apply(p, img, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, lack := range lacks {
		t.Errorf("not guarded: %s", lack)
	}
	return img
}

// who is the name of the entry that a process is labelled with, in task storage and, by process, in the hash.
func who(t *testing.T, e *Enforcer, img *compile.Image, pid int) string {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var stored, hashed identityLabel
	storedErr, hashedErr := e.maps["labels"].Lookup(uint32(fd), &stored), e.maps["labels_by_tid"].Lookup(uint32(pid), &hashed)
	slot := e.active.number
	if storedErr == nil && hashedErr == nil && stored.Task[slot].Subject != hashed.Task[slot].Subject {
		if e.types == nil || hasRdonlyCast(e) {
			t.Errorf("process %d is %d in storage and %d in the hash", pid, stored.Task[slot].Subject, hashed.Task[slot].Subject)
		}
	}
	n := stored.Task[slot].Subject
	if hashedErr == nil {
		n = hashed.Task[slot].Subject
	}
	if n == 0 {
		return ""
	}
	return img.Subjects[n].Name
}

// hasRdonlyCast: before that, in 6.1, the hash is the truth.
func hasRdonlyCast(e *Enforcer) bool {
	_, err := e.types.AnyTypesByName("bpf_rdonly_cast")
	return err == nil
}

// stay has a shell write its number and wait until its input ends, so that it is known to have begun.
const (
	stay    = `-c 'echo $$; read x'`
	sleeper = "sh " + stay
)

// process starts a command that writes the number of a process, and returns that one. It ends with the test.
func process(t *testing.T, c *exec.Cmd) int {
	t.Helper()
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var problems strings.Builder
	c.Stderr = &problems
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // it ends what reads from it
		_, _ = io.Copy(io.Discard, out)
		_ = c.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, problems.String())
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

const identityPolicy = `version: '1.0'
mode: enforce
processes:
  keeper: {match: {exe: [DIR/keeper]}, inherit: true, blocked_files: [/nowhere]}
  loner: {match: {exe: [DIR/loner]}, blocked_files: [/nowhere]}
  worker: {match: {exe: [DIR/worker]}, blocked_files: [/nowhere]}
  servant: {match: {exe: [DIR/servant], user: "4321"}, blocked_files: [/nowhere]}
  unit: {match: {exe: [DIR/placed], unit: stockade-test.service}, blocked_files: [/nowhere]}
  cgroup: {match: {exe: [DIR/placed], cgroup: "/stockade-test/*"}, blocked_files: [/nowhere]}
  box: {match: {exe: ["**"], container: "0123*"}, blocked_files: [/nowhere]}
`

// TestLabels: a label is given at exec, and cannot be shed.
func TestLabels(t *testing.T) {
	dir := realDir(t)
	shell := lookPath(t, "sh")
	for _, name := range []string{"keeper", "loner", "other", "worker", "servant", "placed"} {
		copyTo(t, shell, filepath.Join(dir, name))
	}
	self(t, dir, "deed")
	// in is a line of the shell by that name.
	in := func(name, line string) *exec.Cmd {
		return exec.Command(filepath.Join(dir, name), "-c", strings.NewReplacer("DIR", dir, "STAY", stay).Replace(line))
	}
	before := process(t, in("other", "exec DIR/worker STAY"))
	child := process(t, in("keeper", sleeper+"; :"))
	e, img := hold(t, strings.ReplaceAll(identityPolicy, "DIR", dir))
	for name, pid := range map[string]int{"worker": before, "keeper": child} {
		if got := who(t, e, img, pid); got != name {
			t.Errorf("running before: %q, not %q", got, name)
		}
	}
	for _, tt := range []struct {
		name string
		want string
		cmd  *exec.Cmd
	}{
		{"nobody's", "", in("other", "echo $$; read x")},
		{"by exec", "worker", in("other", "exec DIR/worker STAY")},
		{"inherited", "keeper", in("keeper", sleeper+"; :")},
		{"inherited over execs", "keeper", in("keeper", "DIR/other -c \"sh -c 'echo \\$\\$; read x'; :\"; :")},
		{"not inherited", "", in("loner", sleeper+"; :")},
		{"a child that executes nothing", "loner", in("loner", "(sh -c 'echo $PPID'; read x); :")},
		{"claimed below another", "worker", in("keeper", "exec DIR/worker STAY")},
		{"an orphan", "keeper", in("keeper", "exec 3<&0; ("+sleeper+" <&3 &); :")},
		{"another name", "keeper", in("keeper", "echo x >/proc/self/comm; "+sleeper+"; :")},
		{"another user", "keeper", in("keeper", "setpriv --reuid 4321 --clear-groups "+sleeper+"; :")},
		{"other namespaces", "keeper", in("keeper", "unshare -m -p -n -u -i -C --fork --kill-child sh -c 'read pid rest </proc/self/stat; echo $pid; read x'; :")},
		{"another root", "keeper", in("keeper", "chroot / "+sleeper+"; :")},
		{"a user", "servant", in("other", "exec setpriv --reuid 4321 --clear-groups DIR/servant STAY")},
		{"another user's", "", in("other", "exec DIR/servant STAY")},
		{"a private mount", "", in("other", `exec unshare -m sh -c "mount -t tmpfs none DIR/private && cp /bin/sh DIR/private/worker && mount --bind DIR/private DIR && exec DIR/worker -c 'echo \$\$; read x'"`)},
		{"by the leader's death", "worker", doing(filepath.Join(dir, "deed"), "become", filepath.Join(dir, "worker"), "-c", "echo $$; read x")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.MkdirAll(filepath.Join(dir, "private"), 0o755); err != nil {
				t.Fatal(err)
			}
			if got := who(t, e, img, process(t, tt.cmd)); got != tt.want {
				t.Errorf("%q, not %q", got, tt.want)
			}
		})
	}
	places(t, e, img, dir)
}

// places: claims by cgroup, unit and container.
func places(t *testing.T, e *Enforcer, img *compile.Image, dir string) {
	const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for _, tt := range []struct{ path, exe, want string }{
		{"stockade-test/x", "placed", "cgroup"},
		{"stockade-test.service", "placed", "unit"},
		{"stockade.slice/_stockade-test.service/below", "placed", "unit"},
		{"stockade-test.service/docker-" + id + ".scope", "placed", "box"},
		{"system.slice/" + id, "other", "box"},
		{"x.slice/y:cri-containerd:" + id + "/z.service", "other", "box"},
		{"system.slice/x" + id, "other", ""},
		{"system.slice/docker-" + id[1:] + "0.scope", "other", ""},
	} {
		t.Run(tt.path, func(t *testing.T) {
			top := filepath.Join("/sys/fs/cgroup", strings.SplitN(tt.path, "/", 2)[0])
			group := filepath.Join("/sys/fs/cgroup", tt.path)
			_, err := os.Stat(top)
			made := errors.Is(err, os.ErrNotExist)
			if err := os.MkdirAll(group, 0o755); err != nil {
				t.Skipf("needs a cgroup of its own: %v", err)
			}
			t.Cleanup(func() {
				for g := group; g != "/sys/fs/cgroup" && (made || g != top); g = filepath.Dir(g) {
					if err := unix.Rmdir(g); err != nil {
						t.Errorf("remove %s: %v", g, err)
					}
				}
			})
			line := fmt.Sprintf("echo $$ >%s/cgroup.procs; exec %s/%s %s", group, dir, tt.exe, stay)
			if got := who(t, e, img, process(t, exec.Command("/bin/sh", "-c", line))); got != tt.want {
				t.Errorf("%q, not %q", got, tt.want)
			}
		})
	}
}
