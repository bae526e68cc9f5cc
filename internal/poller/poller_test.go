package poller_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/poller"
)

var boot = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is so many seconds after boot.
func at(seconds float64) time.Time { return boot.Add(time.Duration(seconds * float64(time.Second))) }

// fake is a host's list, which a test changes between looks.
type fake struct {
	list    []poller.Sample
	details map[int]poller.Details
	err     error
}

func (f *fake) List(context.Context) ([]poller.Sample, error) { return f.list, f.err }

func (f *fake) Describe(_ context.Context, s poller.Sample) poller.Details { return f.details[s.PID] }

// run sets one process of the list, gone takes it out.
func (f *fake) run(pid int, started float64, exe string, d poller.Details) {
	f.gone(pid)
	f.list = append(f.list, poller.Sample{PID: pid, Started: at(started), Exe: exe})
	f.details[pid] = d
}

func (f *fake) gone(pid int) {
	var rest []poller.Sample
	for _, s := range f.list {
		if s.PID != pid {
			rest = append(rest, s)
		}
	}
	f.list = rest
}

// watch returns a poller that has looked once, at second 10, at launchd and a shell, and a function for the next looks.
func watch(t *testing.T) (f *fake, look func(now float64) []*event.Event) {
	t.Helper()
	f = &fake{details: map[int]poller.Details{}}
	f.run(7, 5, "/bin/zsh", poller.Details{Parent: 1, Name: "zsh", Argv: []string{"-zsh"}, User: "ada", UID: 501, EUID: 501})
	f.run(1, 0.5, "/sbin/launchd", poller.Details{Name: "launchd"})
	now := at(10)
	p := poller.New(poller.Config{Lister: f, Boot: boot, Now: func() time.Time { return now }})
	look = func(second float64) []*event.Event {
		t.Helper()
		now = at(second)
		events, err := p.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return events
	}
	if events := look(10); events != nil {
		t.Fatalf("the first look made %d events", len(events))
	}
	return f, look
}

// brief writes what matters of each event in a line.
func brief(events []*event.Event) string {
	var lines []string
	for _, e := range events {
		line := []string{e.Time.Sub(boot).String(), string(e.Kind), e.Process.Name, e.Process.Exe}
		switch {
		case e.Exec != nil:
			line = append(line, "runs", e.Exec.File.Path, "for", e.Exec.Caller)
		case e.Fork != nil:
			line = append(line, "makes", e.Fork.Child.Exe)
		case e.Exit != nil:
			line = append(line, "lived", time.Duration(e.Exit.DurationNS).String())
		}
		lines = append(lines, strings.Join(line, " "))
	}
	return strings.Join(lines, "\n")
}

func TestLook(t *testing.T) {
	shell := poller.Details{Parent: 1, Name: "zsh", Argv: []string{"-zsh"}}
	tool := poller.Details{Parent: 7, Name: "tool", Argv: []string{"tool"}}
	for _, c := range []struct {
		name   string
		change func(f *fake)
		want   string
	}{
		{"nothing", func(*fake) {}, ""},
		{"a start", func(f *fake) { f.run(9, 10.5, "/bin/tool", tool) }, "10.5s exec tool /bin/tool runs /bin/tool for "},
		{"an end", func(f *fake) { f.gone(7) }, "11s exit zsh /bin/zsh lived 6s"},
		{
			"a pid that is used again", func(f *fake) { f.run(7, 10.75, "/bin/tool", tool) },
			"10.75s exit zsh /bin/zsh lived 5.75s\n10.75s exec tool /bin/tool runs /bin/tool for ",
		},
		{
			"a pid that the same program gets", func(f *fake) { f.run(7, 10.75, "/bin/zsh", shell) },
			"10.75s exit zsh /bin/zsh lived 5.75s\n10.75s exec zsh /bin/zsh runs /bin/zsh for ",
		},
		{"another program in a process", func(f *fake) { f.run(7, 5, "/bin/tool", tool) }, "11s exec tool /bin/tool runs /bin/tool for /bin/zsh"},
		{"an executable that is hidden from now on", func(f *fake) { f.run(7, 5, "", shell) }, ""},
		{
			"a start time that is hidden from now on", func(f *fake) {
				f.gone(7)
				f.list = append(f.list, poller.Sample{PID: 7, Exe: "/bin/zsh"})
			}, "",
		},
		{"a process that nothing is known of", func(f *fake) { f.list = append(f.list, poller.Sample{PID: 9}) }, "11s exec   runs  for "},
		{
			"a chain, the list not in order", func(f *fake) {
				f.run(3, 10.5, "/bin/b", poller.Details{Parent: 9, Name: "b"})
				f.run(9, 10.25, "/bin/a", poller.Details{Parent: 7, Name: "a"})
			}, "10.25s exec a /bin/a runs /bin/a for \n10.5s exec b /bin/b runs /bin/b for ",
		},
		{"a clock that was set back", func(f *fake) { f.run(9, 4000, "/bin/tool", tool) }, "11s exec tool /bin/tool runs /bin/tool for "},
		{"a clock that was set forward", func(f *fake) { f.run(9, 3, "/bin/tool", tool) }, "10s exec tool /bin/tool runs /bin/tool for "},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, look := watch(t)
			c.change(f)
			if diff := cmp.Diff(c.want, brief(look(11))); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if again := look(12); again != nil {
				t.Errorf("the same list made events: %s", brief(again))
			}
		})
	}
}

func TestProcess(t *testing.T) {
	f, look := watch(t)
	f.run(9, 10.5, "/bin/tool", poller.Details{
		Parent: 7, Name: "tool", Argv: []string{"tool", "-v"}, User: "ada", UID: 501, EUID: 0, GID: 20, EGID: 21,
	})
	events := look(11)
	if len(events) != 1 {
		t.Fatalf("events: %s", brief(events))
	}
	want := &event.Event{
		Kind: event.KindExec, Evidence: event.EvidencePoller, Time: at(10.5),
		Process: &event.Process{
			Ref:  event.Ref{PID: 9, StartNS: 10_500_000_000, Name: "tool", Exe: "/bin/tool"},
			Argv: []string{"tool", "-v"}, User: "ada", UID: 501, EUID: 0, GID: 20, EGID: 21, Started: at(10.5),
			Parents: []event.Ref{
				{PID: 7, StartNS: 5_000_000_000, Name: "zsh", Exe: "/bin/zsh"},
				{PID: 1, StartNS: 500_000_000, Name: "launchd", Exe: "/sbin/launchd"},
			},
		},
		Exec: &event.Exec{File: event.File{Path: "/bin/tool"}},
	}
	if diff := cmp.Diff(want, events[0]); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	f.gone(7)
	if exits := look(12); len(exits) != 1 || !exits[0].Process.Existing || exits[0].Exit.Code != -1 {
		t.Errorf("the end of a process that was there before the guard: %s", brief(exits))
	}
}

// TestParents: Windows keeps the pid of a parent that has ended, and somebody else may have it.
func TestParents(t *testing.T) {
	f, look := watch(t)
	f.run(9, 10.75, "/bin/young", poller.Details{Parent: 8})
	f.run(8, 10.875, "/bin/other", poller.Details{Parent: 1})
	f.run(5, 10.9, "/bin/self", poller.Details{Parent: 5})
	parent := 5
	for pid := 20; pid < 40; pid++ {
		f.run(pid, 10.9+float64(pid)/1000, "/bin/chain", poller.Details{Parent: parent, Argv: []string{string(rune('a' + pid))}})
		parent = pid
	}
	for _, e := range look(11) {
		switch want := min(e.Process.PID-19, event.MaxParents); {
		case e.Process.PID < 20 && e.Process.PID != 8 && len(e.Process.Parents) > 0:
			t.Errorf("process %d has parents %v", e.Process.PID, e.Process.Parents)
		case e.Process.PID >= 20 && len(e.Process.Parents) != want:
			t.Errorf("process %d has %d parents, want %d", e.Process.PID, len(e.Process.Parents), want)
		}
	}
}

func TestArguments(t *testing.T) {
	long := strings.Repeat("x", 3000)
	f := &fake{details: map[int]poller.Details{}}
	f.run(1, 1, "/sbin/init", poller.Details{})
	p := poller.New(poller.Config{Lister: f, Boot: boot, Redact: func(argv []string) []string {
		return append([]string{"seen"}, argv...)
	}})
	if _, err := p.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.run(9, 2, "/bin/a", poller.Details{Argv: []string{"a", long, long}})
	events, err := p.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := events[0].Process
	if want := []string{"seen", "a", long, long[:1095]}; !cmp.Equal(got.Argv, want) || !got.ArgvTruncated {
		t.Errorf("arguments of %d parts, cut: %v", len(got.Argv), got.ArgvTruncated)
	}
}

func TestAFailedLookIsAsIfNotMade(t *testing.T) {
	f, look := watch(t)
	p := poller.New(poller.Config{Lister: &fake{}})
	if _, err := p.Look(t.Context()); err == nil {
		t.Error("an empty list is no error")
	}
	want := errors.New("no")
	if _, err := poller.New(poller.Config{Lister: &fake{err: want}}).Look(t.Context()); !errors.Is(err, want) {
		t.Errorf("error %v", err)
	}
	f.gone(7)
	if got := brief(look(12)); got != "12s exit zsh /bin/zsh lived 7s" {
		t.Error(got)
	}
}

// script is a list that depends on the time alone.
type script func(since time.Duration) ([]poller.Sample, error)

func (s script) List(context.Context) ([]poller.Sample, error) { return s(time.Since(scriptStart)) }

func (script) Describe(context.Context, poller.Sample) poller.Details { return poller.Details{} }

// scriptStart is when the clock of every synctest bubble starts.
var scriptStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// TestRun looks once a second, tells once that it is blind and once that it sees again, and looks once more at the end.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := []poller.Sample{{PID: 1, Exe: "/sbin/init"}, {PID: 2, Exe: "/bin/a"}}
		s := script(func(since time.Duration) ([]poller.Sample, error) {
			switch {
			case since == 0:
				return list[:1], nil
			case since < 2*time.Second, since > 5*time.Second:
				return list[:2], nil
			case since < 5*time.Second:
				return nil, errors.New("no list today")
			}
			return list[:1], nil
		})
		var log bytes.Buffer
		p := poller.New(poller.Config{Lister: s, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, cancel := context.WithTimeout(t.Context(), 5500*time.Millisecond)
		defer cancel()
		var got []time.Duration
		if err := p.Run(ctx, func(e *event.Event) { got = append(got, e.Time.Sub(scriptStart)) }); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]time.Duration{time.Second, 5 * time.Second, 5500 * time.Millisecond}, got); diff != "" {
			t.Errorf("times of the events (-want +got):\n%s", diff)
		}
		if text := log.String(); strings.Count(text, "no list today") != 1 || strings.Count(text, "\n") != 2 {
			t.Errorf("log:\n%s", text)
		}
	})
}

func TestRunNeedsAFirstLook(t *testing.T) {
	want := errors.New("no")
	p := poller.New(poller.Config{Lister: &fake{err: want}})
	if err := p.Run(t.Context(), func(*event.Event) { t.Error("an event") }); !errors.Is(err, want) {
		t.Errorf("error %v", err)
	}
}
