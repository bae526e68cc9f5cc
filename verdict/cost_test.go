package verdict_test

import (
	"testing"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/verdict"
)

func TestUnclaimedEventCostsNothing(t *testing.T) {
	img := verdict.Compile(policy.Builtin())
	unclaimed, claimed := openEvent("/usr/bin/rsyslogd"), openEvent("/usr/bin/python3.11")
	for name, e := range map[string]*event.Event{"unclaimed": unclaimed, "claimed and allowed": claimed} {
		if n := testing.AllocsPerRun(100, func() { img.Judge(e, policy.ModeAudit) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func openEvent(exe string) *event.Event {
	return &event.Event{
		Kind: event.KindFileOpen, Process: &event.Process{Ref: event.Ref{PID: 1, Exe: exe}},
		File: &event.File{Path: "/usr/share/nginx/html/assets/images/2024/10/logo-large.png", Access: "r"},
	}
}

func BenchmarkJudge(b *testing.B) {
	img := verdict.Compile(policy.Builtin())
	connect := &event.Event{
		Kind: event.KindConnect, Process: &event.Process{Ref: event.Ref{Exe: "/usr/sbin/nginx"}},
		Flow: &event.Flow{Family: "inet", Protocol: "tcp", Destination: "192.0.2.1", DestinationPort: 443},
	}
	for name, e := range map[string]*event.Event{"unclaimed": openEvent("/usr/bin/rsyslogd"), "open": openEvent("/usr/sbin/nginx"), "connect": connect} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				img.Judge(e, policy.ModeAudit)
			}
		})
	}
}
