package confine

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// gaps writes a plan's gaps, one a line.
func gaps(p *Plan) string {
	var out strings.Builder
	for _, g := range p.Gaps {
		out.WriteString(g.String() + "\n")
	}
	return out.String()
}

// TestGaps has a line for each thing that cannot be expressed. ROOT in a policy is a directory with files; the rest of a policy
// is such that it has no gaps of its own.
func TestGaps(t *testing.T) {
	root := tree(t, "in/a", "in/b", "app")
	if err := os.Symlink("app", root+"/link"); err != nil {
		t.Skipf("no links: %v", err)
	}
	const all = 7
	for _, c := range []struct {
		name     string
		landlock int
		policy   string
		want     string
	}{
		{"nothing to say", all, "", ""},
		{
			"files without a list", all, "blocked_files: [\"ROOT/in/a\"]",
			"p.yaml:7: ROOT/in/a: not refused: Landlock can only refuse what an allow list leaves out, and the entry has no allowed_files\n",
		},
		{
			"a tree that is all of a pattern", all, "allowed_files: [\"ROOT/in{,/**} rx\"]",
			"p.yaml:7: allowed_files: refused although allowed: programs that the list does not let read do not start: Landlock starts no program that cannot be read\n" +
				"p.yaml:7: allowed_files: not refused: ROOT/app can be read too: it is the command\n" +
				"p.yaml:7: allowed_files: refused although allowed: io_uring is refused: what it does passes no filter of system calls\n",
		},
		{
			"blocked below a tree, and not", all, "allowed_exec: [\"ROOT/in/*\"]\n    blocked_exec: [\"ROOT/in/a\", \"/other/**\"]\n    blocked_files: [\"ROOT/in/b x\"]",
			"p.yaml:7: allowed_exec: refused although allowed: memfd_create is refused without MFD_NOEXEC_SEAL: Landlock would let such a file start\n" +
				"p.yaml:7: allowed_exec: not refused: ROOT/app can be started too: it is the command\n" +
				"p.yaml:7: ROOT/in/*: refused although allowed: only files that are there at the start: Landlock knows no patterns\n" +
				"p.yaml:9: ROOT/in/b x: not refused: Landlock does not judge mapping as executable\n",
		},
		{
			"files to write", all, "allowed_files: [\"ROOT/in/* rw\", \"ROOT/app rx\", \"ROOT/link r\"]\n    allowed_exec: [\"ROOT/app\"]",
			"p.yaml:7: allowed_files: not refused: Landlock does not judge changes of mode, owner, times and attributes\n" +
				"p.yaml:7: allowed_files: not refused: Landlock does not judge mapping as executable: what may be read may be mapped\n" +
				"p.yaml:7: ROOT/in/* rw: refused although allowed: only files that are there at the start: Landlock knows no patterns\n" +
				"p.yaml:7: ROOT/in/* rw: refused although allowed: ROOT/in/a can be written, but not made, moved or removed: Landlock gives that by directory (and 1 more)\n" +
				"p.yaml:7: ROOT/link r: refused although allowed: ROOT/link is a link: write ROOT/app\n" +
				"p.yaml:8: allowed_exec: refused although allowed: memfd_create is refused without MFD_NOEXEC_SEAL: Landlock would let such a file start\n",
		},
		{
			"taken back of a tree", all, "allowed_exec: [\"ROOT/**\"]\n    blocked_exec: [\"ROOT/in/a\"]",
			"p.yaml:7: allowed_exec: refused although allowed: memfd_create is refused without MFD_NOEXEC_SEAL: Landlock would let such a file start\n" +
				"p.yaml:7: ROOT/**: refused although allowed: scripts below ROOT start only if the list has their interpreter\n" +
				"p.yaml:8: ROOT/in/a: not refused: Landlock cannot take back starting of files below ROOT, which p.yaml:7 allows\n",
		},
		{
			"no Landlock", 0, "allowed_files: [\"ROOT/** r\"]\n    allowed_exec: []\n    allowed_listen: [\"80/tcp\"]",
			"p.yaml:7: allowed_files: not refused: it is out\n" +
				"p.yaml:8: allowed_exec: not refused: it is out\n" +
				"p.yaml:9: allowed_listen: not refused: it is out\n" +
				"p.yaml:9: allowed_listen: not refused: what is UDP is not judged: Landlock judges TCP alone\n" +
				"p.yaml:9: allowed_listen: not refused: what is of protocols besides TCP and UDP is not judged: Landlock judges TCP alone\n",
		},
		{
			"ports, and more than ports", all, "allowed_network: [\"0.0.0.0/0:443/tcp\", \"[::/0]:443/tcp\", \"10.0.0.0/8:22/tcp\", \"unix:/run/x\"]\n    allowed_listen: []",
			"p.yaml:7: allowed_network: refused although allowed: MPTCP, SMC and TCP Fast Open are refused: Landlock does not judge their ports\n" +
				"p.yaml:7: allowed_network: refused although allowed: io_uring is refused: what it does passes no filter of system calls\n" +
				"p.yaml:7: 10.0.0.0/8:22/tcp: not refused: its ports may be reached at every address: Landlock judges TCP ports, and no addresses or names\n" +
				"p.yaml:7: unix:/run/x: not refused: Landlock does not judge connections to UNIX sockets\n" +
				"p.yaml:8: allowed_listen: not refused: a socket that listens without a bind gets a free port: Landlock judges binds\n",
		},
		{
			"blocked ports", all, "blocked_network: [\"0.0.0.0/0:25/tcp\", \"[::/0]:25/tcp\", \"@metadata\"]",
			"p.yaml:7: blocked_network: refused although allowed: MPTCP, SMC and TCP Fast Open are refused: Landlock does not judge their ports\n" +
				"p.yaml:7: blocked_network: refused although allowed: io_uring is refused: what it does passes no filter of system calls\n" +
				"p.yaml:7: @metadata: not refused: Landlock judges TCP ports, and no addresses or names\n",
		},
		{
			"nobody at all", all, "allowed_network: []\n    allowed_listen: []",
			"p.yaml:7: allowed_network: refused although allowed: io_uring is refused: what it does passes no filter of system calls\n",
		},
		{
			"calls", all, "blocked_syscalls: [execve, ptrace]",
			"p.yaml:7: blocked_syscalls: not refused: execve stays allowed, because starting the command takes it\n",
		},
		{
			"limits and privilege", all, "blocked_capabilities: [ALL]\n    max_memory_mb: 5\n    max_cpu_percent: 5\n    protect: {signals: [], ptrace: [app]}",
			"p.yaml:7: blocked_capabilities: not refused: in a user namespace of its own the command has them, for what belongs to that namespace\n" +
				"p.yaml:8: max_memory_mb: not refused: resource limits count the memory of each process alone, and what it reserves with it\n" +
				"p.yaml:9: max_cpu_percent: not refused: resource limits count seconds and no share of time\n" +
				"p.yaml:10: protect.signals: not refused: it is about other processes, which are not confined here\n" +
				"p.yaml:10: protect.ptrace: not refused: it is about other processes, which are not confined here\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "mode: enforce\nprocesses:\n  app:\n    match: {exe: ROOT/app}\n    inherit: true\n    no_sudo: true\n    " + c.policy + "\n"
			kernel := Kernel{Landlock: c.landlock, NoLandlock: "it is out"}
			plan, _, _ := planFor(t, strings.ReplaceAll(text, "ROOT", root), "app", kernel, root+"/app")
			got := strings.ReplaceAll(gaps(plan), root, "ROOT")
			if diff := cmp.Diff(c.want, withoutLoaders(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// withoutLoaders leaves out what depends on the dynamic loaders of the machine.
func withoutLoaders(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "/ld-") {
			out.WriteString(line)
		}
	}
	return out.String()
}

func TestGapsOfTheWhole(t *testing.T) {
	const text = `mode: enforce
processes:
  app: {}
  other: {}
host:
  exec: [{path: /usr/bin/nsenter, parents: [/usr/sbin/sshd]}]
  files: [{path: /etc/shadow, readers: [/usr/bin/passwd]}]
  bpf: {allow_exe: []}
  settime: {allow_exe: [/usr/sbin/chronyd]}
  keyrings: {allow_exe: [/none/app]}
  kernel_modules: {allow: [nf_tables]}
  mounts: {block_sources: ["/dev/sd*"]}
  devices: [{path: "/dev/video*", allow_exe: []}]
  prctl: {block: [PR_SET_DUMPABLE], allow_exe: [/none/app]}
  metadata: deny
dns: {block_names: [bad.example]}
firewall: {egress: {default: deny}}
`
	plan, _, _ := planOf(t, text, "app", Kernel{Landlock: 7})
	want := strings.ReplaceAll(`3: app: not refused: programs that the command starts keep to this entry, and are not held to the one that claims them
3: app: refused although allowed: no program gains privilege by set-user-id, set-group-id or file capabilities, as with no_sudo: Landlock and seccomp ask for it
6: host.exec: not refused: SUBJECTS
7: host.files: not refused: SUBJECTS
9: host.settime.allow_exe: refused although allowed: programs of the list are refused too where the command starts them
10: host.keyrings.allow_exe: not refused: the list names the command, and seccomp does not tell its children from it
11: host.kernel_modules.allow: not refused: seccomp does not see a module's name
12: host.mounts.block_sources: not refused: seccomp does not see what is mounted
13: host.devices: not refused: Landlock refuses ioctl on no device by its path
14: host.prctl.block: not refused: prctl.allow_exe names the command, and seccomp does not tell its children from it
15: host.metadata: not refused: Landlock judges TCP ports, and no addresses or names
16: dns.block_names: not refused: packets are not judged here
17: firewall.egress: not refused: packets are not judged here
`, "SUBJECTS", noSubjects)
	want = "p.yaml:" + strings.TrimSuffix(strings.ReplaceAll(want, "\n", "\np.yaml:"), "p.yaml:")
	if diff := cmp.Diff(want, gaps(plan)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for number, want := range map[uint32]uint32{321: denied, 227: denied, 250: returnAllow, 157: returnAllow} { // bpf, clock_settime, keyctl, prctl
		if got := run(t, plan.filter, call{arch: archAMD64, number: number}); got != want {
			t.Errorf("call %d: %#x, want %#x", number, got, want)
		}
	}
}

// TestNoSeccomp says what is open without filters, and makes none.
func TestNoSeccomp(t *testing.T) {
	const text = `processes: {app: {inherit: true, no_sudo: true, blocked_syscalls: [ptrace], allowed_exec: [], allowed_network: [], allowed_listen: []}}
host: {bpf: {allow_exe: []}, prctl: {block: [PR_SET_DUMPABLE]}}`
	plan, _, _ := planOf(t, text, "app", Kernel{Landlock: 7, NoSeccomp: "it is out"})
	if plan.filter != nil {
		t.Error("there is a filter")
	}
	for _, key := range []string{"blocked_syscalls", "host.bpf.allow_exe", "host.prctl.block", "allowed_network", "allowed_exec"} {
		if !strings.Contains(gaps(plan), key+": not refused: it is out") {
			t.Errorf("no word of %s:\n%s", key, gaps(plan))
		}
	}
}

// TestRights looks at what Landlock is told.
func TestRights(t *testing.T) {
	root := tree(t, "in/a", "in/b", "app")
	const text = `processes: {app: {allowed_files: ["ROOT/in/** r", "ROOT/in/a rw", "ROOT/app w", "ROOT/in/none"], blocked_files: ["ROOT/app w", "ROOT/in/a r"]}}`
	for version, want := range map[int]map[string]access{
		0: nil,
		1: {"ROOT/in": accessRead, "ROOT/in/a": accessWriteFile, "ROOT/app": accessReadFile},
		7: {"ROOT/in": accessRead, "ROOT/in/a": accessWriteFile | accessTruncate, "ROOT/app": accessReadFile},
	} {
		plan, _, _ := planFor(t, strings.ReplaceAll(text, "ROOT", root), "app", Kernel{Landlock: version}, root+"/app")
		got := map[string]access{}
		for path, rights := range plan.landlock.paths {
			if !strings.Contains(path, "/ld-") {
				got[strings.Replace(path, root, "ROOT", 1)] = rights
			}
		}
		if version == 0 {
			if !plan.landlock.empty() {
				t.Errorf("without Landlock: %+v", plan.landlock)
			}
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Landlock %d: -want +got:\n%s", version, diff)
		}
	}
}

func TestMovingStaysPossible(t *testing.T) {
	plan, _, _ := planOf(t, `processes: {app: {allowed_exec: []}}`, "app", Kernel{Landlock: 2})
	if r := plan.landlock; r.handled != accessExecute|accessRefer || r.paths["/"] != accessRefer {
		t.Errorf("got %+v", r)
	}
}

func TestBlockedMapping(t *testing.T) {
	root := tree(t, "in/a", "out/b", "app")
	for blocked, want := range map[string]bool{"ROOT/in/a x": true, "ROOT/in/** wx": true, "ROOT/out/** x": false, "ROOT/in/** rx": false} {
		text := strings.ReplaceAll(`processes: {app: {allowed_files: ["ROOT/in/** rx"], blocked_files: ["`+blocked+`"], allowed_exec: []}}`, "ROOT", root)
		plan, _, _ := planFor(t, text, "app", Kernel{Landlock: 7}, root+"/app")
		if got := strings.Contains(gaps(plan), mapsRead); got != want {
			t.Errorf("%s: told %v, want %v:\n%s", blocked, got, want, gaps(plan))
		}
	}
}

func TestPorts(t *testing.T) {
	for _, c := range []struct {
		policy        string
		bind, connect []uint16 // some that are open
		not           []uint16 // some that are not open to connect
	}{
		{`allowed_network: ["10.0.0.0/8:443,8000-8002"]`, nil, []uint16{443, 8001}, []uint16{80, 8003, 0}},
		{`allowed_network: ["@private"], blocked_network: ["0.0.0.0/0:25", "[::/0]:20-30/tcp"]`, nil, []uint16{24, 26}, []uint16{25}},
		{`allowed_network: ["example.com:53/udp"]`, nil, nil, []uint16{53}},
		{`allowed_listen: ["80/tcp", "127.0.0.1:90"]`, []uint16{0, 80, 90}, nil, nil},
	} {
		plan, _, _ := planOf(t, `processes: {app: {`+c.policy+`}}`, "app", Kernel{Landlock: 4})
		r := plan.landlock
		if (r.bind != nil) != (c.bind != nil) || (r.connect != nil) != (c.not != nil) {
			t.Fatalf("%s: bind %v, connect %v", c.policy, r.bind != nil, r.connect != nil)
		}
		for _, p := range c.bind {
			if !r.bind.has(p) {
				t.Errorf("%s: no bind to %d", c.policy, p)
			}
		}
		for _, p := range c.connect {
			if !r.connect.has(p) {
				t.Errorf("%s: no connection to %d", c.policy, p)
			}
		}
		for _, p := range c.not {
			if r.connect.has(p) {
				t.Errorf("%s: a connection to %d", c.policy, p)
			}
		}
		if plan, _, _ := planOf(t, `processes: {app: {`+c.policy+`}}`, "app", Kernel{Landlock: 3}); !plan.landlock.empty() {
			t.Errorf("%s: Landlock 3 knows no ports", c.policy)
		}
	}
}
