package simulate

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

const text = `processes:
  app:
    allowed_files: ["/srv/**"]
    blocked_files: ["/srv/secret"]
  other:
    allowed_exec: []
`

func image(t testing.TB) *compile.Image {
	t.Helper()
	p, err := policy.Parse("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	img, err := compile.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func at(n int) time.Time { return time.Unix(int64(1000+n), 0).UTC() }

// open is an open by /usr/bin/app; then are the rules that denied it.
func open(n int, path string, then ...string) *event.Event {
	e := &event.Event{
		ID: fmt.Sprint(n), Time: at(n), Kind: event.KindFileOpen, File: &event.File{Path: path, Access: "r"},
		Process: &event.Process{Ref: event.Ref{PID: 7, Exe: "/usr/bin/app"}},
	}
	for _, rule := range then {
		e.Violations = append(e.Violations, event.Violation{Type: "file", Subject: "app", Rule: rule, Severity: event.SeverityLow, Detail: "it was so"})
	}
	return e
}

func TestReport(t *testing.T) {
	s := New(image(t))
	folded := open(5, "/srv/secret")
	folded.Count = 10
	for _, e := range []*event.Event{
		open(4, "/srv/a"),
		open(2, "/srv/secret"),
		folded,
		open(3, "/home/x", "old.yaml:3"),
		open(6, "/srv/b", "old.yaml:9"),
		{Kind: event.KindExit},
	} {
		s.Add(e)
	}
	want := Report{
		Events: 6, From: at(2), To: at(6), Denied: 12, DeniedThen: 2,
		Newly: []Group{{
			Subject: "app", Rule: "p.yaml:4", Type: "file", Severity: event.SeverityHigh, Count: 11, First: at(2), Last: at(5),
			Examples: []Example{
				{ID: "2", Time: at(2), PID: 7, Exe: "/usr/bin/app", Detail: "blocked file access: /srv/secret (pattern: /srv/secret)"},
				{ID: "5", Time: at(5), PID: 7, Exe: "/usr/bin/app", Detail: "blocked file access: /srv/secret (pattern: /srv/secret)"},
			},
		}},
		Still: []Group{{
			Subject: "app", Rule: "p.yaml:3", Type: "file", Severity: event.SeverityMedium, Count: 1, First: at(3), Last: at(3),
			Examples: []Example{{ID: "3", Time: at(3), PID: 7, Exe: "/usr/bin/app", Detail: "unauthorized file access: /home/x (r)"}},
		}},
		NoLonger: []Group{{
			Subject: "app", Rule: "old.yaml:9", Type: "file", Severity: event.SeverityLow, Count: 1, First: at(6), Last: at(6),
			Examples: []Example{{ID: "6", Time: at(6), PID: 7, Exe: "/usr/bin/app", Detail: "it was so"}},
		}},
	}
	if diff := cmp.Diff(want, s.Report()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestEachAccessIsCompared tells two accesses of one event apart, and types from each other.
func TestEachAccessIsCompared(t *testing.T) {
	s := New(image(t))
	both := open(1, "/home/a", "old.yaml:3")
	both.Kind, both.File.Target = event.KindFileRename, "/home/b"
	both.Violations = append(both.Violations, event.Violation{Type: "network", Subject: "app"})
	s.Add(both)
	r := s.Report()
	if r.Denied != 2 || r.DeniedThen != 2 || len(r.Newly) != 1 || len(r.Still) != 1 || len(r.NoLonger) != 1 || r.NoLonger[0].Type != "network" {
		t.Errorf("%+v", r)
	}
	if len(both.Violations) != 2 {
		t.Error("the event was changed")
	}
}

func TestGroupsAreOrdered(t *testing.T) {
	s := New(image(t))
	for n := range 10 {
		s.Add(open(n, "/home/x"))
	}
	s.Add(open(11, "/srv/secret"))
	e := &event.Event{
		Kind: event.KindExec, Process: &event.Process{Ref: event.Ref{PID: 8, Exe: "/bin/sh"}},
		Exec: &event.Exec{File: event.File{Path: "/bin/sh"}, Caller: "/usr/bin/other"},
	}
	s.Add(e)
	r := s.Report()
	if len(r.Newly) != 3 || r.Newly[0].Count != 10 || len(r.Newly[0].Examples) != maxExamples || r.Newly[1].Subject != "app" || r.Newly[2].Subject != "other" {
		t.Errorf("%+v", r.Newly)
	}
}

func TestNothing(t *testing.T) {
	r := New(image(t)).Report()
	if r.Newly == nil || r.Still == nil || r.NoLonger == nil || r.Events != 0 {
		t.Errorf("%+v", r)
	}
}

func BenchmarkAdd(b *testing.B) {
	s := New(image(b))
	events := []*event.Event{open(1, "/srv/data/a/b/c"), open(2, "/srv/data/x"), open(3, "/home/x"), {Kind: event.KindExit}}
	b.ReportAllocs()
	for i := range b.N {
		s.Add(events[i%len(events)])
	}
}
