package verdict_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/automaton/mix"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// path80 is a path of 80 bytes that is read to its end: below a tree with two ** that does not have it after all, and named by
// a suffix. Both are among the first ten globs of the mix.
const path80 = "/usr/local/lib/message137/backend/config/fixture/handler/journal/m-1/metrics.log"

// filesPolicy has one entry whose blocked_files hold that many globs.
func filesPolicy(tb testing.TB, globs int) *compile.Image {
	tb.Helper()
	var text strings.Builder
	text.WriteString("processes:\n  app:\n    blocked_files:\n")
	for _, g := range mix.Globs(1, globs) {
		fmt.Fprintf(&text, "      - %q\n", g)
	}
	return image(tb, text.String())
}

func BenchmarkDecide(b *testing.B) {
	for _, rules := range []int{10, 100, 1000, 10000} {
		img := filesPolicy(b, rules)
		a := verdict.Access{Op: verdict.OpFile, Path: path80, Letters: policy.AccessRead}
		if d := verdict.Decide(img, verdict.Task{Subject: 1}, &a); d.Rule(img).Text != "**/metrics.log" || len(path80) != 80 {
			b.Fatalf("%q of %d bytes is named by %q", path80, len(path80), d.Rule(img).Text)
		}
		b.Run(fmt.Sprintf("path80/rules=%d", rules), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				verdict.Decide(img, verdict.Task{Subject: 1}, &a)
			}
		})
	}
}

// networkPolicy has one entry that allows that many networks of three lengths.
func networkPolicy(tb testing.TB, rules int) *compile.Image {
	tb.Helper()
	var text strings.Builder
	text.WriteString("processes:\n  app:\n    allowed_network:\n")
	for i := range rules {
		addr := netip.AddrFrom4([4]byte{byte(11 + i%200), byte(i / 200), byte(i % 7), byte(i % 5)})
		prefix, _ := addr.Prefix([]int{16, 24, 32}[i%3])
		fmt.Fprintf(&text, "      - \"%s:443/tcp\"\n", prefix)
	}
	return image(tb, text.String())
}

func BenchmarkDecideAddress(b *testing.B) {
	for _, rules := range []int{10, 100, 1000, 10000} {
		img := networkPolicy(b, rules)
		a := verdict.Access{Op: verdict.OpConnect, Peer: netip.MustParseAddrPort("203.0.113.7:443"), Protocol: "tcp"}
		b.Run(fmt.Sprintf("rules=%d", rules), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				verdict.Decide(img, verdict.Task{Subject: 1}, &a)
			}
		})
	}
}

// TestAllocations: neither deciding nor judging an event allocates, unless there is a violation to be made.
func TestAllocations(t *testing.T) {
	img, err := compile.Compile(policy.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range events() {
		if n := testing.AllocsPerRun(100, func() { verdict.Judge(img, "", e) }); n != 0 {
			t.Errorf("Judge, %s: %v allocations", name, n)
		}
	}
	files := filesPolicy(t, 100)
	lines, _ := readKeys(t)
	everything := image(t, strings.Join(lines, "\n"))
	for _, c := range []struct {
		img *compile.Image
		a   verdict.Access
	}{
		{files, verdict.Access{Op: verdict.OpFile, Path: path80, Letters: policy.AccessAll}},
		{files, verdict.Access{Op: verdict.OpFile, Path: strings.Repeat("/x", 5000), Letters: policy.AccessAll}},
		{everything, verdict.Access{Op: verdict.OpExec, Path: "/usr/bin/.hidden", Interpreter: "/bin/sh", GainsPrivilege: true}},
		{everything, verdict.Access{Op: verdict.OpConnect, Peer: netip.MustParseAddrPort("[64:ff9b::a01:1]:443"), Protocol: "tcp", Names: []string{"www.example.org"}}},
		{everything, verdict.Access{Op: verdict.OpConnect, Path: "/run/a.sock"}},
		{everything, verdict.Access{Op: verdict.OpResolve, Name: "WWW.Example.Org."}},
		{everything, verdict.Access{Op: verdict.OpIngress, Interface: "eth0", Peer: netip.MustParseAddrPort("192.0.2.1:22"), Protocol: "tcp"}},
		{everything, verdict.Access{Op: verdict.OpSyscall, Number: 101}},
		{everything, verdict.Access{Op: verdict.OpSignal, Target: 1}},
	} {
		if n := testing.AllocsPerRun(100, func() { verdict.Decide(c.img, verdict.Task{Subject: 1}, &c.a) }); n != 0 {
			t.Errorf("Decide, %+v: %v allocations", c.a, n)
		}
	}
}

func events() map[string]*event.Event {
	open := func(exe string) *event.Event {
		return &event.Event{
			Kind: event.KindFileOpen, Process: &event.Process{
				Ref:     event.Ref{PID: 1, Exe: exe},
				Parents: []event.Ref{{Exe: "/bin/sh"}, {Exe: "/usr/sbin/cron"}, {Exe: "/usr/lib/systemd/systemd"}},
			},
			File: &event.File{Path: "/usr/share/nginx/html/assets/images/2024/10/logo-large.png", Access: "r"},
		}
	}
	connect := &event.Event{
		Kind: event.KindConnect, Process: &event.Process{Ref: event.Ref{Exe: "/usr/sbin/nginx"}},
		Flow: &event.Flow{Family: "inet", Protocol: "tcp", Destination: "192.0.2.1", DestinationPort: 443},
	}
	return map[string]*event.Event{
		"unclaimed": open("/usr/bin/rsyslogd"), "open": open("/usr/sbin/nginx"), "connect": connect,
		"exit": {Kind: event.KindExit, Process: open("/bin/true").Process, Exit: &event.Exit{}},
	}
}

func BenchmarkJudge(b *testing.B) {
	img, err := compile.Compile(policy.Builtin())
	if err != nil {
		b.Fatal(err)
	}
	for name, e := range events() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				verdict.Judge(img, "", e)
			}
		})
	}
}
