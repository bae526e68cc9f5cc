package limits

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

func image(tb testing.TB, text string) *compile.Image {
	tb.Helper()
	p, err := policy.Parse("p.yaml", []byte("version: \"1.0\"\n"+text))
	if err != nil {
		tb.Fatal(err)
	}
	img, err := compile.Compile(p)
	if err != nil {
		tb.Fatal(err)
	}
	return img
}

// host is a host of files: a cgroup tree, /proc, and who belongs to whom.
type host struct {
	t        *testing.T
	cgroupfs string
	procfs   string
	state    string
	subjects map[int]uint32
	procs    []Process
	reports  []Excess
	now      time.Time
	limiter  *Limiter
}

func newHost(t *testing.T) *host {
	dir := t.TempDir()
	h := &host{
		t: t, cgroupfs: filepath.Join(dir, "cgroup"), procfs: filepath.Join(dir, "proc"), state: filepath.Join(dir, "limits.json"),
		subjects: map[int]uint32{}, now: time.Unix(1000, 0),
	}
	for _, d := range []string{h.cgroupfs, h.procfs} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

// cgroup makes one with all controllers.
func (h *host) cgroup(name string) {
	for file, text := range map[string]string{
		"memory.max": "max\n", "cpu.max": "max 100000\n", "pids.max": "max\n",
		"memory.events": "low 0\nmax 0\noom_kill 0\n", "cpu.stat": "nr_periods 0\nnr_throttled 0\n", "pids.events": "max 0\n",
	} {
		h.put(name, file, text)
	}
}

func (h *host) put(cgroup, file, text string) {
	h.t.Helper()
	name := filepath.Join(h.cgroupfs, cgroup, file)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// limits is what the three files of a cgroup say.
func (h *host) limits(cgroup string) string {
	h.t.Helper()
	var out []string
	for _, r := range resources {
		text, err := os.ReadFile(filepath.Join(h.cgroupfs, cgroup, r.file))
		if err != nil {
			h.t.Fatal(err)
		}
		out = append(out, strings.TrimSuffix(string(text), "\n"))
	}
	return strings.Join(out, ", ")
}

func (h *host) run(pid int, subject uint32, unit, cgroup string) {
	h.subjects[pid] = subject
	h.procs = append(h.procs, Process{PID: pid, Unit: unit, Cgroup: cgroup})
}

// uses writes what /proc says of a process.
func (h *host) uses(pid, start, ticks, threads, kib int) {
	h.t.Helper()
	dir := filepath.Join(h.procfs, fmt.Sprint(pid))
	stat := fmt.Sprintf("%d (a) b) S 1 1 1 0 -1 0 0 0 0 0 %d 0 0 0 20 0 %d 0 %d 0 0", pid, ticks, threads, start)
	for name, text := range map[string]string{"stat": stat, "status": fmt.Sprintf("Name:\ta\nRssAnon:\t%d kB\nVmSwap:\t0 kB\n", kib)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			h.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *host) config(policy string) Config {
	return Config{
		Image: image(h.t, policy), Cgroupfs: h.cgroupfs, Procfs: h.procfs, State: h.state,
		Identify: func(_ *compile.Image, pid int) verdict.Task { return verdict.Task{Subject: h.subjects[pid]} },
		Report:   func(x Excess) { h.reports = append(h.reports, x) },
	}
}

func (h *host) start(policy string) {
	h.t.Helper()
	var err error
	if h.limiter, err = New(h.config(policy)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) sample() {
	h.t.Helper()
	h.now = h.now.Add(5 * time.Second)
	if err := h.limiter.Sample(h.now, h.procs); err != nil {
		h.t.Fatal(err)
	}
}

// told returns the reports since the last call, one line each.
func (h *host) told() string {
	var out []string
	for _, x := range h.reports {
		out = append(out, fmt.Sprintf("%s %s %s×%d: %s (%s)", x.Action, x.Mechanism, x.Cgroup, x.Count,
			verdict.Detail(x.Image, x.Task, &x.Access, x.Decision), x.Decision.Position(x.Image)))
	}
	h.reports = nil
	return strings.Join(out, "\n")
}

func (h *host) wants(what, cgroup, limits string) {
	h.t.Helper()
	if got := h.limits(cgroup); got != limits {
		h.t.Errorf("%s: %s has %s, want %s", what, cgroup, got, limits)
	}
}

const (
	web    = "/system.slice/web.service"
	other  = "/system.slice/other.service"
	none   = "max, max 100000, max"
	webPol = "mode: enforce\nprocesses:\n  web:\n    match: {unit: \"web*.service\"}\n    max_memory_mb: 64\n    max_cpu_percent: 150\n    max_processes: 7\n"
	webMax = "67108864, 150000 100000, 7"
)

func TestHold(t *testing.T) {
	h := newHost(t)
	h.cgroup(web)
	h.cgroup(other)
	h.run(10, 1, "web.service", web+"/worker")
	h.run(11, 1, "web.service", web)
	h.run(12, 0, "other.service", other)
	h.start(webPol)
	h.wants("before", web, none)
	h.sample()
	h.wants("held", web, webMax)
	h.wants("another", other, none)
	h.sample()
	for _, s := range h.limiter.Status() {
		if s.Subject != "web" || s.Cgroup != web || s.Reason != "" {
			t.Errorf("status %+v", s)
		}
	}

	h.limiter.Apply(image(t, strings.Replace(webPol, "64", "32", 1)+"    on_limit: kill\n"))
	h.sample()
	h.wants("tighter policy", web, "33554432, 150000 100000, 7")
	h.limiter.Apply(image(t, strings.ReplaceAll(strings.ReplaceAll(webPol, "    max_processes: 7\n", ""), "64", "128")))
	h.sample()
	h.wants("looser policy", web, "134217728, 150000 100000, max")

	h.put(web, "memory.max", "1000000\n") // as systemd does, tighter
	h.put(web, "cpu.max", "max 100000\n") // and looser
	h.sample()
	h.wants("others write", web, "1000000, 150000 100000, max")
	h.run(13, 0, "", web)
	h.sample()
	h.wants("a stranger is in there", web, "1000000, max 100000, max")
	if got := h.limiter.Status()[0]; got.Cgroup != "" || got.Reason != "its cgroup holds others' processes" {
		t.Errorf("status %+v", got)
	}
	h.procs = h.procs[:3]
	h.sample()
	h.wants("it has gone", web, "1000000, 150000 100000, max")
	if err := h.limiter.Release(); err != nil {
		t.Fatal(err)
	}
	h.wants("released", web, "1000000, max 100000, max")
	if _, err := os.Stat(h.state); !os.IsNotExist(err) {
		t.Errorf("the state file is left: %v", err)
	}
	if h.told() != "" {
		t.Error("something was told")
	}
}

// TestModes writes only in enforce mode, and only where there is something to write to.
func TestModes(t *testing.T) {
	for name, c := range map[string]struct {
		edit   func(*Config)
		remove string
		reason string
	}{
		"audit":         {func(c *Config) { c.Mode = policy.ModeAudit }, "", "nothing is written in mode audit"},
		"alert":         {func(c *Config) { c.Mode = policy.ModeAlert }, "", "nothing is written in mode alert"},
		"no cgroups":    {func(c *Config) { c.Cgroupfs = "" }, "", "there is no cgroup v2 tree"},
		"no controller": {func(*Config) {}, "memory.max", web + " has no memory.max: its controller is not on there"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.cgroup(web)
			h.run(10, 1, "web.service", web)
			cfg := h.config("mode: enforce\nprocesses:\n  web:\n    match: {unit: web.service}\n    max_memory_mb: 64\n")
			c.edit(&cfg)
			var err error
			if h.limiter, err = New(cfg); err != nil {
				t.Fatal(err)
			}
			if c.remove != "" {
				if err := os.Remove(filepath.Join(h.cgroupfs, web, c.remove)); err != nil {
					t.Fatal(err)
				}
			} else {
				defer h.wants("afterwards", web, none)
			}
			h.sample()
			if got := h.limiter.Status(); len(got) != 1 || got[0].Reason != c.reason || got[0].Cgroup != "" {
				t.Errorf("status %+v", got)
			}
		})
	}
}

// TestRefusals reports what the kernel counts, at most once a minute.
func TestRefusals(t *testing.T) {
	h := newHost(t)
	h.cgroup(web)
	h.put(web, "pids.events", "max 5\n")
	h.run(10, 1, "web.service", web)
	h.start(webPol)
	h.sample()
	h.sample()
	if got := h.told(); got != "" {
		t.Errorf("of before: %s", got)
	}
	h.put(web, "pids.events", "max 8\n")
	h.put(web, "memory.events", "low 0\nmax 7\noom_kill 1\noom_group_kill 0\n")
	h.put(web, "cpu.stat", "nr_periods 9\nnr_throttled 4\n")
	h.sample()
	want := "killed cgroup " + web + "×1: blocked use of resources: 65 MiB of memory, 64 allowed (rule: max_memory_mb) (p.yaml:6)\nblocked cgroup " + web +
		"×4: blocked use of resources: 151 % of a CPU, 150 allowed (rule: max_cpu_percent) (p.yaml:7)\nblocked cgroup " + web +
		"×3: blocked use of resources: 8 processes, 7 allowed (rule: max_processes) (p.yaml:8)"
	if diff := cmp.Diff(want, h.told()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	h.put(web, "pids.events", "max 9\n")
	h.sample()
	h.put(web, "pids.events", "max 11\n")
	h.sample()
	if got := h.told(); got != "" {
		t.Errorf("too soon: %s", got)
	}
	h.now = h.now.Add(time.Minute)
	h.put(web, "pids.events", "max 12\n")
	h.sample()
	if got := h.told(); !strings.HasPrefix(got, "blocked cgroup "+web+"×4: ") {
		t.Errorf("after a minute: %s", got)
	}
	h.put(web, "pids.events", "max 13\n")
	h.sample()
	h.limiter.Apply(image(t, webPol))
	if got := h.told(); !strings.HasPrefix(got, "blocked cgroup "+web+"×1: ") {
		t.Errorf("before a change: %s", got)
	}
}

// TestSamples reports what lasts.
func TestSamples(t *testing.T) {
	h := newHost(t)
	h.run(10, 1, "", "/a")
	h.run(11, 1, "", "/b")
	h.run(12, 0, "", "/b")
	h.run(13, 1, "", "/gone")
	pol := "mode: MODE\nprocesses:\n  app:\n    max_memory_mb: 4\n    max_cpu_percent: 50\n    max_processes: 3\n"
	h.start(strings.Replace(pol, "MODE", "alert", 1))
	use := func(ticks, threads, kib int) {
		h.uses(10, 100, ticks, 1, 1000)
		h.uses(11, 100, 0, threads, kib)
		h.uses(12, 100, ticks*100, 100, 1<<20)
		h.sample()
	}
	use(1000, 2, 3096)
	use(1250, 2, 3096) // all at their limit
	use(1500, 3, 3097) // memory and tasks beyond it
	use(1751, 2, 3097) // memory, and processor time
	use(2002, 3, 3097)
	if got := h.told(); !strings.HasPrefix(got, "alerted sample ×0: ") || strings.Count(got, "\n") != 0 || !strings.Contains(got, "p.yaml:5") {
		t.Errorf("memory was beyond its limit for 10 s, and nothing else was: %s", got)
	}
	use(2253, 3, 10)
	if got := h.told(); !strings.Contains(got, "p.yaml:6") || strings.Count(got, "\n") != 0 {
		t.Errorf("so was processor time now: %s", got)
	}
	h.limiter.Apply(image(t, strings.Replace(pol, "MODE", "audit", 1)))
	for i := range 3 {
		use(2253+i, 9, 10)
	}
	if got := h.told(); !strings.HasPrefix(got, "logged sample ×0: ") || !strings.Contains(got, "p.yaml:7") {
		t.Errorf("audit: %s", got)
	}
	for _, x := range h.reports {
		if x.Action == event.ActionBlocked {
			t.Errorf("%+v", x)
		}
	}
}

func TestConfig(t *testing.T) {
	h := newHost(t)
	for name, edit := range map[string]func(*Config){
		"no image": func(c *Config) { c.Image = nil }, "nobody identifies": func(c *Config) { c.Identify = nil }, "no state": func(c *Config) { c.State = "" },
	} {
		cfg := h.config(webPol)
		edit(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s is fine", name)
		}
	}
}
