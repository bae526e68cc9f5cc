package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/stockade-security/stockade/event"
)

func scan(t testing.TB, path string) ([]*event.Event, ScanReport) {
	t.Helper()
	var got []*event.Event
	report, err := Scan(path, nil, func(e *event.Event) error { got = append(got, e); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if report.Events != uint64(len(got)) {
		t.Errorf("%d events, report %+v", len(got), report)
	}
	return got, report
}

// everyDetail has each detail once, each with something in it.
func everyDetail(t *testing.T) []*event.Event {
	t.Helper()
	file := event.File{Path: "/a \"b\" \\ \u202e {[", Flags: []string{"O_CREAT", "}]"}}
	size, uid := int64(5), uint32(7)
	file.Size, file.UID = &size, &uid
	details := []event.Event{
		{Exec: &event.Exec{File: file, Script: "/x"}},
		{Fork: &event.Fork{Child: event.Ref{PID: 5}}},
		{Exit: &event.Exit{Code: -1}},
		{File: &file},
		{Flow: &event.Flow{Family: "inet", Destination: "10.0.0.1", DestinationPort: 443}},
		{Signal: &event.Signal{Number: 9, Name: "SIGKILL"}},
		{Ptrace: &event.Ptrace{Request: "PTRACE_ATTACH"}},
		{BPF: &event.BPF{Command: "BPF_PROG_LOAD"}},
		{Module: &event.Module{Name: "nf_tables"}},
		{Mount: &event.Mount{Operation: "bind", Flags: []string{"MS_BIND"}}},
		{Credential: &event.Credential{Operation: "setuid", Gained: []string{"CAP_BPF"}}},
		{Capability: &event.Capability{Name: "CAP_BPF", Granted: true}},
		{Namespace: &event.Namespace{Operation: "unshare", Types: []string{"mnt"}}},
		{Memory: &event.Memory{Operation: "mmap", Bytes: 4096}},
		{Call: &event.Call{Syscall: "prctl", Operation: "PR_SET_DUMPABLE"}},
		{OOM: &event.OOM{ResidentBytes: 1 << 30}},
		{Volume: &event.Volume{ReadBytes: 1, Day: "2024-01-01"}},
		{Posture: &event.Posture{Subject: "sysctl", Name: "x", Value: "1"}},
		{Loss: &event.Loss{Cause: "ring_full", Records: 3}},
		{Guard: &event.Guard{Action: "start"}},
		{Violations: []event.Violation{{Type: "file", Rule: "p.yaml:7", WouldDeny: true}}, Errno: 13, Count: 4, Until: time.Unix(9, 0).UTC()},
	}
	var events []*event.Event
	for i := range details {
		e := &details[i]
		e.Seq, e.ID, e.Kind, e.Evidence, e.Time = uint64(i+1), "id", event.KindFileOpen, event.EvidenceLSM, time.Unix(1_700_000_000, 5).UTC()
		e.Process = process(i % 3)
		events = append(events, e)
	}
	return events
}

// TestScanReadsEveryForm compares the three forms of a recording with what was recorded, field by field.
func TestScanReadsEveryForm(t *testing.T) {
	want := append(stream(5000, generation+100), everyDetail(t)...)
	cfg := segmentsConfig(t)
	s := openSegments(t, cfg)
	s.AppendBatch(want)
	closeSegments(t, s)

	dir := t.TempDir()
	var records, lines []byte
	for i, e := range want {
		line, err := appendRecord(nil, &Record{Schema: event.Schema, ID: e.ID, Host: "h", Seq: uint64(i + 1), PolicyDigest: "event", Event: e})
		if err != nil {
			t.Fatal(err)
		}
		records = append(append(records, line...), '\n')
		plain, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(append(lines, plain...), '\n')
	}
	half := bytes.IndexByte(records[len(records)/2:], '\n') + len(records)/2 + 1
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	writeAll(t, filepath.Join(dir, "log/audit-20240101T000000Z-000000000001.jsonl.zst"), enc.EncodeAll(records[:half], nil))
	writeAll(t, filepath.Join(dir, "log/audit.jsonl"), records[half:])
	writeAll(t, filepath.Join(dir, "events.jsonl"), lines)

	for path, files := range map[string]int{cfg.Dir: 1, filepath.Join(dir, "log"): 2, filepath.Join(dir, "events.jsonl"): 1} {
		got, report := scan(t, path)
		records := uint64(0)
		if filepath.Base(path) == "log" {
			records = report.Events
		}
		if report.Files != files || report.Records != records || report.BadLines != 0 || len(report.Problems) != 0 {
			t.Errorf("%s: report %+v", path, report)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -recorded +scanned:\n%.2000s", path, diff)
		}
	}
}

func writeAll(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestScanSharesProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	const line = `{"kind":"exit","process":{"pid":7,"exe":"/bin/a"}}` + "\n"
	writeAll(t, path, []byte(line+line))
	got, _ := scan(t, path)
	if len(got) != 2 || got[0].Process != got[1].Process || got[0].Process.Exe != "/bin/a" {
		t.Errorf("got %+v", got)
	}
}

// TestScanGoesOn reads on behind lines that are no events, and says which.
func TestScanGoesOn(t *testing.T) {
	const good = `{"kind":"exit"}` + "\n"
	for name, c := range map[string]struct {
		text    string
		events  int
		details []string // of the problems
		torn    bool
	}{
		"empty":            {"", 0, nil, false},
		"blank lines":      {"\n \n" + good, 1, nil, false},
		"no newline":       {good + `{"kind":"exit"}`, 2, nil, false},
		"torn":             {good + `{"kind":"exit","process":{"pi`, 1, []string{"not a whole JSON object"}, true},
		"not JSON":         {"hello\n" + good, 1, []string{"not a whole JSON object"}, false},
		"an array":         {"[{}]\n" + good, 1, []string{"not a whole JSON object"}, false},
		"no event":         {`{}` + "\n" + `{"a":{"b":[1,"}"]}}` + "\n" + good, 1, []string{"it is no event: it has no kind", "it is no event: it has no kind"}, false},
		"wrong type":       {`{"kind":"exit","errno":"x"}` + "\n" + good, 1, []string{"parse errno: json: cannot unmarshal string into Go value of type int"}, false},
		"wrong detail":     {`{"kind":"exit","exit":{"code":{}}}` + "\n" + good, 1, []string{"parse exit: json: cannot unmarshal object into Go struct field Exit.code of type int"}, false},
		"wrong process":    {`{"kind":"exit","process":{"pid":"x"}}` + "\n" + good, 1, []string{"parse process: json: cannot unmarshal string into Go struct field Process.Ref.pid of type int"}, false},
		"process a word":   {`{"kind":"exit","process":x}` + "\n" + good, 1, []string{"parse process: invalid character 'x' looking for beginning of value"}, false},
		"undefined":        {`{"kind":"exit","process":7}` + "\n" + good, 1, []string{"process 7 is not defined"}, false},
		"bad definition":   {`{"define":1}` + "\n" + good, 1, []string{"parse process: no number or no process"}, false},
		"number nought":    {`{"define":0,"process":{"pid":1}}` + "\n" + good, 1, []string{"parse process: no number or no process"}, false},
		"something behind": {`{"kind":"exit"} x` + "\n" + good, 1, []string{"not a whole JSON object"}, false},
		"no colon":         {`{"kind" "exit"}` + "\n", 0, []string{"not a whole JSON object"}, false},
		"no value":         {`{"kind":}` + "\n", 0, []string{"not a whole JSON object"}, false},
		"no comma":         {`{"kind":"exit" "errno":1}` + "\n", 0, []string{"not a whole JSON object"}, false},
		"a later version":  {`{"schema":999,"event":{"kind":"exit"}}` + "\n" + good, 0, []string{"schema 999: it is of a later version"}, false},
		"a wrong schema":   {`{"schema":"x"}` + "\n" + good, 1, []string{"json: cannot unmarshal string into Go value of type int"}, false},
		"unknown fields":   {`{"kind":"exit","new":{"x":[{}]}, "newer": null }` + "\n", 1, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "events.jsonl")
			writeAll(t, path, []byte(c.text))
			got, report := scan(t, path)
			var details []string
			torn, lines := false, 0
			for _, p := range report.Problems {
				if !p.Ends {
					lines++
				}
				details = append(details, p.Detail)
				torn = torn || p.Torn
			}
			if diff := cmp.Diff(c.details, details); diff != "" || len(got) != c.events || torn != c.torn || int(report.BadLines) != lines {
				t.Errorf("%d events, report %+v\n%s", len(got), report, diff)
			}
		})
	}
}

// TestScanNamesSomeOfManyBadLines, and all the same each file that was not read to its end.
func TestScanNamesSomeOfManyBadLines(t *testing.T) {
	dir := t.TempDir()
	writeAll(t, filepath.Join(dir, "a.jsonl"), []byte(strings.Repeat("x\n", 100)))
	writeAll(t, filepath.Join(dir, "b.jsonl"), []byte(`{"schema":999}`+"\n"))
	_, report := scan(t, dir)
	if report.BadLines != 100 || len(report.Problems) != maxBadLines+1 || report.Problems[2].Line != 3 {
		t.Fatalf("report %+v", report)
	}
	want := ScanProblem{File: filepath.Join(dir, "b.jsonl"), Line: 1, Ends: true, Detail: "schema 999: it is of a later version"}
	if diff := cmp.Diff(want, report.Problems[maxBadLines]); diff != "" {
		t.Error(diff)
	}
}

func TestScanEndsATornSegmentAndGoesOn(t *testing.T) {
	cfg := segmentsConfig(t)
	events := stream(12_000, 5) // several frames
	for _, part := range [][]*event.Event{events[:6000], events[6000:]} {
		s := openSegments(t, cfg)
		s.AppendBatch(part)
		closeSegments(t, s)
	}
	first := filepath.Join(cfg.Dir, segmentParts(t, cfg.Dir)[0].file())
	whole, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; cut < len(whole); cut += len(whole) / 9 {
		write(t, first, whole[:len(whole)-cut])
		got, report := scan(t, cfg.Dir)
		if len(report.Problems) != 1 || !report.Problems[0].Torn || !report.Problems[0].Ends || report.Problems[0].File != first {
			t.Fatalf("cut %d: report %+v", cut, report)
		}
		n := len(got) - 6000
		if n < 0 || n >= 6000 {
			t.Fatalf("cut %d: %d events of the torn segment", cut, n)
		}
		if diff := cmp.Diff(events[:n], got[:n]); diff != "" {
			t.Fatalf("cut %d: %s", cut, diff)
		}
	}
	for name, text := range map[string][]byte{
		"damaged":    append(bytes.Clone(whole[:len(whole)/2]), bytes.Repeat([]byte{0x55}, 4000)...),
		"not packed": []byte("not packed at all"),
	} {
		write(t, first, text)
		got, report := scan(t, cfg.Dir)
		if len(report.Problems) != 1 || report.Problems[0].Torn || !report.Problems[0].Ends || len(got) < 6000 || len(got) == 12_000 {
			t.Errorf("%s: %d events, report %+v", name, len(got), report)
		}
	}
}

// TestScanKeepsOrderWhenTheClockGoesBack: the numbers of files give their order, not the times in their names.
func TestScanKeepsOrderWhenTheClockGoesBack(t *testing.T) {
	cfg := segmentsConfig(t)
	want := stream(30, 3)
	for i, day := range []int{3, 1, 2} {
		cfg.Now = func() time.Time { return time.Date(2024, 1, day, 0, 0, 0, 0, time.UTC) }
		s := openSegments(t, cfg)
		s.AppendBatch(want[i*10 : i*10+10])
		closeSegments(t, s)
	}
	got, report := scan(t, cfg.Dir)
	if diff := cmp.Diff(want, got); diff != "" || report.Files != 3 {
		t.Errorf("report %+v\n%s", report, diff)
	}
}

func TestScanGoesOnBehindADeletedFile(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.jsonl", "b.jsonl", "c.jsonl"} {
		writeAll(t, filepath.Join(dir, name), []byte(`{"kind":"exit"}`+"\n"))
	}
	gone := filepath.Join(dir, "b.jsonl")
	report, err := Scan(dir, nil, func(*event.Event) error { return os.RemoveAll(gone) })
	if err != nil || report.Events != 2 || len(report.Problems) != 1 || report.Problems[0].File != gone || !report.Problems[0].Ends {
		t.Errorf("report %+v, error %v", report, err)
	}
}

func TestScanRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Scan(filepath.Join(dir, "none"), nil, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that does not exist: %v", err)
	}
	if _, err := Scan(dir, nil, nil); err == nil || !strings.Contains(err.Error(), "it holds neither segments nor an audit log") {
		t.Errorf("an empty directory: %v", err)
	}
	writeAll(t, filepath.Join(dir, "a.jsonl"), []byte(`{"kind":"exit"}`+"\n"+`{"kind":"exit"}`))
	stop := errors.New("enough")
	n := 0
	if report, err := Scan(dir, nil, func(*event.Event) error { n++; return stop }); !errors.Is(err, stop) || n != 1 || report.Events != 0 {
		t.Errorf("stopped by its caller: %v, report %+v", err, report)
	}
}

func TestScanPrefersThePlainForm(t *testing.T) {
	dir := t.TempDir()
	writeAll(t, filepath.Join(dir, "a.jsonl"), []byte(`{"kind":"exit"}`+"\n"))
	writeAll(t, filepath.Join(dir, "a.jsonl.zst"), []byte("half packed"))
	if got, report := scan(t, dir); len(got) != 1 || report.Files != 1 {
		t.Errorf("%d events, report %+v", len(got), report)
	}
}

func TestScanTellsProgress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.jsonl")
	text := bytes.Repeat([]byte(`{"kind":"exit","process":{"pid":1}}`+"\n"), 100_000)
	writeAll(t, path, text)
	var told []int64
	_, err := Scan(path, func(done, total int64) {
		if total != int64(len(text)) {
			t.Fatalf("total %d, want %d", total, len(text))
		}
		told = append(told, done)
	}, func(*event.Event) error { return nil })
	if err != nil || len(told) < 3 || told[len(told)-1] != int64(len(text)) {
		t.Errorf("told %v of %d, error %v", told, len(text), err)
	}
}

func BenchmarkScan(b *testing.B) {
	const events = 100_000
	cfg := segmentsConfig(b)
	cfg.QueueLen = events
	s := openSegments(b, cfg)
	s.AppendBatch(stream(events, 500))
	closeSegments(b, s)
	b.ResetTimer()
	for range b.N {
		report, err := Scan(cfg.Dir, nil, func(*event.Event) error { return nil })
		if err != nil || report.Events != events {
			b.Fatalf("report %+v, error %v", report, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/events, "ns/event")
}
