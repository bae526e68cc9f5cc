package show

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
)

func TestEveryKindHasADetail(t *testing.T) {
	const missing = "no details recorded"
	for _, e := range samples() {
		if d := Detail(e); d == "" || d == missing {
			t.Errorf("%s has no detail: %q", e.Kind, d)
		}
		bare := &event.Event{Kind: e.Kind}
		if d := Detail(bare); d != missing {
			t.Errorf("%s without its detail shows %q, want %q", e.Kind, d, missing)
		}
	}
	if d := Detail(&event.Event{Kind: "of the future"}); d != "" {
		t.Errorf("an unknown kind shows %q", d)
	}
}

func TestTableFitsTheTerminal(t *testing.T) {
	long := &event.Process{Ref: event.Ref{PID: 1, Name: "sh"}, Argv: []string{"sh", strings.Repeat("é ", 4000)}}
	violation := event.Violation{Severity: event.SeverityLow, Action: event.ActionAlerted, Rule: "policy.yaml:3"}
	e := &event.Event{Time: noon, Kind: event.KindExec, Process: long, Exec: &event.Exec{File: event.File{Path: "/bin/sh"}}, Violations: []event.Violation{violation}}
	for _, width := range []int{200, 160, 109} {
		lines := strings.Split(render(t, Table, Options{Width: width}, []*event.Event{e}), "\n")
		if n := utf8.RuneCountInString(lines[1]); n != width {
			t.Errorf("the line is %d wide, want %d:\n%s", n, width, lines[1])
		}
		if !strings.HasSuffix(lines[1], "…  ! LOW alerted by policy.yaml:3") {
			t.Errorf("the violation is out of sight:\n%s", lines[1])
		}
	}
	if lines := strings.Split(render(t, Table, Options{Width: 20}, []*event.Event{e}), "\n"); !strings.Contains(lines[1], "/bin/sh ") {
		t.Errorf("a narrow terminal hides the detail:\n%s", lines[1])
	}
}

func TestTableColours(t *testing.T) {
	events := special()
	if out := render(t, Table, Options{}, events); strings.Contains(out, "\x1b") {
		t.Error("colours without being asked for")
	}
	lines := strings.Split(render(t, Table, Options{Color: true}, events), "\n")
	for i, want := range []string{colorDim, colorDim, colorRed, colorRed} {
		if !strings.Contains(lines[i], want) || strings.Count(lines[i], colorReset) != 1 {
			t.Errorf("line %d: want colour %q once: %q", i, want, lines[i])
		}
	}
}

// TestTableFolds writes the same line again and again, with other times.
func TestTableFolds(t *testing.T) {
	var out strings.Builder
	w, err := New(Table, &out, Options{Location: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	clock := noon
	w.(*table).now = func() time.Time { return clock }
	at := noon
	write := func(path string, times int) {
		for range times {
			at = at.Add(time.Millisecond)
			e := &event.Event{Time: at, Kind: event.KindFileDelete, Process: &event.Process{Ref: event.Ref{PID: 1, Name: "sh"}}, File: &event.File{Path: path}}
			if err := w.Write(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	flush := func(after time.Duration) {
		clock = clock.Add(after)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	write("/a", 1)
	flush(0) // a first line waits for nothing
	write("/a", 3)
	flush(time.Second / 2)
	write("/b", 1) // another line
	write("/a", 2)
	flush(time.Second / 2)
	write("/a", 1)
	flush(time.Second / 2) // a second has passed
	write("/a", 1)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		f := strings.Fields(line)
		got = append(got, strings.Join(append(f[:1], f[5:]...), " "))
	}
	want := []string{
		"TIME DETAIL",
		"12:00:00.124 /a", "12:00:00.127 /a x3 more",
		"12:00:00.128 /b",
		"12:00:00.129 /a", "12:00:00.131 /a x2 more",
		"12:00:00.132 /a",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s\n%s", diff, out.String())
	}
}

func TestWantColor(t *testing.T) {
	terminal, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = terminal.Close() }()
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	tests := []struct {
		name, noColor, term string
		out                 *os.File
		want                bool
	}{
		{"terminal", "", "xterm", terminal, true},
		{"no colour", "1", "xterm", terminal, false},
		{"dumb", "", "dumb", terminal, false},
		{"file", "", "xterm", file, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", tt.noColor)
			t.Setenv("TERM", tt.term)
			if got := WantColor(tt.out); got != tt.want {
				t.Errorf("WantColor = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestErrnoName(t *testing.T) {
	tests := map[int]string{1: "EPERM", 13: "EACCES", 95: "EOPNOTSUPP", 115: "EINPROGRESS", 133: "EHWPOISON", 41: "errno 41", 134: "errno 134", -1: "errno -1"}
	for errno, want := range tests {
		if got := ErrnoName(errno); got != want {
			t.Errorf("ErrnoName(%d) = %s, want %s", errno, got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	tests := map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 3 << 30: "3.0 GiB", 1<<64 - 1: "16.0 EiB"}
	for n, want := range tests {
		if got := Bytes(n); got != want {
			t.Errorf("%d bytes = %s, want %s", n, got, want)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	events := append(samples(), special()...)
	for _, format := range Formats() {
		b.Run(string(format), func(b *testing.B) {
			w, err := New(format, io.Discard, Options{Width: 200})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := w.Write(events[i%len(events)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
