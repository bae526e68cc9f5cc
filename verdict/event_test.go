package verdict_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

func TestAccesses(t *testing.T) {
	file := func(kind event.Kind, f event.File) *event.Event { return &event.Event{Kind: kind, File: &f} }
	flow := func(kind event.Kind, f event.Flow) *event.Event { return &event.Event{Kind: kind, Flow: &f} }
	call := func(kind event.Kind, c event.Call) *event.Event { return &event.Event{Kind: kind, Call: &c} }
	w := policy.AccessWrite
	tests := []struct {
		name string
		in   *event.Event
		want []verdict.Access
	}{
		{"exec", &event.Event{Kind: event.KindExec, Exec: &event.Exec{File: event.File{Path: "/bin/ls"}}}, []verdict.Access{{Op: verdict.OpExec, Path: "/bin/ls"}}},
		{"script", &event.Event{Kind: event.KindExec, Exec: &event.Exec{File: event.File{Path: "/bin/sh"}, Script: "/x.sh"}}, []verdict.Access{{Op: verdict.OpExec, Path: "/x.sh", Interpreter: "/bin/sh"}}},
		{"failed exec", &event.Event{Kind: event.KindExec, Errno: 13, Exec: &event.Exec{}}, nil},
		{"open", file(event.KindFileOpen, event.File{Path: "/a", Access: "rw"}), []verdict.Access{{Op: verdict.OpFile, Path: "/a", Letters: policy.AccessRead | w}}},
		{"open path only", file(event.KindFileOpen, event.File{Path: "/a"}), nil},
		{"open pipe", file(event.KindFileOpen, event.File{Path: "pipe:[1]", Access: "r"}), nil},
		{"open anonymous", file(event.KindFileOpen, event.File{Path: "/memfd:x", Access: "r", Type: "anonymous"}), nil},
		{"open refused", &event.Event{Kind: event.KindFileOpen, Errno: 13, File: &event.File{Path: "/a", Access: "r"}}, nil},
		{"open blocked by a policy", &event.Event{
			Kind: event.KindFileOpen, Errno: 1, File: &event.File{Path: "/a", Access: "r"}, Violations: []event.Violation{{Action: event.ActionBlocked}},
		}, []verdict.Access{{Op: verdict.OpFile, Path: "/a", Letters: policy.AccessRead}}},
		{"create", file(event.KindFileCreate, event.File{Path: "/a"}), []verdict.Access{{Op: verdict.OpFile, Path: "/a", Letters: w}}},
		{"delete", file(event.KindFileDelete, event.File{Path: "/a"}), []verdict.Access{{Op: verdict.OpFile, Path: "/a", Letters: w}}},
		{"rename", file(event.KindFileRename, event.File{Path: "/a", Target: "/b"}), []verdict.Access{{Op: verdict.OpFile, Path: "/a", Letters: w}, {Op: verdict.OpFile, Path: "/b", Letters: w}}},
		{"hard link", file(event.KindFileLink, event.File{Path: "/a", Target: "/b", Type: "file"}), []verdict.Access{{Op: verdict.OpFile, Path: "/a", Letters: w}, {Op: verdict.OpFile, Path: "/b", Letters: w}}},
		{"symlink", file(event.KindFileLink, event.File{Path: "/a", Target: "/b", Type: "symlink"}), []verdict.Access{{Op: verdict.OpFile, Path: "/a", Letters: w}}},
		{"library", file(event.KindLibrary, event.File{Path: "/a", Access: "rx"}), []verdict.Access{{Op: verdict.OpFile, Path: "/a", Letters: policy.AccessExecute}}},
		{"volume", file(event.KindFileVolume, event.File{Path: "/a", Access: "r"}), nil},
		{"connect refused", &event.Event{Kind: event.KindConnect, Errno: 111, Flow: &event.Flow{Family: "inet", Protocol: "tcp", Destination: "10.0.0.1", DestinationPort: 80}}, []verdict.Access{{Op: verdict.OpConnect, Peer: netip.MustParseAddrPort("10.0.0.1:80"), Protocol: "tcp"}}},
		{"send", flow(event.KindSend, event.Flow{Family: "inet6", Protocol: "udp", Destination: "::1", DestinationPort: 53}), []verdict.Access{{Op: verdict.OpSend, Peer: netip.MustParseAddrPort("[::1]:53"), Protocol: "udp"}}},
		{"bind", flow(event.KindBind, event.Flow{Family: "inet", Protocol: "tcp", Source: "0.0.0.0", SourcePort: 80}), []verdict.Access{{Op: verdict.OpBind, Peer: netip.MustParseAddrPort("0.0.0.0:80"), Protocol: "tcp"}}},
		{"bind any port", flow(event.KindBind, event.Flow{Family: "inet", Protocol: "udp", Source: "0.0.0.0", SourcePort: 40000, AnyPort: true}), []verdict.Access{{Op: verdict.OpBind, Peer: netip.MustParseAddrPort("0.0.0.0:0"), Protocol: "udp"}}},
		{"unix", flow(event.KindConnect, event.Flow{Family: "unix", Path: "@bus"}), []verdict.Access{{Op: verdict.OpConnect, Path: "@bus"}}},
		{"unix unnamed", flow(event.KindConnect, event.Flow{Family: "unix"}), nil},
		{"packet", flow(event.KindBind, event.Flow{Family: "packet"}), []verdict.Access{{Op: verdict.OpBind}}},
		{"a family without addresses", flow(event.KindBind, event.Flow{Family: "38"}), []verdict.Access{{Op: verdict.OpBind}}},
		{"netlink", flow(event.KindBind, event.Flow{Family: "netlink"}), nil},
		{"unspecified", flow(event.KindConnect, event.Flow{Family: "inet"}), nil},
		{"accept", flow(event.KindAccept, event.Flow{Family: "inet", Source: "10.0.0.1", Destination: "10.0.0.2"}), nil},
		{"listen", flow(event.KindListen, event.Flow{Family: "inet6", Protocol: "tcp", Source: "::", SourcePort: 80}), []verdict.Access{{Op: verdict.OpListen, Peer: netip.MustParseAddrPort("[::]:80"), Protocol: "tcp"}}},
		{"unix bind", flow(event.KindBind, event.Flow{Family: "unix", Path: "/run/a"}), []verdict.Access{{Op: verdict.OpFile, Path: "/run/a", Letters: w}}},
		{"unix bind, abstract", flow(event.KindBind, event.Flow{Family: "unix", Path: "@a"}), nil},
		{"unix listen", flow(event.KindListen, event.Flow{Family: "unix", Path: "/run/a"}), nil},
		{"setuid exec", &event.Event{Kind: event.KindExec, Exec: &event.Exec{File: event.File{Path: "/bin/su"}, Setuid: true}}, []verdict.Access{{Op: verdict.OpExec, Path: "/bin/su", GainsPrivilege: true}}},
		{"open of a truncated path", file(event.KindFileOpen, event.File{Path: "deep/a", Access: "r", PathTruncated: true}), []verdict.Access{{Op: verdict.OpFile, Path: "deep/a", Truncated: true, Letters: policy.AccessRead}}},
		{"signal", &event.Event{Kind: event.KindSignal, Signal: &event.Signal{Number: 9}}, []verdict.Access{{Op: verdict.OpSignal}}},
		{"ptrace", &event.Event{Kind: event.KindPtrace, Ptrace: &event.Ptrace{Request: "PTRACE_ATTACH"}}, []verdict.Access{{Op: verdict.OpSyscall, Number: 101}, {Op: verdict.OpPtrace}}},
		{"ptrace refused", &event.Event{Kind: event.KindPtrace, Errno: 1, Ptrace: &event.Ptrace{Request: "PTRACE_ATTACH"}}, []verdict.Access{{Op: verdict.OpSyscall, Number: 101}}},
		{"memory of another", &event.Event{Kind: event.KindPtrace, Ptrace: &event.Ptrace{Request: "process_vm_readv"}}, []verdict.Access{{Op: verdict.OpSyscall, Number: 310}, {Op: verdict.OpPtrace}}},
		{"module", &event.Event{Kind: event.KindModuleLoad, Module: &event.Module{Name: "vfat"}}, []verdict.Access{{Op: verdict.OpModule, Name: "vfat"}}},
		{"module unloaded", &event.Event{Kind: event.KindModuleUnload, Module: &event.Module{Name: "vfat"}}, nil},
		{"bpf", &event.Event{Kind: event.KindBPF, BPF: &event.BPF{Command: "BPF_PROG_LOAD"}}, []verdict.Access{{Op: verdict.OpSyscall, Number: 321}, {Op: verdict.OpBPF}}},
		{"mount", &event.Event{Kind: event.KindMount, Mount: &event.Mount{Operation: "bind", Source: "/a"}}, []verdict.Access{{Op: verdict.OpMount, Path: "/a"}}},
		{"remount", &event.Event{Kind: event.KindMount, Mount: &event.Mount{Operation: "remount", Source: "/a"}}, nil},
		{"umount", &event.Event{Kind: event.KindUmount, Mount: &event.Mount{Operation: "umount", Target: "/a"}}, nil},
		{"capability", &event.Event{Kind: event.KindCapability, Capability: &event.Capability{Name: "CAP_SYS_ADMIN", Granted: true}}, []verdict.Access{{Op: verdict.OpCapability, Number: 21}}},
		{"capability of later kernels", &event.Event{Kind: event.KindCapability, Capability: &event.Capability{Name: "CAP_63", Granted: true}}, []verdict.Access{{Op: verdict.OpCapability, Number: 63}}},
		{"capability refused", &event.Event{Kind: event.KindCapability, Capability: &event.Capability{Name: "CAP_SYS_ADMIN"}}, nil},
		{"settime", call(event.KindSettime, event.Call{Syscall: "clock_settime"}), []verdict.Access{{Op: verdict.OpSyscall, Number: 227}, {Op: verdict.OpSettime}}},
		{"prctl", call(event.KindPrctl, event.Call{Syscall: "prctl", Operation: "PR_SET_DUMPABLE"}), []verdict.Access{{Op: verdict.OpSyscall, Number: 157}, {Op: verdict.OpPrctl, Number: 4}}},
		{"prctl unknown", call(event.KindPrctl, event.Call{Syscall: "prctl", Operation: "12345"}), []verdict.Access{{Op: verdict.OpSyscall, Number: 157}, {Op: verdict.OpPrctl, Number: 12345}}},
		{"keyring", call(event.KindKeyring, event.Call{Syscall: "keyctl"}), []verdict.Access{{Op: verdict.OpSyscall, Number: 250}, {Op: verdict.OpKeyring}}},
		{"io_uring", call(event.KindIOUring, event.Call{Syscall: "io_uring_setup"}), []verdict.Access{{Op: verdict.OpSyscall, Number: 425}, {Op: verdict.OpIOUring}}},
		{"syscall", call(event.KindSyscall, event.Call{Syscall: "socketcall", ABI: "i386"}), []verdict.Access{{Op: verdict.OpSyscall, Number: 102, I386: true}}},
		{"syscall by number", call(event.KindSyscall, event.Call{Syscall: "600"}), []verdict.Access{{Op: verdict.OpSyscall, Number: 600}}},
		{"syscall of no table", call(event.KindSyscall, event.Call{Syscall: "frobnicate"}), nil},
		{"setuid", &event.Event{Kind: event.KindCredential, Credential: &event.Credential{Operation: "setuid"}}, []verdict.Access{{Op: verdict.OpSyscall, Number: 105}}},
		{"unshare", &event.Event{Kind: event.KindNamespace, Namespace: &event.Namespace{Operation: "unshare"}}, []verdict.Access{{Op: verdict.OpSyscall, Number: 272}}},
		{"exit", &event.Event{Kind: event.KindExit, Exit: &event.Exit{}}, nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, verdict.Accesses(tt.in), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
}

func TestActor(t *testing.T) {
	shell := &event.Process{Ref: event.Ref{Exe: "/bin/sh"}, Parents: []event.Ref{{Exe: "/usr/sbin/nginx"}}}
	tests := []struct {
		in   event.Event
		want string
	}{
		{event.Event{Kind: event.KindFileOpen, Process: shell}, "/bin/sh"},
		{event.Event{Kind: event.KindExec, Process: shell, Exec: &event.Exec{}}, "/usr/sbin/nginx"},
		{event.Event{Kind: event.KindExec, Process: shell, Exec: &event.Exec{Caller: "/bin/bash"}}, "/bin/bash"},
		{event.Event{Kind: event.KindExec, Process: &event.Process{}}, ""},
		{event.Event{Kind: event.KindPtrace, Process: shell, Ptrace: &event.Ptrace{Request: "PTRACE_TRACEME"}}, "/usr/sbin/nginx"},
		{event.Event{Kind: event.KindPtrace, Process: &event.Process{Ref: event.Ref{Exe: "/x"}}, Ptrace: &event.Ptrace{Request: "PTRACE_TRACEME"}}, ""},
		{event.Event{Kind: event.KindPtrace, Process: shell, Ptrace: &event.Ptrace{Request: "PTRACE_ATTACH"}}, "/bin/sh"},
		{event.Event{Kind: event.KindLoss}, ""},
	}
	for i, tt := range tests {
		if got, _, _ := verdict.Actor(&tt.in); got.Exe != tt.want {
			t.Errorf("%d: %q, want %q", i, got.Exe, tt.want)
		}
	}
}

func TestJudge(t *testing.T) {
	img := image(t, "processes:\n  nginx:\n    blocked_files: [/etc/shadow, /b]\n    allowed_exec: []\n")
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	process := &event.Process{Ref: event.Ref{PID: 7, Name: "worker", Exe: "/usr/sbin/nginx"}}
	read := &event.Event{Kind: event.KindFileOpen, Time: at, Evidence: event.EvidenceDescriptor, Process: process, File: &event.File{Path: "/etc/shadow", Access: "r"}}
	want := event.Violation{
		Timestamp: at, ProcessName: "nginx", PID: 7, Type: "file", Detail: "blocked file access: /etc/shadow (pattern: /etc/shadow)",
		Severity: event.SeverityHigh, Action: event.ActionLogged, PolicyMode: "audit", Rule: "p.yaml:3", Subject: "nginx", Mechanism: "descriptor", WouldDeny: true,
	}
	for mode, action := range map[policy.Mode]event.Action{policy.ModeAudit: event.ActionLogged, policy.ModeAlert: event.ActionAlerted, policy.ModeEnforce: event.ActionAlerted} {
		want.PolicyMode, want.Action = string(mode), action
		if diff := cmp.Diff([]event.Violation{want}, verdict.Judge(img, mode, read)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", mode, diff)
		}
	}
	both := &event.Event{Kind: event.KindFileRename, Process: process, File: &event.File{Path: "/b", Target: "/etc/shadow"}}
	if got := verdict.Judge(img, policy.ModeAudit, both); len(got) != 2 {
		t.Errorf("a rename between two blocked names gives %d violations", len(got))
	}
	shell := &event.Process{Ref: event.Ref{PID: 8, Exe: "/bin/sh"}, Parents: []event.Ref{process.Ref}}
	exec := &event.Event{Kind: event.KindExec, Process: shell, Exec: &event.Exec{File: event.File{Path: "/bin/sh"}}}
	if got := verdict.Judge(img, policy.ModeAudit, exec); len(got) != 1 || got[0].Type != "exec" || got[0].PID != 8 || got[0].Subject != "nginx" {
		t.Errorf("a shell started by nginx: %+v", got)
	}
	if got := verdict.Judge(img, policy.ModeAudit, &event.Event{Kind: event.KindLoss, Loss: &event.Loss{}}); got != nil {
		t.Errorf("an event without a process: %+v", got)
	}
}

// TestJudgeReach: whoever is signalled or traced is known by the executable.
func TestJudgeReach(t *testing.T) {
	img := image(t, `processes:
  vault: {protect: {signals: [ops], ptrace: []}}
  ops: {description: operators}
`)
	process := func(exe, parent string) *event.Process {
		return &event.Process{Ref: event.Ref{PID: 7, Name: "comm", Exe: exe}, Parents: []event.Ref{{Exe: parent}}}
	}
	vault := event.Ref{PID: 8, Exe: "/usr/bin/vault"}
	signal := func(actor string, to event.Ref) *event.Event {
		return &event.Event{Kind: event.KindSignal, Process: process(actor, "/sbin/init"), Signal: &event.Signal{Number: 15, Target: to}}
	}
	ptrace := func(request, actor, parent string, to event.Ref) *event.Event {
		return &event.Event{Kind: event.KindPtrace, Process: process(actor, parent), Ptrace: &event.Ptrace{Request: request, Target: to}}
	}
	for name, tt := range map[string]struct {
		e      *event.Event
		detail string
	}{
		"stranger":       {signal("/bin/kill", vault), "blocked"},
		"allowed":        {signal("/bin/ops", vault), ""},
		"itself":         {signal("/usr/bin/vault", vault), ""},
		"somebody else":  {signal("/bin/kill", event.Ref{Exe: "/bin/ls"}), ""},
		"ptrace":         {ptrace("PTRACE_ATTACH", "/bin/ops", "/bin/sh", vault), "blocked"},
		"asks to trace":  {ptrace("PTRACE_TRACEME", "/usr/bin/vault", "/usr/bin/gdb", event.Ref{}), "blocked"},
		"asks its own":   {ptrace("PTRACE_TRACEME", "/usr/bin/vault", "/usr/bin/vault", event.Ref{}), ""},
		"asks, a tracee": {ptrace("PTRACE_TRACEME", "/bin/ls", "/usr/bin/gdb", event.Ref{}), ""},
	} {
		got := verdict.Judge(img, "", tt.e)
		if (len(got) == 1) != (tt.detail != "") || len(got) == 1 && (got[0].Type != "process" || !got[0].WouldDeny) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	nameless := signal("", vault)
	if got := verdict.Judge(img, "", nameless); len(got) != 1 || got[0].ProcessName != "comm" || got[0].Subject != "default" {
		t.Errorf("a task without an executable: %+v", got)
	}
}

func TestBuiltinPolicy(t *testing.T) {
	img, err := compile.Compile(policy.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		exe, access, object string
		denied              bool
	}{
		{"/usr/sbin/nginx", "r", "/etc/shadow", true},
		{"/usr/sbin/nginx", "r", "/etc/nginx/nginx.conf", false},
		{"/usr/sbin/nginx", "r", "/etc/letsencrypt/live/x/privkey.pem", false},
		{"/usr/sbin/nginx", "r", "/etc/ld.so.preload", false},
		{"/usr/sbin/nginx", "connect", "169.254.169.254:80/tcp", true},
		{"/usr/sbin/nginx", "connect", "10.0.0.1:8080/tcp", false},
		{"/usr/sbin/nginx", "connect", "unix:/run/php/php8.2-fpm.sock", false},
		{"/usr/sbin/nginx", "connect", "unix:/var/run/docker.sock", true},
		{"/usr/bin/redis-server", "w", "/root/.ssh/authorized_keys", true},
		{"/usr/bin/redis-server", "w", "/var/spool/cron/crontabs/root", true},
		{"/usr/bin/redis-server", "w", "/var/lib/redis/dump.rdb", false},
		{"/usr/sbin/sshd", "r", "/etc/shadow", false},
		{"/usr/sbin/sshd", "r", "/etc/ssh/ssh_host_rsa_key", false},
		{"/usr/sbin/sshd", "w", "/dev/shm/.log", true},
		{"/usr/bin/bash", "r", "/etc/shadow", true},
		{"/usr/bin/bash", "r", "/etc/passwd", false},
		{"/usr/bin/bash", "w", "/etc/cron.d/x", true},
		{"/usr/bin/dash", "r", "/etc/crontab", false},
		{"/usr/bin/cat", "r", "/home/u/.ssh/id_ed25519", true},
		{"/usr/bin/cat", "r", "/home/u/.ssh/id_ed25519.pub", false},
		{"/usr/bin/curl", "connect", "169.254.169.254:80/tcp", true},
		{"/usr/bin/curl", "connect", "[::ffff:169.254.169.254]:80/tcp", true},
		{"/usr/bin/python3.11", "connect", "169.254.169.254:80/tcp", false},
		{"/usr/bin/python3.11", "r", "/etc/shadow-", true},
		{"/usr/bin/passwd", "w", "/etc/shadow", false},
		{"/usr/sbin/cron", "r", "/etc/shadow", false},
	}
	for _, tt := range tests {
		if got := ask(t, img, tt.exe, tt.access, tt.object); got.Denied != tt.denied {
			t.Errorf("%s %s %s: %+v", tt.exe, tt.access, tt.object, got)
		}
	}
}

// FuzzJudge judges recorded events, which come from files: whatever they hold, each violation is whole.
func FuzzJudge(f *testing.F) {
	for _, e := range events() {
		b, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, text := range []string{
		`{"kind":"exec","process":{"pid":1,"exe":"/usr/bin/web"},"exec":{"file":{"path":"/tmp/x"},"script":"/x.sh","setuid":true}}`,
		`{"kind":"ptrace","process":{"exe":"/bin/sh"},"ptrace":{"request":"PTRACE_TRACEME"}}`,
		`{"kind":"file_rename","process":{},"file":{"path":"x","target":"/srv/secret/a","path_truncated":true}}`,
		`{"kind":"prctl","process":{},"call":{"syscall":"prctl","operation":"4"}}`,
		`{"kind":"capability","process":{"container":{"id":"x"}},"capability":{"name":"CAP_63","granted":true}}`,
		`{"kind":"connect","process":{},"flow":{"family":"inet6","dst_ip":"64:ff9b::a9fe:a9fe","dst_port":80}}`,
	} {
		f.Add([]byte(text))
	}
	text, err := os.ReadFile("testdata/keys.yaml")
	if err != nil {
		f.Fatal(err)
	}
	img := image(f, string(text))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e event.Event
		if json.Unmarshal(b, &e) != nil {
			return
		}
		for _, v := range verdict.Judge(img, "", &e) {
			if v.Type == "" || v.Detail == "" || v.Severity == "" || v.Rule == "" || v.Subject == "" || v.PolicyMode == "" {
				t.Errorf("%s: %+v", b, v)
			}
		}
	})
}
