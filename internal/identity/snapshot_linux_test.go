package identity

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stockade-security/stockade/event"
)

// fakeProc is one process of a made-up /proc.
type fakeProc struct {
	pid, ppid int
	comm, exe string
	ticks     uint64
	flags     string
}

func (p fakeProc) write(t *testing.T, procfs string) {
	t.Helper()
	dir := filepath.Join(procfs, strconv.Itoa(p.pid))
	files := map[string]string{
		"stat":     statLine(strconv.Itoa(p.pid), p.comm, strconv.Itoa(p.ppid), "0"+p.flags, fmt.Sprint(p.ticks), "1"),
		"status":   "Uid:\t1000\t1000\t1000\t1000\nGid:\t5\t6\t7\t8\nCapEff:\t0000000000000001\n",
		"cmdline":  p.comm + "\x00--token=x\x00",
		"cgroup":   "0::/system.slice/" + p.comm + ".service\n",
		"loginuid": "1001",
	}
	if err := os.MkdirAll(filepath.Join(dir, "ns"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"exe": p.exe, "cwd": "/srv", "ns/net": "net:[4026531840]"} {
		if to == "" {
			continue
		}
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func snapshot(t *testing.T, tab *Table) {
	t.Helper()
	if err := tab.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestSnapshot(t *testing.T) {
	cfg := testConfig(t)
	fakeProc{1, 0, "init", "/sbin/init", 10, ""}.write(t, cfg.Procfs)
	fakeProc{2, 0, "kthreadd", "", 10, ""}.write(t, cfg.Procfs)
	fakeProc{30, 1, "nginx", "/usr/sbin/nginx (deleted)", 2000, ""}.write(t, cfg.Procfs)
	fakeProc{7, 30, "worker", "/usr/sbin/nginx", 3000, ""}.write(t, cfg.Procfs) // the pids have wrapped
	if err := os.WriteFile(filepath.Join(cfg.Procfs, "2/stat"), []byte(statLine("2", "kthreadd", "0", "2097152", "10", "0")), 0o600); err != nil {
		t.Fatal(err)
	}
	tab := New(cfg)
	snapshot(t, tab)
	if p, _ := tab.Latest(2); !p.KernelThread || p.Exe != "" || len(p.Argv) != 0 {
		t.Errorf("kernel thread: %+v", p)
	}
	worker := task(7, 3000*tickNS+1234, "")
	p := tab.Lookup(worker)
	if p.StartNS != worker.StartNS || !p.Existing || p.Unit != "worker.service" || p.User != "alice" || p.EGID != 6 || p.CWD != "/srv" ||
		p.Namespaces.Net != 4026531840 || p.Argv[1] != "--token=[redacted]" || p.Capabilities[0] != "CAP_CHOWN" ||
		p.LoginUID == nil || *p.LoginUID != 1001 {
		t.Errorf("got %+v", p)
	}
	if got := names(p); got != "30:nginx:/usr/sbin/nginx 1:init:/sbin/init" {
		t.Errorf("parents: %s", got)
	}
	snapshot(t, tab)
	if tab.Lookup(worker) != p {
		t.Error("a second snapshot that tells nothing new made a new version")
	}
	// The parent's exact start becomes known later; the children name it by that from then on.
	tab.Lookup(task(30, 2000*tickNS+77, ""))
	if p = tab.Lookup(worker); p.Parents[0].StartNS != 2000*tickNS+77 || len(p.Parents) != 2 {
		t.Errorf("parents: %+v", p.Parents)
	}
	if s := tab.Stats(); s.Live != 4 || s.Unknown != 0 || s.Bytes != recount(tab) {
		t.Errorf("got %+v, counted again %d", s, recount(tab))
	}
}

// TestSnapshotTick: /proc rounds the start, and not everywhere in the same way.
func TestSnapshotTick(t *testing.T) {
	const ticks = 5000
	for start, same := range map[uint64]bool{
		ticks * tickNS: true, ticks*tickNS + tickNS - 1: true, ticks*tickNS - 1: true, (ticks + 1) * tickNS: true,
		(ticks + 2) * tickNS: false, (ticks-1)*tickNS - 1: false,
	} {
		cfg := testConfig(t)
		fakeProc{9, 0, "a", "/bin/a", ticks, ""}.write(t, cfg.Procfs)
		tab := New(cfg)
		snapshot(t, tab)
		if got := tab.Lookup(task(9, start, "b")); (got.Exe == "/bin/a") != same {
			t.Errorf("start %d: got %+v", start, got)
		}
		if s := tab.Stats(); s.Live != 1 {
			t.Errorf("start %d: %+v", start, s)
		}
	}
}

func TestSnapshotNeverOverwritesRecords(t *testing.T) {
	cfg := testConfig(t)
	const start = 20_000*tickNS + 5
	fakeProc{1, 0, "init", "/sbin/init", 10, ""}.write(t, cfg.Procfs)
	fakeProc{30, 1, "old", "/bin/old", 20_000, ""}.write(t, cfg.Procfs)
	for name, before := range map[string]bool{"record first": true, "snapshot first": false} {
		t.Run(name, func(t *testing.T) {
			tab := New(cfg)
			k := task(30, start, "new")
			record := func() { tab.Exec(ExecInfo{Task: k, Exe: "/bin/new", Argv: []string{"new"}, IDs: IDs{UID: 0, EUID: 0}}) }
			if before {
				record()
			}
			snapshot(t, tab)
			if !before {
				record()
			}
			p := tab.Lookup(k)
			if p.Exe != "/bin/new" || p.Name != "new" || p.Argv[0] != "new" || p.User != "root" {
				t.Errorf("the record was overwritten: %+v", p)
			}
			if p.Unit != "old.service" || p.Namespaces.Net == 0 || names(p) != "1:init:/sbin/init" {
				t.Errorf("what the record did not say is missing: %+v", p)
			}
		})
	}
	t.Run("exit first", func(t *testing.T) {
		tab := New(cfg)
		tab.Exit(task(30, start, "old"), 300*second)
		snapshot(t, tab)
		if s := tab.Stats(); s.Live != 1 || s.Exited != 1 {
			t.Errorf("an exited process was revived: %+v", s)
		}
	})
	t.Run("fork first", func(t *testing.T) {
		tab := New(cfg)
		child := task(31, start+second, "old")
		tab.Fork(ForkInfo{Parent: task(30, start, "old"), Child: child})
		snapshot(t, tab)
		if got := names(tab.Lookup(child)); got != "30:old:/bin/old 1:init:/sbin/init" {
			t.Errorf("parents: %s", got)
		}
	})
}

func TestFill(t *testing.T) {
	cfg := testConfig(t)
	for i := range 4 {
		fakeProc{10 + i, 9 + i, fmt.Sprint("p", i), fmt.Sprint("/bin/p", i), uint64(20_000 + i), ""}.write(t, cfg.Procfs)
	}
	tab := New(cfg)
	k := task(13, 20_003*tickNS+9, "p3")
	child := task(14, 20_009*tickNS, "p3")
	if p := tab.Lookup(k); p.Exe != "" || p.Name != "p3" || p.User != "alice" {
		t.Errorf("got %+v", p)
	}
	tab.Fork(ForkInfo{Parent: k, Child: child})
	tab.fill(<-tab.fills.ch)
	if p := tab.Lookup(k); p.Exe != "/bin/p3" || names(p) != "12:p2:/bin/p2 11:p1:/bin/p1 10:p0:/bin/p0" {
		t.Errorf("got %+v, parents %s", p, names(p))
	}
	if p := tab.Lookup(child); names(p) != "13:p3:/bin/p3 12:p2:/bin/p2 11:p1:/bin/p1 10:p0:/bin/p0" {
		t.Errorf("child's parents: %s", names(p))
	}
	// Another process has the pid by now.
	other := task(10, 900*second, "other")
	if p := tab.Lookup(other); p.Exe != "" {
		t.Errorf("got %+v", p)
	}
	for len(tab.fills.ch) > 0 {
		tab.fill(<-tab.fills.ch)
	}
	if p := tab.Lookup(other); p.Exe != "" {
		t.Errorf("filled from another process: %+v", p)
	}
	if s := tab.Stats(); s.Filled != 1 || s.FillFailed != 2 || s.Exited == 0 {
		t.Errorf("got %+v", s)
	}
}

// TestRealProcess follows a child of this test through /proc, Run included.
func TestRealProcess(t *testing.T) {
	cfg := testConfig(t)
	cfg.Procfs, cfg.Boot, cfg.SinceNS, cfg.Hash.Off = "/proc", time.Time{}, 0, false
	cfg.Passwd = "/etc/passwd"
	cmd := exec.Command("/bin/cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skip("no /bin/cat: ", err)
	}
	defer func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}()
	tab := New(cfg)
	run(t, tab)
	snapshot(t, tab)
	me, ok := tab.Latest(os.Getpid())
	if !ok || !me.Existing || me.Exe == "" || me.UID != uint32(os.Getuid()) || len(me.Argv) == 0 {
		t.Errorf("this process: %+v", me)
	}
	var p *event.Process
	eventually(t, func() bool {
		latest, ok := tab.Latest(cmd.Process.Pid)
		if !ok {
			return false
		}
		p = tab.Lookup(Task{PID: cmd.Process.Pid, StartNS: latest.StartNS})
		return len(p.SHA256) == 64
	})
	if p.Parents[0].PID != os.Getpid() || p.Parents[0].Exe != me.Exe || p.Argv[0] != "/bin/cat" || p.Namespaces.Mnt == 0 {
		t.Errorf("got %+v", p)
	}
	if age := time.Since(p.Started); age < 0 || age > time.Hour {
		t.Errorf("started %v", p.Started)
	}
}

// TestSnapshotBesideRecords runs both at once, for the race detector.
func TestSnapshotBesideRecords(t *testing.T) {
	cfg := testConfig(t)
	for i := range 50 {
		fakeProc{100 + i, 0, "old", "/bin/old", 20_000, ""}.write(t, cfg.Procfs)
	}
	tab := New(cfg)
	done := make(chan error, 1)
	go func() { done <- tab.Snapshot(t.Context()) }()
	for i := range 50 {
		tab.Exec(ExecInfo{Task: task(100+i, 20_000*tickNS+1, "new"), Exe: "/bin/new"})
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if p, _ := tab.Latest(100 + i); p.Exe != "/bin/new" || p.Unit != "old.service" {
			t.Errorf("got %+v", p)
		}
	}
	if s := tab.Stats(); s.Live != 50 {
		t.Errorf("got %+v", s)
	}
}
