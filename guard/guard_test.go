package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/guard"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/verdict"
)

const rules = `processes:
  app:
    allowed_exec: [git]
    blocked_files: ["/etc/shadow", "/srv/** w"]
    allowed_network: ["10.0.0.0/8:443/tcp", "*.example.org:443/tcp", "[2001:db8::/32]:53/udp", "unix:/run/app.sock"]
    blocked_syscalls: [ptrace]
    max_memory_mb: 512
    max_cpu_percent: 80
  open:
    allowed_network: ["0.0.0.0/0:443", "::/0"]
  strict:
    mode: alert
    allowed_syscalls: ["@basic-io"]
  placed:
    match: {exe: /opt/placed/bin/*}
    allowed_exec: []
`

func load(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func start(t testing.TB, text string) *guard.Guard {
	t.Helper()
	g, err := guard.New(load(t, text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return g
}

func TestChecks(t *testing.T) {
	g := start(t, rules)
	exec := func(process, program string) func() *event.Violation {
		return func() *event.Violation { return g.CheckExec(process, 7, program) }
	}
	network := func(process, address string) func() *event.Violation {
		return func() *event.Violation { return g.CheckNetwork(process, 7, address) }
	}
	call := func(process, name string) func() *event.Violation {
		return func() *event.Violation { return g.CheckSyscall(process, 7, name) }
	}
	file := func(name string, access policy.Access) func() *event.Violation {
		return func() *event.Violation { return g.CheckFileAccess("app", 7, name, access) }
	}
	memory := func(mebibytes int) func() *event.Violation {
		return func() *event.Violation { return g.CheckMemory("app", 7, mebibytes) }
	}
	cpu := func(percent float64) func() *event.Violation {
		return func() *event.Violation { return g.CheckCPU("app", 7, percent) }
	}
	for _, tt := range []struct {
		name   string
		check  func() *event.Violation
		detail string
	}{
		{"exec allowed", exec("app", "/usr/bin/git"), ""},
		{"exec", exec("app", "/bin/sh"), "unauthorized exec: /bin/sh"},
		{"exec by path", exec("/usr/bin/app", "/bin/sh"), "unauthorized exec: /bin/sh"},
		{"exec of a stranger", exec("other", "/bin/sh"), ""},
		{"exec of another place", exec("/opt/placed/bin/x", "/bin/sh"), "unauthorized exec: /bin/sh"},
		{"exec of a base name for an entry by path", exec("placed", "/bin/sh"), ""},
		{"file", file("/etc/../etc/shadow", policy.AccessRead), "blocked file access: /etc/shadow (pattern: /etc/shadow)"},
		{"file read", file("/srv/a", policy.AccessRead), ""},
		{"file written", file("/srv/a", policy.AccessWrite), "blocked file access: /srv/a (pattern: /srv/** w)"},
		{"address", network("app", "10.1.2.3:443"), ""},
		{"address, other port", network("app", "10.1.2.3:80"), "unauthorized network access: 10.1.2.3:80/tcp"},
		{"address, other protocol", network("app", "10.1.2.3:443/UDP"), "unauthorized network access: 10.1.2.3:443/udp"},
		{"IPv6", network("app", "[2001:db8::1]:53/udp"), ""},
		{"name", network("app", "api.example.org:443"), ""},
		{"name that nothing names", network("app", "example.com:443"), "unauthorized network access: 0.0.0.0:443/tcp (example.com)"},
		{"name where every address is allowed", network("open", "example.com:443"), ""},
		{"no address", network("app", "nonsense"), "unauthorized network access: 0.0.0.0:0/tcp (nonsense)"},
		{"port out of range", network("app", "10.1.2.3:70000"), "unauthorized network access: 0.0.0.0:0/tcp (10.1.2.3)"},
		{"UNIX socket", network("app", "unix:/run/app.sock"), ""},
		{"another UNIX socket", network("app", "unix:/run/docker.sock"), "unauthorized network access: unix:/run/docker.sock"},
		{"system call", call("app", "PTRACE"), "blocked system call: ptrace (rule: ptrace)"},
		{"system call allowed", call("app", "read"), ""},
		{"system call that there is not", call("strict", "frobnicate"), "unauthorized system call: number 4294967295"},
		{"memory", memory(512), ""},
		{"too much memory", memory(513), "blocked use of resources: 513 MiB of memory, 512 allowed (rule: max_memory_mb)"},
		{"negative memory", memory(-1), ""},
		{"CPU", cpu(80), ""},
		{"too much CPU", cpu(80.01), "blocked use of resources: 81 % of a CPU, 80 allowed (rule: max_cpu_percent)"},
		{"negative CPU", cpu(-3), ""},
		{"infinite CPU", cpu(math.Inf(1)), "blocked use of resources: 18446744073709551615 % of a CPU, 80 allowed (rule: max_cpu_percent)"},
		{"CPU that is no number", cpu(math.NaN()), "blocked use of resources: 18446744073709551615 % of a CPU, 80 allowed (rule: max_cpu_percent)"},
	} {
		got := ""
		if v := tt.check(); v != nil {
			got = v.Detail
		}
		if got != tt.detail {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.detail)
		}
	}
}

func TestViolation(t *testing.T) {
	g := start(t, rules)
	before := time.Now()
	got := g.CheckSyscall("/usr/bin/strict", 7, "ptrace")
	if got == nil || got.Timestamp.Before(before) || got.Timestamp.After(time.Now()) {
		t.Fatalf("%+v", got)
	}
	want := &event.Violation{
		Timestamp: got.Timestamp, ProcessName: "strict", PID: 7, Type: "syscall", Detail: "unauthorized system call: ptrace", Severity: event.SeverityCritical,
		Action: event.ActionAlerted, PolicyMode: "alert", Rule: "p.yaml:13", Subject: "strict", Mechanism: "guard", WouldDeny: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if v := g.Check(verdict.Facts{Exe: "/bin/app", UID: 5}, 7, &verdict.Access{Op: verdict.OpConnect}); v == nil || v.Detail != "unauthorized network access: packet socket" {
		t.Errorf("%+v", v)
	}
}

func TestModes(t *testing.T) {
	g := start(t, "mode: alert\n"+rules)
	if mode := g.CurrentMode(); mode != policy.ModeAlert {
		t.Errorf("mode %s", mode)
	}
	if err := g.SetMode("enforced"); err == nil || g.CurrentMode() != policy.ModeAlert {
		t.Errorf("mode %s after %v", g.CurrentMode(), err)
	}
	for mode, action := range map[policy.Mode]event.Action{
		policy.ModeAudit: event.ActionLogged, policy.ModeAlert: event.ActionAlerted, policy.ModeEnforce: event.ActionAlerted,
	} {
		if err := g.SetMode(mode); err != nil || g.CurrentMode() != mode {
			t.Fatalf("mode %s after %v", g.CurrentMode(), err)
		}
		checks := map[string]*event.Violation{
			"exec": g.CheckExec("app", 1, "/bin/sh"), "syscall": g.CheckSyscall("app", 1, "ptrace"), "file": g.CheckFileAccess("app", 1, "/etc/shadow", policy.AccessRead),
			"network": g.CheckNetwork("app", 1, "192.0.2.1:1"), "memory": g.CheckMemory("app", 1, 9999), "cpu": g.CheckCPU("app", 1, 9999), "strict": g.CheckSyscall("strict", 1, "bpf"),
		}
		for name, v := range checks {
			if v == nil || v.Action != action || v.PolicyMode != string(mode) {
				t.Errorf("%s in mode %s: %+v", name, mode, v)
			}
		}
	}
	if err := g.SetPolicy(load(t, "processes: {app: {allowed_exec: [sh]}}")); err != nil {
		t.Fatal(err)
	}
	if v := g.CheckExec("app", 1, "/bin/sh"); v != nil {
		t.Errorf("the old policy is in force: %+v", v)
	}
	if err := g.SetPolicy(nil); err == nil {
		t.Error("a guard without a policy")
	}
	if _, err := guard.New(nil); err == nil {
		t.Error("a guard made without a policy")
	}
	if _, err := guard.LoadPolicy("/nonexistent/policy.yaml"); err == nil {
		t.Error("a policy that there is not")
	}
}

func TestStats(t *testing.T) {
	g := start(t, rules)
	for range 3 {
		g.CheckExec("app", 1, "/usr/bin/git")
	}
	g.CheckExec("/usr/bin/app", 1, "/bin/sh")
	g.CheckMemory("strict", 1, 1)
	g.CheckNetwork("open", 1, "example.com:443") // one check, although it looks twice
	got := g.Stats()
	want := guard.Stats{
		TotalEvents: 6, Violations: 1,
		ByProcess: map[string]guard.Count{"app": {Events: 4, Violations: 1}, "strict": {Events: 1}, "open": {Events: 1}},
		ByType:    map[string]guard.Count{"exec": {Events: 4, Violations: 1}, "resource": {Events: 1}, "network": {Events: 1}},
		StartedAt: got.StartedAt,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(b, &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"total_events", "violations", "by_process", "by_type", "started_at"} {
		if _, ok := keys[key]; !ok {
			t.Errorf("no %s in %s", key, b)
		}
	}
	got.ByProcess["app"] = guard.Count{} // the caller's own
	if g.Stats().ByProcess["app"].Events != 4 {
		t.Error("a caller can change the guard's counts")
	}
}

func TestTypes(t *testing.T) {
	g := start(t, rules)
	for op := verdict.OpExec; op <= verdict.OpEgress; op++ {
		g.Check(verdict.Facts{Exe: "/bin/x"}, 1, &verdict.Access{Op: op})
	}
	got := map[string]uint64{}
	for typ, count := range g.Stats().ByType {
		got[typ] = count.Events
	}
	want := map[string]uint64{
		"exec": 1, "file": 1, "network": 4, "dns": 1, "syscall": 1, "capability": 1, "process": 2, "kernel": 8, "resource": 3, "firewall": 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestStatsAreBounded(t *testing.T) {
	g := start(t, rules)
	for i := range 3000 {
		g.CheckExec(fmt.Sprint("p", i), 1, "/bin/sh")
	}
	by := g.Stats().ByProcess
	if len(by) != 1025 || by["(other)"].Events != 3000-1024 {
		t.Errorf("%d processes, %+v others", len(by), by["(other)"])
	}
}

// TestHandlers: a handler that blocks or panics costs its own violations only.
func TestHandlers(t *testing.T) {
	g := start(t, rules)
	release, entered := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var told []string
	g.OnViolation(nil)
	g.OnViolation(func(event.Violation) {
		once.Do(func() {
			close(entered)
			<-release
		})
	})
	g.OnViolation(func(v event.Violation) {
		told = append(told, v.Detail)
		panic("a bad handler")
	})
	g.CheckExec("app", 1, "/bin/first")
	<-entered
	const queued, more = 1024, 10
	for i := range queued + more {
		if g.CheckExec("app", 1, fmt.Sprint("/bin/", i)) == nil {
			t.Fatal("no violation")
		}
	}
	if n := g.Stats().Dropped; n != more {
		t.Errorf("%d dropped, want %d", n, more)
	}
	close(release)
	for range 2 {
		if err := g.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	s := g.Stats()
	if len(told) != 1+queued || told[0] != "unauthorized exec: /bin/first" || told[queued] != "unauthorized exec: /bin/1023" || s.Panics != 1+queued {
		t.Errorf("told %d times, %d panics", len(told), s.Panics)
	}
	g.CheckExec("app", 1, "/bin/sh")
	if n := g.Stats().Dropped; n != more+1 || len(told) != 1+queued {
		t.Errorf("after Close: %d dropped, told %d times", n, len(told))
	}
}

// TestCloseGivesUp: a handler that never returns holds Close no longer than its context.
func TestCloseGivesUp(t *testing.T) {
	g := start(t, rules)
	release, entered := make(chan struct{}), make(chan struct{})
	g.OnViolation(func(event.Violation) {
		entered <- struct{}{}
		<-release
	})
	g.CheckExec("app", 1, "/bin/sh")
	<-entered
	g.CheckExec("app", 1, "/bin/sh")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("closed with %v", err)
	}
	close(release)
	if err := g.Close(context.Background()); err != nil || g.Stats().Dropped != 1 {
		t.Errorf("%v, %d dropped", err, g.Stats().Dropped)
	}
}

// TestRaces does everything at once, for the race detector.
func TestRaces(t *testing.T) {
	g := start(t, rules)
	other := load(t, "processes: {app: {allowed_exec: []}}")
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for i := range 200 {
				switch (i + worker) % 6 {
				case 0:
					if err := g.SetPolicy(other); err != nil {
						t.Error(err)
					}
				case 1:
					if err := g.SetMode(policy.ModeEnforce); err != nil {
						t.Error(err)
					}
				case 2:
					g.OnViolation(func(event.Violation) {})
				case 3:
					g.Stats()
					g.CurrentMode()
				default:
					if g.CheckExec("app", 1, "/bin/sh") == nil {
						t.Error("no violation")
					}
				}
			}
		})
	}
	all.Wait()
	if s := g.Stats(); s.TotalEvents != s.Violations || s.TotalEvents < 200 {
		t.Errorf("%+v", s)
	}
}
