package audit

import (
	"fmt"
	"testing"
	"time"

	"github.com/stockade-security/stockade/event"
)

// process makes a process with the usual detail.
func process(i int) *event.Process {
	exe := fmt.Sprintf("/usr/bin/tool-%d", i%40)
	return &event.Process{
		Ref:      event.Ref{PID: 1000 + i, StartNS: uint64(i) * 1e6, Name: "tool", Exe: exe},
		ExeInode: uint64(i), ExeDevice: "8:1", Argv: []string{exe, "--input", fmt.Sprintf("/srv/data/%d", i), "<&\x1b\u009b>"},
		CWD: "/srv", UID: 1000, GID: 1000, EUID: 1000, EGID: 1000, User: "svc", Cgroup: "/system.slice/x.service", Unit: "x.service",
		Namespaces: &event.Namespaces{Mnt: 4026531841, PID: 4026531836, Net: 4026531840},
		Parents:    []event.Ref{{PID: 1, Name: "systemd", Exe: "/usr/lib/systemd/systemd"}, {PID: 2, Name: "x"}},
		Started:    time.Unix(1_700_000_000, int64(i)).UTC(),
	}
}

// stream makes events like those of a busy host: mostly opens.
func stream(n, processes int) []*event.Event {
	procs := make([]*event.Process, processes)
	for i := range procs {
		procs[i] = process(i)
	}
	events := make([]*event.Event, n)
	for i := range events {
		events[i] = &event.Event{
			Seq: uint64(i + 1), ID: fmt.Sprintf("01hf2k3m-%d", i+1), Time: time.Unix(1_700_000_000, int64(i)*20_113).UTC(),
			Kind: event.KindFileOpen, Evidence: event.EvidenceDescriptor, Process: procs[(i/3)%processes],
			File: &event.File{
				Path: fmt.Sprintf("/srv/data/%d/file-%d.txt", i%97, i*7919%10007), Inode: uint64(i * 31 % 65537), Device: "8:1",
				Type: "file", Access: "r", Flags: []string{"O_CLOEXEC"},
			},
		}
	}
	return events
}

func BenchmarkSegments(b *testing.B) {
	events := stream(100_000, 500)
	cfg := SegmentsConfig{Dir: b.TempDir(), FlushInterval: time.Hour}
	if err := cfg.complete(); err != nil {
		b.Fatal(err)
	}
	var w segmentWriter
	if err := w.init(cfg, newLedger(time.Now)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		n := min(wakeEvents, b.N-done, len(events)-done%len(events))
		w.add(events[done%len(events):][:n])
		done += n
	}
	w.flush()
	b.StopTimer()
	var total int64
	parts, err := w.parts.list()
	if err != nil {
		b.Fatal(err)
	}
	for _, p := range parts {
		total += p.bytes
	}
	b.ReportMetric(float64(total)/float64(b.N), "packed_B/event")
	b.ReportMetric(50_000*float64(b.Elapsed())/float64(b.N)/float64(time.Second)*100, "%core@50k/s")
	if err := w.close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkLog(b *testing.B) {
	cfg := testConfig(b)
	cfg.QueueLen, cfg.RotateBytes, cfg.TotalBytes = b.N+1, 8<<30, 16<<30
	l := openLog(b, cfg)
	e := posture(1)
	b.ReportAllocs()
	for range b.N {
		l.Append(e)
	}
	closeLog(b, l)
}
