package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/stockade-security/stockade/event"
)

// needRoot skips a test that loads programs.
func needRoot(t *testing.T) {
	t.Helper()
	if err := look().privileges(); err != nil {
		t.Skipf("needs root: %v", err)
	}
}

// leftovers counts this package's programs in the kernel.
func leftovers() int {
	n := 0
	for _, p := range BPFPrograms() {
		if strings.Contains(p.Value, `name="`+programName) {
			n++
		}
	}
	return n
}

// gone waits until the kernel has freed this package's programs, and so their links: it does some time after the last close.
func gone(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for leftovers() > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d programs left in the kernel", leftovers())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestRun tries everything on this kernel. What every kernel above the floor has must be found: a mistake in a trial program would
// otherwise pass for a missing mechanism.
func TestRun(t *testing.T) {
	needRoot(t)
	Run(t.Context()) // opens what the runtime and the library keep open
	fds := descriptors(t)
	r := Run(t.Context())
	if now := descriptors(t); now != fds {
		t.Errorf("%d descriptors before, %d after", fds, now)
	}
	gone(t)

	always := []string{
		"privileges", "btf", "bpf_syscall", "raw_tracepoint", "tp_btf", "ring_buffer", "bpf_loop", "bpf_timer", "task_iterator",
		"task_storage_tracing", "socket_storage", "xdp", "tc", "seccomp",
	}
	if CgroupRoot() != "" {
		always = append(always, "cgroup_v2", "cgroup_connect4", "cgroup_connect6", "cgroup_sendmsg4", "cgroup_bind4", "cgroup_sock_create", "cgroup_skb")
	}
	if h := look(); h.major > 6 || h.minor >= 6 {
		always = append(always, "tcx")
	}
	for _, m := range r.Mechanisms {
		if slices.Contains(always, m.Name) && !m.Available {
			t.Errorf("%s is %s: %s (%s)", m.Name, m.State(), m.Reason, m.Evidence)
		}
		if m.Purpose == "" || m.Evidence == "" {
			t.Errorf("%s lacks purpose or evidence: %+v", m.Name, m)
		}
		if m.Available != (m.Reason == "") || m.Available && m.Unknown {
			t.Errorf("%s contradicts itself: %+v", m.Name, m)
		}
		if strings.Contains(m.Reason+m.Remedy+m.Evidence, "\n") {
			t.Errorf("%s has a text of several lines: %+v", m.Name, m)
		}
		if strings.Contains(m.Reason, "invalid opcode") || strings.Contains(m.Reason, "unforeseen") {
			t.Errorf("the trial of %s is at fault: %s", m.Name, m.Reason)
		}
	}
	if got, want := Trampolines(), r.Has("lsm"); got != want {
		t.Errorf("Trampolines() = %v, and lsm is %v", got, want)
	}
	if r.Has("lsm") && !r.Has("fexit") {
		t.Error("LSM programs are called and fexit programs are not: Trampolines rests on the contrary")
	}
	gone(t)
}

// TestExpected is for a machine whose abilities are known: the variable holds names of mechanisms, a leading ! for those that must be missing.
func TestExpected(t *testing.T) {
	names := os.Getenv("STOCKADE_EXPECT_MECHANISMS")
	if names == "" {
		t.Skip("STOCKADE_EXPECT_MECHANISMS does not say what this kernel should have")
	}
	r := Run(t.Context())
	for _, name := range strings.Split(names, ",") {
		name, missing := strings.CutPrefix(name, "!")
		if r.Has(name) == missing {
			i := slices.IndexFunc(r.Mechanisms, func(m Mechanism) bool { return m.Name == name })
			if i < 0 {
				t.Fatalf("no mechanism is named %s", name)
			}
			t.Errorf("%s: %+v", name, r.Mechanisms[i])
		}
	}
	if want := r.Has("lsm"); Trampolines() != want {
		t.Errorf("Trampolines() = %v, and lsm is %v", !want, want)
	}
}

func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, m := range Run(ctx).Mechanisms {
		if m.Available || !m.Unknown {
			t.Errorf("%s was tried after the context had ended: %+v", m.Name, m)
		}
	}
}

func TestPanic(t *testing.T) {
	c := check{name: "x", purpose: "p", evidence: "e", try: func(context.Context) (string, error) { panic("ouch") }}
	if m := c.run(t.Context(), nil); m.Available || !strings.Contains(m.Reason, "ouch") {
		t.Errorf("a panic became %+v", m)
	}
}

// TestUnprivileged runs this test again as an ordinary user, who must get a sensible answer.
func TestUnprivileged(t *testing.T) {
	if os.Getenv("STOCKADE_PROBE_CHILD") != "" {
		r := Run(t.Context())
		if err := r.WriteJSON(os.Stdout); err != nil {
			t.Fatal(err)
		}
		var e *Error
		if err := Ready(); !errors.As(err, &e) || e.Lack != NotRoot || e.Hint() == "" {
			t.Errorf("Ready() = %v for an ordinary user", err)
		}
		if Trampolines() {
			t.Error("Trampolines() is true for an ordinary user")
		}
		if facts := BPFPrograms(); len(facts) != 1 || facts[0].Name != "list" {
			t.Errorf("BPFPrograms() = %v for an ordinary user", facts)
		}
		return
	}
	needRoot(t)
	// The copy lies where an ordinary user may execute it.
	dir, err := os.MkdirTemp("", "probe")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	self, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = errors.Join(os.Chmod(dir, 0o755), os.WriteFile(dir+"/test", self, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), dir+"/test", "-test.run=^TestUnprivileged$")
	cmd.Dir, cmd.Env = "/", append(os.Environ(), "STOCKADE_PROBE_CHILD=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("as nobody: %v\n%s", err, out)
	}
	var r Report
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	states := map[string]string{}
	for _, m := range r.Mechanisms {
		states[m.Name] = m.State()
	}
	for name, want := range map[string]string{"privileges": "missing", "btf": "available", "lsm": "unknown", "xdp": "unknown", "seccomp": "available"} {
		if states[name] != want {
			t.Errorf("as nobody %s is %s, want %s", name, states[name], want)
		}
	}
	for _, g := range r.Observe {
		if g.Rung != "none" || !g.Unknown {
			t.Errorf("as nobody: %+v", g)
		}
	}
}

// TestBPFPrograms finds a program that the test itself has loaded.
func TestBPFPrograms(t *testing.T) {
	needRoot(t)
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "find_me", Type: ebpf.SocketFilter, Instructions: returning(0), License: license})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if !slices.ContainsFunc(BPFPrograms(), func(f event.Posture) bool {
		return f.Subject == "bpf_program" && strings.HasPrefix(f.Value, `type=SocketFilter name="find_me" tag=`) && strings.HasSuffix(f.Value, " uid=0")
	}) {
		t.Errorf("the program is not in the list: %v", BPFPrograms())
	}
}

func TestReady(t *testing.T) {
	needRoot(t)
	err := Ready()
	var e *Error
	if err != nil && (!errors.As(err, &e) || e.Hint() == "" || strings.Contains(err.Error(), "\n")) {
		t.Errorf("Ready() = %v", err)
	}
	r := Run(t.Context())
	ready := r.Has("kernel_version") && r.Has("btf") && r.Has("privileges") && r.Has("bpf_syscall") && r.Has("kernel_reads") && r.Has("bpffs")
	if ready != (err == nil) {
		t.Errorf("Ready() = %v, and by the report it is %v", err, ready)
	}
}

func TestCgroupMount(t *testing.T) {
	for text, want := range map[string]string{
		"": "",
		"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n": "/sys/fs/cgroup/unified",
		"41 31 0:38 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n":                                                           "",
		`41 31 0:38 / /mnt/a\040b\134 rw shared:3 - cgroup2 cgroup2 rw`:                                                           `/mnt/a b\`,
		"41 31 - cgroup2 x": "",
	} {
		if got := cgroupMount(strings.NewReader(text)); got != want {
			t.Errorf("cgroupMount(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestHost(t *testing.T) {
	for _, tt := range []struct {
		h    host
		lack Lack
	}{
		{host{major: 5, minor: 19, release: "5.19"}, KernelTooOld},
		{host{major: 6, minor: 0}, KernelTooOld},
		{host{major: 6, minor: 1}, ""},
		{host{major: 7, minor: 0}, ""},
		{host{}, KernelTooOld},
	} {
		err := tt.h.version()
		var e *Error
		if errors.As(err, &e) != (tt.lack != "") || e != nil && e.Lack != tt.lack {
			t.Errorf("%+v: %v, want %q", tt.h, err, tt.lack)
		}
	}
	full := host{caps: 1<<41 - 1}
	if err := full.privileges(); err != nil {
		t.Errorf("all capabilities: %v", err)
	}
	full.userNamespace = true
	if err := full.privileges(); err == nil || !strings.Contains(err.Error(), "user namespace") {
		t.Errorf("all capabilities in a user namespace: %v", err)
	}
}

func BenchmarkTrampolines(b *testing.B) {
	for b.Loop() {
		Trampolines()
	}
}
