package verdict_test

import (
	"strings"
	"testing"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// TestDetail has one line for each operation, by the policy with every key.
func TestDetail(t *testing.T) {
	lines, _ := readKeys(t)
	img, err := compileLines(lines)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ actor, op, object, want string }{
		{"web", "exec", "/bin/git", "allowed exec: /bin/git (pattern: git)"},
		{"web", "exec", "/bin/ls", "unauthorized exec: /bin/ls"},
		{"web", "setuid", "/bin/git", "blocked exec: /bin/git gains privilege (rule: no_sudo)"},
		{"web", "script", "/bin/git,/tmp/sh", "blocked exec: /bin/git runs /tmp/sh (pattern: /tmp/**)"},
		{"web", "rwx", "/srv/a", "unauthorized file access: /srv/a (x)"},
		{"web", "rw", "/srv/keys", "blocked file access: /srv/keys (pattern: /srv/keys)"},
		{"web", "connect", "10.9.0.1:443/tcp", "blocked network access: 10.9.0.1:443/tcp (rule: 10.9.0.0/16)"},
		{"web", "connect", "203.0.113.7:443/tcp", "undecided network access: 203.0.113.7:443/tcp (rule: *.github.io:443/tcp)"},
		{"web", "connect", "203.0.113.7:443/tcp,A.github.io,x.example", "allowed network access: 203.0.113.7:443/tcp (A.github.io, x.example) (rule: *.github.io:443/tcp)"},
		{"web", "connect", "unix:/run/docker.sock", "blocked network access: unix:/run/docker.sock (rule: unix:/run/docker.sock)"},
		{"web", "connect", "packet", "unauthorized network access: packet socket"},
		{"web", "bind", "packet", "unauthorized network access: packet socket"},
		{"web", "listen", "0.0.0.0:81/tcp", "unauthorized listen: 0.0.0.0:81/tcp"},
		{"web", "resolve", "a.bad.example", "blocked name: a.bad.example (rule: **.bad.example)"},
		{"web", "syscall", "mount", "unauthorized system call: mount"},
		{"web", "syscall", "mount/i386", "unauthorized system call: mount"},
		{"web", "syscall", "9999", "unauthorized system call: number 9999"},
		{"web", "capability", "CAP_SYS_ADMIN", "blocked capability: CAP_SYS_ADMIN (rule: CAP_SYS_ADMIN)"},
		{"placed", "signal", "web", "unauthorized signal: web"},
		{"placed", "ptrace", "web", "unauthorized ptrace: web"},
		{"web", "module", "vfat", "blocked kernel module: vfat (rule: vfat)"},
		{"web", "bpf", "-", "unauthorized bpf: by web"},
		{"web", "mount", "/dev/sda", "blocked mount: /dev/sda (pattern: /dev/sd*)"},
		{"web", "ioctl", "/dev/video0", "blocked ioctl: /dev/video0 (pattern: /dev/video*)"},
		{"web", "settime", "-", "unauthorized setting of the clock: by web"},
		{"web", "prctl", "PR_SET_DUMPABLE", "blocked prctl: option 4 (rule: PR_SET_DUMPABLE)"},
		{"web", "keyring", "-", "unauthorized use of keyrings: by web"},
		{"web", "io_uring", "-", "unauthorized io_uring: by web"},
		{"web", "memory", "513", "blocked use of resources: 513 MiB of memory, 512 allowed (rule: max_memory_mb)"},
		{"web", "cpu", "81", "blocked use of resources: 81 % of a CPU, 80 allowed (rule: max_cpu_percent)"},
		{"web", "processes", "65", "blocked use of resources: 65 processes, 64 allowed (rule: max_processes)"},
		{"web", "ingress", "eth0,::ffff:192.0.2.7,23/tcp", "unauthorized packet: port 23/tcp from 192.0.2.7 on eth0"},
		{"web", "ingress", "eth0,2001:db8::1,icmpv6/129", "unauthorized packet: icmpv6 type 129 from 2001:db8::1 on eth0"},
		{"web", "egress", "198.51.100.9:1/udp", "blocked packet: to 198.51.100.9:1/udp (rule: 198.51.100.9)"},
		{"ops", "connect", "unix:/run/docker.sock", ""},
	} {
		if got := ask(t, img, tt.actor, tt.op, tt.object); got.Detail != tt.want {
			t.Errorf("%s %s %s: %q, want %q", tt.actor, tt.op, tt.object, got.Detail, tt.want)
		}
	}
}

// TestLongPaths: a path that cannot be matched is denied where the subject has any rule for that use, and nowhere else.
func TestLongPaths(t *testing.T) {
	img := image(t, `processes:
  reader:
    allowed_files: ["/a r"]
  blocker:
    blocked_files: ["/a w"]
    blocked_network: ["unix:/a"]
  runner:
    allowed_exec: [a]
host:
  files:
    - {path: "/**", readers: []}
  mounts: {block_sources: ["/**"]}
`)
	const why = ": a path that is too long to be judged"
	deep := strings.Repeat("/x", 2048)
	for _, tt := range []struct {
		subject string
		a       verdict.Access
		rule    string
		detail  string
	}{
		{"reader", verdict.Access{Op: verdict.OpFile, Path: deep, Letters: policy.AccessRead}, "p.yaml:3", "unauthorized file access" + why + " (r)"},
		{"reader", verdict.Access{Op: verdict.OpFile, Path: "cut", Truncated: true, Letters: policy.AccessWrite}, "p.yaml:3", "unauthorized file access" + why + " (w)"},
		{"reader", verdict.Access{Op: verdict.OpExec, Path: deep}, "", ""},
		{"blocker", verdict.Access{Op: verdict.OpFile, Path: deep, Letters: policy.AccessWrite}, "p.yaml:5", "unauthorized file access" + why + " (w)"},
		{"blocker", verdict.Access{Op: verdict.OpFile, Path: deep, Letters: policy.AccessRead}, "", ""},
		{"blocker", verdict.Access{Op: verdict.OpConnect, Path: deep}, "p.yaml:6", "unauthorized network access: unix:" + deep},
		{"blocker", verdict.Access{Op: verdict.OpConnect, Path: "@" + deep}, "p.yaml:6", "unauthorized network access: unix:@" + deep},
		{"runner", verdict.Access{Op: verdict.OpExec, Path: deep}, "p.yaml:8", "unauthorized exec" + why},
		{"runner", verdict.Access{Op: verdict.OpFile, Path: deep, Letters: policy.AccessAll}, "", ""},
		{"runner", verdict.Access{Op: verdict.OpMount, Path: deep}, "", ""},
		{"default", verdict.Access{Op: verdict.OpFile, Path: deep, Letters: policy.AccessAll}, "", ""},
	} {
		task := parseTask(t, img, tt.subject)
		d := verdict.Decide(img, task, &tt.a)
		if d.Denied != (tt.rule != "") || d.Position(img) != tt.rule || verdict.Detail(img, task, &tt.a, d) != tt.detail {
			t.Errorf("%s, operation %d: denied %t by %q: %.90s", tt.subject, tt.a.Op, d.Denied, d.Position(img), verdict.Detail(img, task, &tt.a, d))
		}
	}
	if task := verdict.Identify(img, verdict.Facts{Exe: deep + "/reader"}, nil); task.Subject != compile.DefaultSubject {
		t.Errorf("an executable with such a path is of subject %d", task.Subject)
	}
}

// TestStrangeArguments: what another image or no Linux would give has an answer too.
func TestStrangeArguments(t *testing.T) {
	img := image(t, "processes:\n  a: {allowed_syscalls: [read]}\n")
	if d := verdict.Decide(img, verdict.Task{Subject: 77}, &verdict.Access{Op: verdict.OpSignal, Target: 99}); d != (verdict.Decision{}) {
		t.Errorf("subjects that there are not: %+v", d)
	}
	if d := verdict.Decide(img, verdict.Task{}, &verdict.Access{}); d != (verdict.Decision{}) {
		t.Errorf("no operation: %+v", d)
	}
	task := verdict.Task{Subject: 1}
	for name, denied := range map[string]bool{"read": false, "write": true, "frobnicate": true} {
		a := verdict.Syscall(name)
		if d := verdict.Decide(img, task, &a); d.Denied != denied {
			t.Errorf("%s: %+v", name, d)
		}
	}
	// x32's calls are those of x86-64, and some of its own.
	for number, denied := range map[uint32]bool{1 << 30: false, 1<<30 | 1: true, 1<<30 | 520: true, 1 << 31: true} {
		if d := verdict.Decide(img, task, &verdict.Access{Op: verdict.OpSyscall, Number: number}); d.Denied != denied {
			t.Errorf("number %#x: %+v", number, d)
		}
	}
}
