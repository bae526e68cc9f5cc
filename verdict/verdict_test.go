package verdict_test

import (
	"fmt"
	"net/netip"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/verdict"
)

func compile(t testing.TB, text string) *verdict.Image {
	t.Helper()
	p, err := policy.Parse("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return verdict.Compile(p)
}

const precedence = `processes:
  p:
    blocked_files:
      - "/etc/**"
      - "/etc/ssh/*_key"
      - "/etc/ssh/*"
      - "/data/x w"
    allowed_files:
      - "/data/** r"
      - "/data/*/log w"
      - "/data/a/** rw"
      - "/etc/hosts"
      - "/lib/** rx"
    allowed_exec: ["/bin/true", "git"]
    blocked_network:
      - "10.0.0.0/8"
      - "10.1.0.0/16"
      - "10.1.0.0/16:1-100"
      - "10.1.0.0/16:22/tcp"
      - "10.1.0.0/16:22"
      - "unix:/run/docker.sock"
    allowed_network:
      - "0.0.0.0/0:443/tcp"
      - "[2001:db8::/32]:53,8000-8100"
      - "0.0.0.0:80"
      - "*.example.com:8443"
`

func TestDecide(t *testing.T) {
	tests := []struct {
		access, object string
		denied         bool
		rule           string
		detail         string
	}{
		{"r", "/etc/passwd", true, "p.yaml:4", "blocked file access: /etc/passwd (pattern: /etc/**)"},
		{"r", "/etc/hosts", true, "p.yaml:4", "blocked file access: /etc/hosts (pattern: /etc/**)"},
		{"r", "/etc/ssh/a_key", true, "p.yaml:5", "blocked file access: /etc/ssh/a_key (pattern: /etc/ssh/*_key)"},
		{"r", "/etc/ssh/moduli", true, "p.yaml:6", "blocked file access: /etc/ssh/moduli (pattern: /etc/ssh/*)"},
		{"r", "/data/../etc//passwd", true, "p.yaml:4", "blocked file access: /etc/passwd (pattern: /etc/**)"},
		{"r", "/etc/passwd (deleted)", true, "p.yaml:4", "blocked file access: /etc/passwd (pattern: /etc/**)"},
		{"rw", "/data/x", true, "p.yaml:7", "blocked file access: /data/x (pattern: /data/x w)"},
		{"r", "/data/x", false, "p.yaml:9", ""},
		{"w", "/data/b", true, "p.yaml:8", "unauthorized file access: /data/b (w)"},
		{"w", "/data/b/log", false, "p.yaml:10", ""},
		{"rw", "/data/b/log", false, "p.yaml:10", ""},
		{"rw", "/data/a/log", false, "p.yaml:11", ""},
		{"rwx", "/data/a/log", true, "p.yaml:8", "unauthorized file access: /data/a/log (x)"},
		{"r", "/datax", true, "p.yaml:8", "unauthorized file access: /datax (r)"},
		{"x", "/lib/libc.so", false, "p.yaml:13", ""},
		{"r", "relative", true, "p.yaml:8", "unauthorized file access: relative (r)"},
		{"exec", "/bin/true", false, "p.yaml:14", ""},
		{"exec", "/opt/git/bin/git", false, "p.yaml:14", ""},
		{"exec", "/bin/sh", true, "p.yaml:14", "unauthorized exec: /bin/sh"},
		{"exec", "/etc/x", true, "p.yaml:4", "blocked exec: /etc/x (pattern: /etc/**)"},
		{"connect", "10.2.0.1:443/tcp", true, "p.yaml:16", "blocked network access: 10.2.0.1:443/tcp (rule: 10.0.0.0/8)"},
		{"connect", "10.1.0.1:443/tcp", true, "p.yaml:17", "blocked network access: 10.1.0.1:443/tcp (rule: 10.1.0.0/16)"},
		{"connect", "10.1.0.1:80/tcp", true, "p.yaml:18", "blocked network access: 10.1.0.1:80/tcp (rule: 10.1.0.0/16:1-100)"},
		{"connect", "10.1.0.1:22/tcp", true, "p.yaml:19", "blocked network access: 10.1.0.1:22/tcp (rule: 10.1.0.0/16:22/tcp)"},
		{"send", "10.1.0.1:22/udp", true, "p.yaml:20", "blocked network access: 10.1.0.1:22/udp (rule: 10.1.0.0/16:22)"},
		{"connect", "[::ffff:10.1.0.1]:22/tcp", true, "p.yaml:19", "blocked network access: 10.1.0.1:22/tcp (rule: 10.1.0.0/16:22/tcp)"},
		{"connect", "[64:ff9b::a01:1]:22/tcp", true, "p.yaml:19", "blocked network access: 10.1.0.1:22/tcp (rule: 10.1.0.0/16:22/tcp)"},
		{"connect", "192.0.2.1:443/tcp", false, "p.yaml:23", ""},
		{"send", "192.0.2.1:443/udp", true, "p.yaml:22", "unauthorized network access: 192.0.2.1:443/udp"},
		{"connect", "[2001:db8::1]:8050/tcp", false, "p.yaml:24", ""},
		{"connect", "[2001:db8::1]:8101/tcp", true, "p.yaml:22", "unauthorized network access: [2001:db8::1]:8101/tcp"},
		{"connect", "192.0.2.1:8443/tcp", false, "p.yaml:26", ""},
		{"bind", "0.0.0.0:80/tcp", false, "p.yaml:25", ""},
		{"bind", "10.0.0.1:443/tcp", false, "p.yaml:23", ""},
		{"bind", "0.0.0.0:8443/tcp", true, "p.yaml:22", "unauthorized network access: 0.0.0.0:8443/tcp"},
		{"connect", "unix:/run/docker.sock", true, "p.yaml:21", "blocked network access: unix:/run/docker.sock (rule: unix:/run/docker.sock)"},
		{"connect", "unix:/run/other.sock", false, "", ""},
		{"bind", "packet", true, "p.yaml:22", "unauthorized network access: packet socket"},
	}
	s := compile(t, precedence).Subject("/usr/bin/p")
	for _, tt := range tests {
		got := verdict.Decide(s, parseAccess(t, tt.access, tt.object))
		if got.Denied != tt.denied || got.Rule != tt.rule || got.Detail != tt.detail {
			t.Errorf("%s %s: denied %v by %q: %q\nwant %v by %q: %q", tt.access, tt.object, got.Denied, got.Rule, got.Detail, tt.denied, tt.rule, tt.detail)
		}
	}
}

// TestAbsentAndEmpty: an absent key leaves the class alone, an empty allow list allows nothing, an empty block list blocks nothing.
func TestAbsentAndEmpty(t *testing.T) {
	img := compile(t, `processes:
  absent: {}
  empty: {allowed_exec: [], allowed_files: [], allowed_network: [], blocked_files: [], blocked_network: []}
  sockets: {allowed_network: ["unix:/run/a"]}
`)
	tests := []struct {
		subject, access, object string
		want                    verdict.Decision
	}{
		{"absent", "exec", "/bin/sh", verdict.Decision{}},
		{"absent", "rwx", "/x", verdict.Decision{}},
		{"absent", "connect", "192.0.2.1:1/tcp", verdict.Decision{}},
		{"absent", "bind", "packet", verdict.Decision{}},
		{"unknown", "exec", "/bin/sh", verdict.Decision{}},
		{"empty", "exec", "/bin/sh", verdict.Decision{Denied: true, Rule: "p.yaml:3", Type: "exec", Severity: event.SeverityHigh, Detail: "unauthorized exec: /bin/sh"}},
		{"empty", "r", "/x", verdict.Decision{Denied: true, Rule: "p.yaml:3", Type: "file", Severity: event.SeverityMedium, Detail: "unauthorized file access: /x (r)"}},
		{"empty", "connect", "192.0.2.1:1/tcp", verdict.Decision{Denied: true, Rule: "p.yaml:3", Type: "network", Severity: event.SeverityCritical, Detail: "network access denied (no network allowed): 192.0.2.1:1/tcp"}},
		{"empty", "connect", "unix:/run/a", verdict.Decision{}},
		{"sockets", "connect", "unix:/run/a", verdict.Decision{Rule: "p.yaml:4"}},
		{"sockets", "connect", "unix:/run/b", verdict.Decision{Denied: true, Rule: "p.yaml:4", Type: "network", Severity: event.SeverityCritical, Detail: "unauthorized network access: unix:/run/b"}},
	}
	for _, tt := range tests {
		got := verdict.Decide(img.Subject("/x/"+tt.subject), parseAccess(t, tt.access, tt.object))
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s %s %s: -want +got:\n%s", tt.subject, tt.access, tt.object, diff)
		}
	}
}

func TestSubject(t *testing.T) {
	img := compile(t, "processes: {nginx: {}}")
	for exe, want := range map[string]bool{
		"/usr/sbin/nginx": true, "/tmp/nginx": true, "nginx": true, "/usr/sbin/nginx (deleted)": true,
		"/usr/sbin/nginx2": false, "/nginx/x": false, "": false, "/": false,
	} {
		if got := img.Subject(exe) != nil; got != want {
			t.Errorf("Subject(%q) claims: %v, want %v", exe, got, want)
		}
	}
}

func TestAccesses(t *testing.T) {
	file := func(kind event.Kind, f event.File) *event.Event { return &event.Event{Kind: kind, File: &f} }
	flow := func(kind event.Kind, f event.Flow) *event.Event { return &event.Event{Kind: kind, Flow: &f} }
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
		{"bind any port", flow(event.KindBind, event.Flow{Family: "inet", Protocol: "udp", Source: "0.0.0.0"}), nil},
		{"unix", flow(event.KindConnect, event.Flow{Family: "unix", Path: "@bus"}), []verdict.Access{{Op: verdict.OpConnect, Path: "@bus"}}},
		{"unix unnamed", flow(event.KindConnect, event.Flow{Family: "unix"}), nil},
		{"packet", flow(event.KindBind, event.Flow{Family: "packet"}), []verdict.Access{{Op: verdict.OpBind}}},
		{"netlink", flow(event.KindBind, event.Flow{Family: "netlink"}), nil},
		{"unspecified", flow(event.KindConnect, event.Flow{Family: "inet"}), nil},
		{"accept", flow(event.KindAccept, event.Flow{Family: "inet", Source: "10.0.0.1", Destination: "10.0.0.2"}), nil},
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
		{event.Event{Kind: event.KindLoss}, ""},
	}
	for i, tt := range tests {
		if got := verdict.Actor(&tt.in); got != tt.want {
			t.Errorf("%d: %q, want %q", i, got, tt.want)
		}
	}
}

func TestJudge(t *testing.T) {
	img := compile(t, "processes:\n  nginx:\n    blocked_files: [/etc/shadow, /b]\n    allowed_exec: []\n")
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	process := &event.Process{Ref: event.Ref{PID: 7, Name: "worker", Exe: "/usr/sbin/nginx"}}
	read := &event.Event{Kind: event.KindFileOpen, Time: at, Evidence: event.EvidenceDescriptor, Process: process, File: &event.File{Path: "/etc/shadow", Access: "r"}}
	want := event.Violation{
		Timestamp: at, ProcessName: "nginx", PID: 7, Type: "file", Detail: "blocked file access: /etc/shadow (pattern: /etc/shadow)",
		Severity: event.SeverityHigh, Action: event.ActionLogged, PolicyMode: "audit", Rule: "p.yaml:3", Subject: "nginx", Mechanism: "descriptor", WouldDeny: true,
	}
	for mode, action := range map[policy.Mode]event.Action{policy.ModeAudit: event.ActionLogged, policy.ModeAlert: event.ActionAlerted, policy.ModeEnforce: event.ActionAlerted} {
		want.PolicyMode, want.Action = string(mode), action
		if diff := cmp.Diff([]event.Violation{want}, img.Judge(read, mode)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", mode, diff)
		}
	}
	both := &event.Event{Kind: event.KindFileRename, Process: process, File: &event.File{Path: "/b", Target: "/etc/shadow"}}
	if got := img.Judge(both, policy.ModeAudit); len(got) != 2 {
		t.Errorf("a rename between two blocked names gives %d violations", len(got))
	}
	shell := &event.Process{Ref: event.Ref{PID: 8, Exe: "/bin/sh"}, Parents: []event.Ref{process.Ref}}
	exec := &event.Event{Kind: event.KindExec, Process: shell, Exec: &event.Exec{File: event.File{Path: "/bin/sh"}}}
	if got := img.Judge(exec, policy.ModeAudit); len(got) != 1 || got[0].Type != "exec" || got[0].PID != 8 || got[0].Subject != "nginx" {
		t.Errorf("a shell started by nginx: %+v", got)
	}
	if got := img.Judge(&event.Event{Kind: event.KindLoss, Loss: &event.Loss{}}, policy.ModeAudit); got != nil {
		t.Errorf("an event without a process: %+v", got)
	}
}

func TestBuiltinPolicy(t *testing.T) {
	img := verdict.Compile(policy.Builtin())
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
		if got := verdict.Decide(img.Subject(tt.exe), parseAccess(t, tt.access, tt.object)); got.Denied != tt.denied {
			t.Errorf("%s %s %s: %+v", tt.exe, tt.access, tt.object, got)
		}
	}
}

// FuzzDecide looks for the rule by brute force, on a policy of two patterns.
func FuzzDecide(f *testing.F) {
	f.Add("/a/**", "/a/*", "/a/b")
	f.Add("/a/{b,c}", "/a/b r", "/a/./b")
	f.Fuzz(func(t *testing.T, first, second, name string) {
		text := fmt.Sprintf("processes:\n  p:\n    blocked_files: [%q]\n    allowed_files:\n      - %q\n", first, second)
		p, err := policy.Parse("p", []byte(text))
		if err != nil {
			return
		}
		entry := p.Processes[0]
		got := verdict.Decide(verdict.Compile(p).Subject("p"), verdict.Access{Op: verdict.OpFile, Path: name, Letters: policy.AccessRead})
		clean := path.Clean(strings.TrimSuffix(name, " (deleted)"))
		matches := func(r policy.PathRule) bool { return r.Access&policy.AccessRead != 0 && r.Glob.Match(clean) }
		blocked, allowed := matches(entry.BlockedFiles.Rules[0]), matches(entry.AllowedFiles.Rules[0])
		if got.Denied != (blocked || !allowed) {
			t.Errorf("blocked %v allowed %v, decided %+v", blocked, allowed, got)
		}
		want := "p:4"
		switch {
		case blocked:
			want = "p:3"
		case allowed:
			want = "p:5"
		}
		if got.Rule != want {
			t.Errorf("rule %s, want %s", got.Rule, want)
		}
	})
}
