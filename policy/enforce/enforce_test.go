package enforce

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/glob"
)

// mechanisms are all that the ladders ask for.
var mechanisms = []string{
	"kernel_version", "btf", "bpf_syscall", "kernel_reads", "kernel_modules", "raw_tracepoint", "tp_btf", "lsm", "bpf_loop", "task_storage_lsm",
	"socket_storage", "cgroup_v2", "cgroup_connect4", "cgroup_connect6", "cgroup_sendmsg4", "cgroup_bind4", "cgroup_sock_create", "cgroup_skb",
	"xdp", "tcx", "tc", "cap_capable", "cgroup_controllers", "fanotify_permission",
}

// kernel has all mechanisms but the missing ones.
func kernel(missing ...string) Kernel {
	k := Kernel{}
	for _, name := range mechanisms {
		k[name] = Mechanism{Available: true}
	}
	for _, name := range missing {
		k[name] = Mechanism{Reason: "no " + name}
	}
	return k
}

func pathRule(t *testing.T, text string, access policy.Access) policy.PathRule {
	t.Helper()
	g, err := glob.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return policy.PathRule{Text: text, Glob: g, Access: access}
}

func rules[R any](r ...R) policy.List[R] {
	return policy.List[R]{Present: true, Pos: policy.Position{File: "p.yaml", Line: 3}, Rules: r}
}

func host(set func(*policy.Host)) *policy.Policy {
	p := &policy.Policy{}
	set(&p.Host)
	return p
}

func process(set func(*policy.Process)) *policy.Policy {
	p := &policy.Policy{Processes: []policy.Process{{Name: "app"}}}
	set(&p.Processes[0])
	return p
}

// summary is one line a rule: key, ability with a question mark if it is not known for sure, how, and why not more.
func summary(list []Rule) string {
	var out strings.Builder
	for _, r := range list {
		ability := string(r.Ability)
		if r.Unknown {
			ability += "?"
		}
		fmt.Fprintf(&out, "%s %s %s: %s", r.Subject, r.Key, ability, r.How)
		if r.Why != "" {
			fmt.Fprintf(&out, " (%s)", r.Why)
		}
		out.WriteString("\n")
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func TestJudge(t *testing.T) {
	name := func(text string) policy.NameRule { return policy.NameRule{Text: text} }
	secret := pathRule(t, "/etc/shadow", policy.AccessAll)
	limit := policy.Limit{Value: 5}
	cases := []struct {
		name   string
		policy *policy.Policy
		kernel Kernel
		want   string
	}{
		{"the rest of a list", process(func(p *policy.Process) { p.AllowedExec = rules[policy.PathRule]() }), kernel(), "app allowed_exec prevent: LSM hooks of exec"},
		{
			"a named executable, by fanotify", process(func(p *policy.Process) { p.BlockedExec = rules(secret) }), kernel("lsm"),
			"app blocked_exec prevent: fanotify permission events, answered by the daemon: without it everything passes, and so does what ld.so loads as data (it lacks lsm: no lsm)",
		},
		{
			"executables by pattern", process(func(p *policy.Process) { p.BlockedExec = rules(pathRule(t, "/bin/*sh", policy.AccessExecute)) }), kernel("lsm"),
			"app blocked_exec kill: a signal once the program runs (it lacks lsm: no lsm)",
		},
		{
			"no signal either", process(func(p *policy.Process) { p.AllowedExec = rules(secret) }), kernel("lsm", "tp_btf"),
			"app allowed_exec observe: a record once the program runs (it lacks lsm: no lsm)",
		},
		{
			"nothing", process(func(p *policy.Process) { p.AllowedExec = rules(secret) }), kernel("lsm", "tp_btf", "raw_tracepoint"),
			"app allowed_exec unsupported:  (it lacks lsm: no lsm)",
		},
		{
			"reading a named file", process(func(p *policy.Process) { p.BlockedFiles = rules(pathRule(t, "/etc/shadow", policy.AccessRead)) }), kernel("lsm"),
			"app blocked_files prevent: fanotify permission events, answered by the daemon: without it everything passes (it lacks lsm: no lsm)",
		},
		{
			"any use of a named file", process(func(p *policy.Process) { p.BlockedFiles = rules(secret); p.AllowedFiles = rules(secret) }), kernel("bpf_loop"),
			"app allowed_files kill: a signal once the file has been used (it lacks bpf_loop: no bpf_loop)\n" +
				"app blocked_files kill: opening is refused by fanotify permission events, answered by the daemon: without it everything passes; " +
				"of other uses a signal once the file has been used (it lacks bpf_loop: no bpf_loop)",
		},
		{
			"any use of a named file, without fanotify", process(func(p *policy.Process) { p.BlockedFiles = rules(secret) }), kernel("lsm", "fanotify_permission"),
			"app blocked_files kill: a signal once the file has been used (it lacks lsm: no lsm)",
		},
		{
			"any use of a named file, without signals", process(func(p *policy.Process) { p.BlockedFiles = rules(secret) }), kernel("lsm", "tp_btf"),
			"app blocked_files observe: opening is refused by fanotify permission events, answered by the daemon: without it everything passes; " +
				"of other uses a record once the file has been used (it lacks lsm: no lsm)",
		},
		{
			"reading what stands in a directory", process(func(p *policy.Process) { p.BlockedFiles = rules(pathRule(t, "/srv/box/*", policy.AccessRead)) }), kernel("lsm"),
			"app blocked_files prevent: fanotify permission events, answered by the daemon: without it everything passes (it lacks lsm: no lsm)",
		},
		{
			"writing a named file", process(func(p *policy.Process) { p.BlockedFiles = rules(pathRule(t, "/etc/hosts", policy.AccessWrite)) }), kernel("lsm"),
			"app blocked_files kill: a signal once the file has been used (it lacks lsm: no lsm)",
		},
		{
			"peers", process(func(p *policy.Process) {
				p.AllowedNetwork, p.AllowedListen = rules(policy.NetworkRule{}), rules[policy.NetworkRule]()
				p.BlockedNetwork = rules(policy.NetworkRule{Host: "example.com"}, policy.NetworkRule{Path: secret.Glob})
			}), kernel("lsm"),
			"app allowed_network prevent: cgroup programs; a socket that is passed on is judged by its maker (it lacks lsm: no lsm)\n" +
				"app blocked_network prevent: cgroup programs, with addresses from the DNS answers that pass; a socket that is passed on is judged by its maker (it lacks lsm: no lsm)\n" +
				"app blocked_network kill: a signal once the socket has been used (it lacks lsm: no lsm)\n" +
				"app allowed_listen prevent: cgroup programs; a socket that is passed on is judged by its maker (it lacks lsm: no lsm)",
		},
		{
			"peers without cgroups", process(func(p *policy.Process) { p.AllowedNetwork = rules(policy.NetworkRule{}) }), kernel("cgroup_connect6"),
			"app allowed_network observe: a record once the socket has been used (it lacks cgroup_connect6: no cgroup_connect6)",
		},
		{
			"system calls", process(func(p *policy.Process) {
				p.AllowedSyscalls = rules(policy.SyscallRule{Text: "@system-service", Names: []string{"read"}})
				p.BlockedSyscalls = rules(
					policy.SyscallRule{Text: "ptrace", Names: []string{"ptrace"}}, policy.SyscallRule{Text: "@module", Names: []string{"finit_module", "init_module"}},
					policy.SyscallRule{Text: "@clock", Names: []string{"settimeofday", "adjtimex"}},
				)
			}), kernel(),
			"app allowed_syscalls kill: a signal at sys_enter: the call still runs (no LSM hook judges every use of the call; only where Stockade starts the process seccomp can refuse it)\n" +
				"app blocked_syscalls prevent: LSM hook ptrace_access_check and ptrace_traceme\n" +
				"app blocked_syscalls prevent: the LSM hooks of these calls\n" +
				"app blocked_syscalls kill: a signal at sys_enter: the call still runs (no LSM hook judges every use of the call; only where Stockade starts the process seccomp can refuse it)",
		},
		{
			"capabilities, signals, privilege", process(func(p *policy.Process) {
				p.BlockedCapabilities, p.Protect.Signals, p.Protect.Ptrace = rules(name("CAP_BPF")), rules(name("app")), rules[policy.NameRule]()
				p.NoSudo.Set = true
			}), kernel("lsm", "cap_capable"),
			"app blocked_capabilities unsupported:  (it lacks lsm: no lsm)\n" +
				"app protect.signals kill: a signal once the signal has been sent (it lacks lsm: no lsm)\n" +
				"app protect.ptrace kill: a signal once the call has returned (it lacks lsm: no lsm)\n" +
				"app no_sudo kill: a signal once the program runs (it lacks lsm: no lsm)",
		},
		{
			"capabilities by the tracepoint", process(func(p *policy.Process) { p.BlockedCapabilities = rules(name("CAP_BPF")) }), kernel("lsm"),
			"app blocked_capabilities kill: a signal once it has been asked for, by a tracepoint (it lacks lsm: no lsm)",
		},
		{
			"limits of a unit", process(func(p *policy.Process) { p.MaxMemoryMB, p.Match.Unit = limit, rules(policy.GlobRule{}) }), kernel(),
			"app max_memory_mb prevent: the limits of its cgroup, while that has its controllers on and holds no one else's tasks",
		},
		{
			"limits of a program", process(func(p *policy.Process) { p.MaxCPUPercent, p.MaxProcesses, p.OnLimit = limit, limit, policy.LimitKill }), kernel(),
			"app max_cpu_percent kill: a signal on sustained excess (a cgroup's limit needs an entry that matches by unit or cgroup, which has a cgroup of its own)\n" +
				"app max_processes kill: a signal on sustained excess (a cgroup's limit needs an entry that matches by unit or cgroup, which has a cgroup of its own)",
		},
		{
			"limits that are recorded", process(func(p *policy.Process) { p.MaxMemoryMB, p.Match.Cgroup = limit, rules(policy.GlobRule{}) }), kernel("cgroup_controllers"),
			"app max_memory_mb observe: samples (it lacks cgroup_controllers: no cgroup_controllers)",
		},
		{
			"the default entry", &policy.Policy{Default: &policy.Process{BlockedFiles: rules(secret)}}, kernel(),
			"default blocked_files prevent: LSM hooks, over the path and the file itself",
		},
		{
			"the host", host(func(h *policy.Host) {
				h.Exec = rules(policy.StartRule{Path: secret})
				h.Files = rules(policy.GuardedFile{Path: secret, Readers: rules(secret), Writers: rules(secret)}, policy.GuardedFile{Path: secret})
				h.ModulesAllowed, h.BPF, h.Devices = rules(name("nf_tables")), rules(secret), rules(policy.GuardedDevice{Path: secret})
				h.BlockedPrctl, h.DenyMetadata.Set = rules(name("PR_SET_DUMPABLE")), true
			}), kernel("lsm", "kernel_modules"),
			"host exec prevent: fanotify permission events, answered by the daemon: without it everything passes, and so does what ld.so loads as data (it lacks lsm: no lsm)\n" +
				"host files.readers prevent: fanotify permission events, answered by the daemon: without it everything passes (it lacks lsm: no lsm)\n" +
				"host files.writers kill: a signal once the file has been used (it lacks lsm: no lsm)\n" +
				"host kernel_modules.allow unsupported:  (no kernel_modules)\n" +
				"host bpf.allow_exe kill: a signal once the call has returned (it lacks lsm: no lsm)\n" +
				"host devices kill: a signal once the call has returned (it lacks lsm: no lsm)\n" +
				"host prctl.block kill: a signal once the call has returned (it lacks lsm: no lsm)\n" +
				"host metadata prevent: cgroup programs; a socket that is passed on is judged by its maker (it lacks lsm: no lsm)",
		},
		{
			"packets", &policy.Policy{
				DNS: policy.DNS{BlockNames: rules(policy.NetworkRule{Host: "*.bad.example"})},
				Firewall: policy.Firewall{
					Ingress: policy.Ingress{DefaultDeny: true, Zones: []policy.Zone{{Name: "dmz"}}},
					Egress:  policy.Egress{DefaultDeny: true, Allow: rules(policy.NetworkRule{}), Block: rules(policy.NetworkRule{})},
				},
			}, kernel("xdp", "tcx", "cgroup_skb"),
			"dns block_names unsupported:  (it lacks cgroup_skb: no cgroup_skb)\n" +
				"firewall ingress.default prevent: clsact ingress (it lacks xdp: no xdp)\n" +
				"firewall ingress.zones prevent: clsact ingress (it lacks xdp: no xdp)\n" +
				"firewall egress.default prevent: clsact egress (it lacks tcx: no tcx)\n" +
				"firewall egress.allow prevent: clsact egress (it lacks tcx: no tcx)\n" +
				"firewall egress.block prevent: clsact egress (it lacks tcx: no tcx)",
		},
		{
			"no foundation", process(func(p *policy.Process) { p.AllowedExec = rules(secret) }), kernel("btf"),
			"app allowed_exec unsupported:  (it lacks btf: no btf)",
		},
		{
			"another system", process(func(p *policy.Process) { p.AllowedExec = rules(secret) }),
			Kernel{"linux": {Reason: "this is plan9"}},
			"app allowed_exec unsupported:  (it lacks linux: this is plan9)",
		},
		{
			"no facts", process(func(p *policy.Process) { p.AllowedExec = rules(secret) }),
			Kernel{},
			"app allowed_exec unsupported?:  (kernel_version is unknown: the facts do not speak of it)",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, summary(Judge(c.policy, c.kernel))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestWatchable(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		children, ok  bool
	}{
		{"/etc/shadow", "/etc/shadow", false, true},
		{"/srv/box/*", "/srv/box", true, true},
		{"/srv/**", "/srv/**", false, false},
		{"/srv/*/*", "/srv/*", true, false},
		{"/srv/*.key", "/srv/*.key", false, false},
		{"/bin/{a,b}", "/bin/{a,b}", false, false},
		{"**/nc", "**/nc", false, false},
		{"/*", "", true, false},
		{"", "", false, false},
		{"/proc/kcore", "/proc/kcore", false, false},
		{"/proc/*", "/proc", true, false},
		{"/process", "/process", false, true},
	} {
		path, children, ok := Watchable(c.pattern)
		if path != c.path || children != c.children || ok != c.ok {
			t.Errorf("%q: %q, %v, %v", c.pattern, path, children, ok)
		}
	}
}

// TestUnknown keeps apart what is certain and what might be possible.
func TestUnknown(t *testing.T) {
	k := kernel()
	k["lsm"] = Mechanism{Unknown: true, Reason: "it cannot be tried without root"}
	p := process(func(p *policy.Process) { p.AllowedExec = rules(pathRule(t, "/bin/sh", policy.AccessExecute)) })
	got := Judge(p, k)[0]
	if got.Ability != Kill || !got.Unknown || got.Why != "lsm is unknown: it cannot be tried without root" {
		t.Errorf("got %+v", got)
	}
}

func TestPlaces(t *testing.T) {
	rule := pathRule(t, "/bin/sh", policy.AccessExecute)
	rule.Pos = policy.Position{File: "p.yaml", Line: 7}
	got := Judge(process(func(p *policy.Process) {
		p.AllowedExec, p.BlockedFiles = rules(rule), rules[policy.PathRule]()
	}), kernel())
	if len(got) != 2 || got[0].Pos.String() != "p.yaml:7" || got[0].Text != "/bin/sh" || got[1].Line != 3 || got[1].Text != "" {
		t.Errorf("got %+v", got)
	}
}

// TestEveryListIsJudged sets one list after the other, empty: none may be left out but the one that guards nothing then,
// and the one that only exempts.
func TestEveryListIsJudged(t *testing.T) {
	try := func(name string, v reflect.Value, p *policy.Policy) {
		for i := range v.NumField() {
			present := v.Field(i)
			if present.Kind() != reflect.Struct || present.NumField() == 0 || present.Type().Field(0).Name != "Present" {
				continue
			}
			field := v.Type().Field(i).Name
			present.Field(0).SetBool(true)
			want := 1
			if name == "Host" && (field == "Files" || field == "PrctlExe") {
				want = 0
			}
			if got := Judge(p, kernel()); len(got) != want {
				t.Errorf("%s.%s: %d rules, want %d", name, field, len(got), want)
			}
			present.SetZero()
		}
	}
	p := process(func(*policy.Process) {})
	try("Process", reflect.ValueOf(&p.Processes[0]).Elem(), p)
	try("Protect", reflect.ValueOf(&p.Processes[0].Protect).Elem(), p)
	h := &policy.Policy{}
	try("Host", reflect.ValueOf(&h.Host).Elem(), h)
}
