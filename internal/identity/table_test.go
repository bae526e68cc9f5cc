package identity

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stockade-security/stockade/event"
)

// second is in the kernel's nanoseconds.
const second = uint64(time.Second)

// testConfig has nothing of this host in it.
func testConfig(t testing.TB) Config {
	dir := t.TempDir()
	passwd := filepath.Join(dir, "passwd")
	if err := os.WriteFile(passwd, []byte("root:x:0:0::/:/bin/sh\nalice:x:1000:1000::/:/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Config{
		Procfs: dir, Passwd: passwd, Boot: time.Unix(1_700_000_000, 0), SinceNS: 100 * second,
		Hash: HashConfig{Off: true},
	}
}

func task(pid int, start uint64, name string) Task {
	k := Task{PID: pid, StartNS: start, UID: 1000, GID: 1000}
	copy(k.Comm[:], name)
	return k
}

func names(p *event.Process) string {
	var s []string
	for _, r := range p.Parents {
		s = append(s, fmt.Sprintf("%d:%s:%s", r.PID, r.Name, r.Exe))
	}
	return strings.Join(s, " ")
}

func TestForkExecExit(t *testing.T) {
	tab := New(testConfig(t))
	shell := task(10, 101*second, "sh")
	tab.Exec(ExecInfo{
		TimeNS: 101 * second, Task: shell, Exe: "/bin/sh", Inode: 7, Device: "8:1", Argv: []string{"sh", "-i"}, CWD: "/root",
		IDs: IDs{UID: 1000, GID: 1000, EUID: 0, EGID: 1000, Capabilities: 1<<21 | 1<<0}, Namespaces: &event.Namespaces{Mnt: 4, Net: 5},
	})
	child := task(11, 102*second, "sh")
	forked := tab.Fork(ForkInfo{TimeNS: 102 * second, Parent: shell, Child: child})
	if forked.Exe != "/bin/sh" || forked.PID != 11 || forked.Namespaces.Net != 5 || forked.EUID != 0 {
		t.Fatalf("the child is not like its parent: %+v", forked)
	}
	child.Comm = task(0, 0, "mysql").Comm
	got := tab.Exec(ExecInfo{
		TimeNS: 103 * second, Task: child, Exe: "/usr/bin/mysql", Inode: 9, Device: "8:1", CWD: "/root",
		Argv: []string{"mysql", "-phunter2", "shop"}, ArgvTruncated: true, IDs: IDs{UID: 1000, GID: 1000, EUID: 1000, EGID: 1000},
	})
	want := &event.Process{
		Ref:      event.Ref{PID: 11, StartNS: 102 * second, Name: "mysql", Exe: "/usr/bin/mysql"},
		ExeInode: 9, ExeDevice: "8:1", Argv: []string{"mysql", "-p[redacted]", "shop"}, ArgvTruncated: true, CWD: "/root",
		UID: 1000, GID: 1000, EUID: 1000, EGID: 1000, User: "alice", Namespaces: &event.Namespaces{Mnt: 4, Net: 5},
		Parents: []event.Ref{{PID: 10, StartNS: 101 * second, Name: "sh", Exe: "/bin/sh"}},
		Started: time.Unix(1_700_000_102, 0).UTC(),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"CAP_CHOWN", "CAP_SYS_ADMIN"}, forked.Capabilities); d != "" {
		t.Error(d)
	}
	if forked.Exe != "/bin/sh" {
		t.Error("a published version has changed")
	}
	if last := tab.Exit(child, 104*second); last != got || tab.Lookup(child) != got {
		t.Error("an exit is no new version")
	}
	if s := tab.Stats(); s.Live != 1 || s.Exited != 1 {
		t.Errorf("got %+v", s)
	}
}

// TestLoginUID: who logged in goes down to children and stays through su; an exec tells anew.
func TestLoginUID(t *testing.T) {
	tab := New(testConfig(t))
	shell, child := task(10, 101*second, "sh"), task(11, 102*second, "sh")
	check := func(what string, p *event.Process, want string) {
		t.Helper()
		got := "none"
		if p.LoginUID != nil {
			got = fmt.Sprint(*p.LoginUID)
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	check("unknown", tab.Lookup(shell), "none")
	login := uint32(1000)
	check("exec", tab.Exec(ExecInfo{Task: shell, Exe: "/bin/sh", LoginUID: &login}), "1000")
	check("fork", tab.Fork(ForkInfo{Parent: shell, Child: child}), "1000")
	check("setuid", tab.SetIDs(child, IDs{}, 0), "1000")
	check("exec without", tab.Exec(ExecInfo{Task: child, Exe: "/sbin/agetty"}), "none")
	check("the parent", tab.Lookup(shell), "1000")
}

func TestProcesses(t *testing.T) {
	tab := New(testConfig(t))
	parent, child, other := task(30, 101*second, "parent"), task(31, 102*second, "child"), task(7, 103*second, "other")
	tab.Exec(ExecInfo{Task: parent, Exe: "/bin/parent"})
	tab.Fork(ForkInfo{Parent: parent, Child: child})
	moved := other
	moved.CgroupID = 5
	old := tab.Lookup(moved)
	tab.Exit(parent, 104*second) // its child runs on, so it is kept like a live one
	tab.setCgroupPath(5, "/system.slice/other.service", true)
	if p := tab.Newest(old); old.Unit != "" || p.Unit != "other.service" || p.PID != old.PID {
		t.Errorf("the newest version of %+v is %+v", old, p)
	}
	if unheard := (&event.Process{Ref: event.Ref{PID: 7, StartNS: 1}}); tab.Newest(unheard) != unheard {
		t.Error("a forgotten process has another version")
	}
	var got []string
	for _, p := range tab.Processes() {
		got = append(got, fmt.Sprintf("%d %s %s", p.PID, p.Name, p.Unit))
	}
	if d := cmp.Diff([]string{"7 other other.service", "31 child "}, got); d != "" {
		t.Error(d)
	}
}

func TestVersions(t *testing.T) {
	tab := New(testConfig(t))
	k := task(10, 101*second, "a")
	first := tab.Lookup(k)
	if tab.Lookup(k) != first {
		t.Error("the same version twice must be the same pointer")
	}
	second := tab.SetIDs(k, IDs{UID: 0, EUID: 0}, 0)
	if second == first || first.User != "alice" || second.User != "root" || tab.Lookup(k) != second {
		t.Errorf("got %+v, then %+v", first, second)
	}
	third := tab.SetNamespaces(k, event.Namespaces{Net: 77}, 0)
	if third.Namespaces.Net != 77 || second.Namespaces != nil || third.User != "root" {
		t.Errorf("got %+v", third)
	}
	if s := tab.Stats(); s.Unknown != 1 {
		t.Errorf("asked %d times for one unknown process", s.Unknown)
	}
}

func TestPIDReuse(t *testing.T) {
	tab := New(testConfig(t))
	old, young := task(10, 101*second, "old"), task(10, 102*second, "young")
	tab.Exec(ExecInfo{Task: old, Exe: "/old"})
	tab.Exec(ExecInfo{Task: young, Exe: "/young"}) // the exit in between was lost
	if a, b := tab.Lookup(old), tab.Lookup(young); a.Exe != "/old" || b.Exe != "/young" {
		t.Errorf("got %q and %q", a.Exe, b.Exe)
	}
	if p, ok := tab.Latest(10); !ok || p.Exe != "/young" {
		t.Errorf("the youngest is %+v", p)
	}
	if s := tab.Stats(); s.Live != 1 || s.Exited != 1 {
		t.Errorf("the former owner of the pid must count as exited: %+v", s)
	}
	tab.Exit(young, 200*second)
	if p := tab.Lookup(task(10, 101*second, "late")); p.Exe == "/young" {
		t.Error("a dropped process was confused with the next owner of its pid")
	}
}

func TestLineage(t *testing.T) {
	tab := New(testConfig(t))
	// A chain of twelve: each forks the next, execs and exits.
	for i := range 12 {
		start := uint64(101+i) * second
		me, next := task(10+i, start, "x"), task(11+i, start+second, "x")
		tab.Exec(ExecInfo{TimeNS: start, Task: me, Exe: fmt.Sprintf("/bin/%d", i)})
		tab.Fork(ForkInfo{TimeNS: start, Parent: me, Child: next})
		tab.Exit(me, start)
	}
	p := tab.Lookup(task(22, 113*second, ""))
	if len(p.Parents) != event.MaxParents || p.Parents[0].Exe != "/bin/11" || p.Parents[7].Exe != "/bin/4" {
		t.Errorf("got %s", names(p))
	}
}

func TestCloneParent(t *testing.T) {
	tab := New(testConfig(t))
	parent, maker := task(10, 101*second, "init"), task(11, 102*second, "runc")
	tab.Exec(ExecInfo{Task: parent, Exe: "/sbin/init"})
	tab.Fork(ForkInfo{Parent: parent, Child: maker})
	tab.Exec(ExecInfo{Task: maker, Exe: "/usr/bin/runc", IDs: IDs{UID: 3}})
	p := tab.Fork(ForkInfo{Parent: parent, Maker: maker, Child: task(12, 103*second, "runc")})
	if p.Exe != "/usr/bin/runc" || p.UID != 3 || names(p) != "10:init:/sbin/init" {
		t.Errorf("got %+v, parents %s", p, names(p))
	}
}

func TestExitedParentStaysForLiveChild(t *testing.T) {
	cfg := testConfig(t)
	cfg.ExitGrace = time.Second
	tab := New(cfg)
	parent, child := task(10, 101*second, "sh"), task(11, 102*second, "sh")
	tab.Exec(ExecInfo{Task: parent, Exe: "/bin/sh", Argv: []string{"sh", "deploy"}})
	tab.Fork(ForkInfo{TimeNS: 102 * second, Parent: parent, Child: child})
	tab.Exit(parent, 103*second)
	tab.Exit(task(50, 103*second, "other"), 500*second)
	if p := tab.Lookup(parent); p.Exe != "/bin/sh" || len(p.Argv) != 2 {
		t.Errorf("the parent is gone while its child lives: %+v", p)
	}
	tab.Exit(child, 600*second)
	tab.Exit(task(51, 601*second, "other"), 700*second)
	if s := tab.Stats(); s.Live != 0 || s.Exited != 1 {
		t.Errorf("the family must be gone after the grace: %+v", s)
	}
}

func TestRecordsInAnyOrder(t *testing.T) {
	tab := New(testConfig(t))
	parent, child, grandchild := task(10, 101*second, "p"), task(11, 102*second, "c"), task(12, 103*second, "g")
	tab.Lookup(child) // its own record overtakes its fork
	tab.Fork(ForkInfo{Parent: child, Child: grandchild})
	tab.Exec(ExecInfo{Task: parent, Exe: "/bin/p", IDs: IDs{UID: 7}})
	tab.Fork(ForkInfo{Parent: parent, Child: child})
	if got := tab.Lookup(child); names(got) != "10:p:/bin/p" || got.Exe != "/bin/p" || got.UID != 7 {
		t.Errorf("child: %s %+v", names(got), got)
	}
	if got := names(tab.Lookup(grandchild)); got != "11:c:/bin/p 10:p:/bin/p" {
		t.Errorf("grandchild: %s", got)
	}
	// An exec whose fork was lost names its parent itself.
	orphan := tab.Exec(ExecInfo{Task: task(13, 104*second, "o"), Parent: parent, Exe: "/bin/o"})
	if names(orphan) != "10:p:/bin/p" {
		t.Errorf("orphan: %s", names(orphan))
	}
}

func TestLookupOfKnownDoesNotAllocate(t *testing.T) {
	tab := New(testConfig(t))
	k := task(10, 101*second, "a")
	k.CgroupID = 5
	tab.Exec(ExecInfo{Task: k, Exe: "/bin/a"})
	if n := testing.AllocsPerRun(1000, func() { tab.Lookup(k) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// churn runs the processes from..from+n-1 of a few programs through the table: fork, exec, all or half of them exit.
func churn(tab *Table, from, n int, liveToo bool) {
	parent := task(1, 50*second, "init")
	args := strings.Repeat("x", 60)
	for i := from; i < from+n; i++ {
		start := 101*second + uint64(i)*1_000_000
		k := task(100+i%30_000, start, "worker")
		tab.Fork(ForkInfo{TimeNS: start, Parent: parent, Child: k})
		tab.Exec(ExecInfo{
			TimeNS: start, Task: k, Exe: fmt.Sprintf("/usr/bin/program-%d", i%500), Inode: uint64(i % 500), Device: "8:1",
			Argv: []string{"program", args, fmt.Sprint("--job=", i)}, CWD: "/srv", IDs: IDs{UID: 1000},
		})
		if !liveToo || i%2 == 0 {
			tab.Exit(k, start+500_000)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const limit = 8 << 20
	for _, liveToo := range []bool{false, true} {
		t.Run(fmt.Sprintf("live=%v", liveToo), func(t *testing.T) {
			cfg := testConfig(t)
			cfg.MaxBytes, cfg.MaxExited = limit, 1<<20
			before := heap()
			tab := New(cfg)
			for i := range 10 {
				churn(tab, i*10_000, 10_000, liveToo)
				if s := tab.Stats(); s.Bytes > limit {
					t.Fatalf("%d bytes accounted", s.Bytes)
				}
			}
			s := tab.Stats()
			grown := heap() - before
			t.Logf("accounted %d KiB, heap %d KiB, %d live, %d exited", s.Bytes>>10, grown>>10, s.Live, s.Exited)
			if s.Bytes < limit/2 || s.EvictedExited == 0 {
				t.Errorf("the limit was never reached: %+v", s)
			}
			if grown > 2*limit || grown < s.Bytes/4 {
				t.Errorf("accounted %d bytes, the heap grew by %d", s.Bytes, grown)
			}
			if got := recount(tab); got != s.Bytes {
				t.Errorf("accounted %d bytes, counted again %d", s.Bytes, got)
			}
			runtime.KeepAlive(tab)
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// recount adds up what the table holds, from the entries.
func recount(tab *Table) int64 {
	n := tab.strings.bytes
	charges := map[*charge]bool{}
	for _, e := range tab.byPID {
		for ; e != nil; e = e.older {
			n += entryBytes
			if e.img != nil {
				charges[&e.img.charge] = true
			}
			if e.line != nil {
				charges[&e.line.charge] = true
			}
			if e.asParent != nil {
				charges[&e.asParent.charge] = true
			}
			if e.cg != nil {
				charges[&e.cg.charge] = true
			}
		}
	}
	for c := range charges {
		n += c.bytes
	}
	return n
}

func TestEvictionSparesTheUsed(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxBytes = 1 << 20
	tab := New(cfg)
	used := task(5, 101*second, "used")
	tab.Exec(ExecInfo{Task: used, Exe: "/bin/used"})
	for i := range 5000 {
		tab.Exec(ExecInfo{Task: task(1000+i, 102*second, "idle"), Exe: "/bin/idle"})
		tab.Lookup(used)
	}
	s := tab.Stats()
	if s.EvictedLive == 0 || s.Bytes > cfg.MaxBytes {
		t.Errorf("got %+v", s)
	}
	if tab.Lookup(used).Exe != "/bin/used" {
		t.Error("the process in use was evicted")
	}
	if again := tab.Stats(); again.Unknown != s.Unknown {
		t.Error("the process in use had to be asked for again")
	}
}

func TestConcurrentReaders(t *testing.T) {
	cfg := testConfig(t)
	cfg.MaxBytes = 2 << 20
	tab := New(cfg)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for r := range 3 {
		wg.Go(func() {
			for i := r; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				pid := 100 + i%2000
				if p, ok := tab.Latest(pid); ok {
					k := task(pid, p.StartNS, "worker")
					if got := tab.Lookup(k); got.PID != pid || got.StartNS != p.StartNS {
						t.Errorf("asked for %d/%d, got %d/%d", pid, p.StartNS, got.PID, got.StartNS)
						return
					}
				}
				tab.Stats()
			}
		})
	}
	churn(tab, 0, 10_000, true)
	close(stop)
	wg.Wait()
}

func BenchmarkLookup(b *testing.B) {
	tab := New(testConfig(b))
	var tasks []Task
	for i := range 10_000 {
		k := task(100+i, 101*second, "x")
		tab.Exec(ExecInfo{Task: k, Exe: "/bin/x"})
		tasks = append(tasks, k)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		tab.Lookup(tasks[i*7919%len(tasks)])
	}
}

func BenchmarkForkExecExit(b *testing.B) {
	tab := New(testConfig(b))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		churn(tab, i, 1, false)
	}
}
