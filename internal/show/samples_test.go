package show

import (
	"strings"
	"time"

	"github.com/stockade-security/stockade/event"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 123_456_789, time.UTC)

func ptr[T any](v T) *T { return &v }

// hostile holds one of everything that must not reach a terminal, a log or a spreadsheet as it is.
const hostile = "=a\x1b[31m\u202eb\u009bc\x00d\ne\tf\xffg\u200bh\U000e0041\"i\\j\u2028,k\x7f"

// samples returns one plain event for each kind, in the order of event.Kinds.
func samples() []*event.Event {
	process := &event.Process{
		Ref: event.Ref{PID: 4321, StartNS: 5, Name: "curl", Exe: "/usr/bin/curl"}, UID: 1000, GID: 1000, EUID: 1000, EGID: 1000,
		User: "ada", Unit: "session-3.scope", Argv: []string{"curl", "-s", "https://example.com/a b"},
	}
	target := event.Ref{PID: 77, Name: "nginx", Exe: "/usr/sbin/nginx"}
	file := func(f event.File) func(*event.Event) { return func(e *event.Event) { e.File = &f } }
	call := func(name, op, arg string) func(*event.Event) {
		return func(e *event.Event) { e.Call = &event.Call{Syscall: name, Operation: op, Argument: arg} }
	}
	flow := func(f event.Flow) func(*event.Event) { return func(e *event.Event) { e.Flow = &f } }
	tcp := event.Flow{Family: "inet", Protocol: "tcp", Source: "192.0.2.1", SourcePort: 40000, Destination: "198.51.100.7", DestinationPort: 443}
	set := map[event.Kind]func(*event.Event){
		event.KindExec: func(e *event.Event) { e.Exec = &event.Exec{File: event.File{Path: "/usr/bin/curl"}, Memfd: true} },
		event.KindFork: func(e *event.Event) { e.Fork = &event.Fork{Child: target, Flags: []string{"CLONE_NEWNS"}} },
		event.KindExit: func(e *event.Event) {
			e.Exit = &event.Exit{Signal: 11, SignalName: "SIGSEGV", CoreDumped: true, DurationNS: 1_234_567_890}
		},
		event.KindFileOpen:     file(event.File{Path: "/etc/passwd", Access: "r", Flags: []string{"O_CLOEXEC"}}),
		event.KindFileCreate:   file(event.File{Path: "/tmp/dir", Type: "directory", Mode: "0755"}),
		event.KindFileDelete:   file(event.File{Path: "/tmp/a b"}),
		event.KindFileRename:   file(event.File{Path: "/tmp/a", Target: "/tmp/b"}),
		event.KindFileLink:     file(event.File{Path: "/tmp/a", Target: "/tmp/c", Type: "symlink"}),
		event.KindFileChmod:    file(event.File{Path: "/tmp/a", Mode: "4755"}),
		event.KindFileChown:    file(event.File{Path: "/tmp/a", UID: ptr(uint32(0)), GID: ptr(uint32(33))}),
		event.KindFileTruncate: file(event.File{Path: "/tmp/a", Size: ptr(int64(0))}),
		event.KindFileXattr:    file(event.File{Path: "/tmp/a", Xattr: "user.note", XattrOp: "set"}),
		event.KindConnect: func(e *event.Event) {
			f := tcp
			f.DurationNS = 3_100_000
			e.Flow = &f
		},
		event.KindAccept: flow(event.Flow{Family: "inet6", Protocol: "tcp", Source: "2001:db8::1", SourcePort: 22, Destination: "2001:db8::2", DestinationPort: 50000}),
		event.KindBind:   flow(event.Flow{Family: "packet", Protocol: "raw", Interface: 2}),
		event.KindListen: flow(event.Flow{Family: "unix", Protocol: "stream", Path: "@bus", Backlog: 128}),
		event.KindSend:   flow(event.Flow{Family: "inet", Protocol: "udp", Destination: "192.0.2.53", DestinationPort: 53}),
		event.KindSignal: func(e *event.Event) { e.Signal = &event.Signal{Number: 9, Name: "SIGKILL", Target: target} },
		event.KindPtrace: func(e *event.Event) { e.Ptrace = &event.Ptrace{Request: "attach", Target: target} },
		event.KindBPF: func(e *event.Event) {
			e.BPF = &event.BPF{Command: "BPF_PROG_LOAD", Type: "BPF_PROG_TYPE_XDP", Name: "drop"}
		},
		event.KindModuleLoad:   func(e *event.Event) { e.Module = &event.Module{Name: "nf_tables", Path: "/lib/modules/nf.ko"} },
		event.KindModuleUnload: func(e *event.Event) { e.Module = &event.Module{Name: "nf_tables"} },
		event.KindMount: func(e *event.Event) {
			e.Mount = &event.Mount{Operation: "mount", Source: "/dev/sdb1", Target: "/mnt", Filesystem: "ext4", Flags: []string{"MS_NOSUID"}}
		},
		event.KindUmount: func(e *event.Event) { e.Mount = &event.Mount{Operation: "umount", Target: "/mnt"} },
		event.KindCredential: func(e *event.Event) {
			e.Credential = &event.Credential{Operation: "setuid", UID: 0, Gained: []string{"CAP_SYS_ADMIN"}, Dropped: []string{"CAP_KILL"}}
		},
		event.KindCapability: func(e *event.Event) { e.Capability = &event.Capability{Name: "CAP_NET_RAW"} },
		event.KindNamespace: func(e *event.Event) {
			e.Namespace = &event.Namespace{Operation: "unshare", Types: []string{"mnt", "pid"}}
		},
		event.KindMemoryExec: func(e *event.Event) {
			e.Memory = &event.Memory{Operation: "mprotect", Protection: "rwx", Bytes: 8192, Path: "/usr/lib/x.so"}
		},
		event.KindLibrary:     file(event.File{Path: "/usr/lib/libssl.so.3"}),
		event.KindKexec:       call("kexec_load", "", ""),
		event.KindSettime:     call("clock_settime", "CLOCK_REALTIME", "2026-03-04T12:00:00Z"),
		event.KindPrctl:       call("prctl", "PR_SET_DUMPABLE", "0"),
		event.KindKeyring:     call("add_key", "user", "token"),
		event.KindIOUring:     call("io_uring_setup", "", "entries=8"),
		event.KindXfrm:        call("sendmsg", "XFRM_MSG_NEWSA", ""),
		event.KindIPC:         call("shmget", "IPC_CREAT", "0x1"),
		event.KindOOMKill:     func(e *event.Event) { e.OOM = &event.OOM{Victim: target, ResidentBytes: 3 << 20} },
		event.KindSyscall:     call("personality", "", ""),
		event.KindFileVolume:  func(e *event.Event) { file(event.File{Path: "/var/db"})(e); e.Volume = &event.Volume{ReadBytes: 1536} },
		event.KindFlowVolume:  func(e *event.Event) { flow(tcp)(e); e.Volume = &event.Volume{WriteBytes: 10, RTTMicroseconds: 1500} },
		event.KindExecCount:   func(e *event.Event) { e.Volume = &event.Volume{User: "ada", Day: "2026-03-04", Total: 12} },
		event.KindUnitRestart: func(e *event.Event) { e.Volume = &event.Volume{Unit: "nginx.service", Total: 3} },
		event.KindPosture: func(e *event.Event) {
			e.Posture = &event.Posture{Subject: "sysctl", Name: "kernel.yama.ptrace_scope", Value: "0", Previous: "1"}
		},
		event.KindLoss: func(e *event.Event) {
			e.Loss = &event.Loss{Cause: "ring_full", Records: 12, From: noon, To: noon.Add(2 * time.Second), Total: 30}
		},
		event.KindRetention: func(e *event.Event) { e.Guard = &event.Guard{Action: "delete", Detail: "audit-1.zst", Bytes: 1 << 20} },
		event.KindGuard:     func(e *event.Event) { e.Guard = &event.Guard{Action: "start"} },
	}
	var all []*event.Event
	for i, kind := range event.Kinds() {
		e := &event.Event{Seq: uint64(i + 1), ID: "b-" + string(kind), Time: noon, Kind: kind, Evidence: event.EvidenceTracepoint, Process: process}
		if fill := set[kind]; fill != nil {
			fill(e)
		}
		all = append(all, e)
	}
	return all
}

// special returns events whose lines carry more than a detail.
func special() []*event.Event {
	open := func(p *event.Process, v ...event.Violation) *event.Event {
		return &event.Event{
			Time: noon, Kind: event.KindFileOpen, Process: p, Errno: 13, Count: 4,
			File: &event.File{Path: "/etc/shadow", Access: "r"}, Violations: v,
		}
	}
	denied := event.Violation{Severity: event.SeverityHigh, Action: event.ActionLogged, WouldDeny: true, Rule: "policy.yaml:12", Detail: "not allowed"}
	blocked := event.Violation{Severity: event.SeverityCritical, Action: event.ActionBlocked, WouldDeny: true, Rule: "my policy.yaml:9"}
	container := &event.Process{Ref: event.Ref{PID: 9, Name: "tmux: server"}, UID: 65534, Container: &event.Container{ID: strings.Repeat("0123456789abcdef", 4)}}
	named := &event.Process{Ref: event.Ref{PID: 10, Exe: "/bin/a"}, User: "root", Container: &event.Container{ID: "ff", Name: "a-rather-long-name-of-a-container"}}
	return []*event.Event{
		open(nil),
		open(container, denied),
		open(named, denied, blocked),
		{Time: noon, Kind: event.KindExec, Process: &event.Process{
			Ref: event.Ref{PID: 1, Name: hostile, Exe: hostile}, User: hostile, Unit: hostile, Argv: []string{hostile, hostile, ""}, ArgvTruncated: true,
		}, Exec: &event.Exec{File: event.File{Path: hostile}, Script: hostile, Caller: "/bin/" + hostile, Unlinked: true, Setuid: true}},
	}
}
