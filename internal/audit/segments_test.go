package audit

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
)

// segmentsConfig never flushes by time within a test.
func segmentsConfig(t testing.TB) SegmentsConfig {
	t.Helper()
	return SegmentsConfig{Dir: filepath.Join(t.TempDir(), "segments"), Host: "host", BootID: "boot", FlushInterval: time.Hour}
}

func openSegments(t testing.TB, cfg SegmentsConfig) *Segments {
	t.Helper()
	s, err := OpenSegments(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) //nolint:errcheck // the test closes it where the error matters
	return s
}

func closeSegments(t testing.TB, s *Segments) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// scanSegments is scan for a directory that may hold no segment yet.
func scanSegments(t testing.TB, dir string) ([]*event.Event, ScanReport) {
	t.Helper()
	if len(segmentParts(t, dir)) == 0 {
		return nil, ScanReport{}
	}
	return scan(t, dir)
}

func segmentParts(t testing.TB, dir string) []part {
	t.Helper()
	list, err := series{dir: dir, stem: segmentStem}.list()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestSegmentsGiveBackWhatWasAppended(t *testing.T) {
	cfg := segmentsConfig(t)
	want := stream(20_000, generation+1000) // more processes than are remembered
	want = append(want, posture(1), &event.Event{Kind: event.KindLoss, Loss: &event.Loss{Cause: "x", Records: 3}})
	half := len(want) / 2
	for _, events := range [][]*event.Event{want[:half], want[half:]} {
		s := openSegments(t, cfg)
		s.Append(events[0])
		s.AppendBatch(events[1:])
		closeSegments(t, s)
	}
	got, report := scanSegments(t, cfg.Dir)
	if report.Files != 2 || len(report.Problems) != 0 {
		t.Errorf("report %+v", report)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if got[0].Process != got[1].Process {
		t.Error("events of one process do not share it")
	}
	for _, p := range segmentParts(t, cfg.Dir) {
		info, err := os.Stat(filepath.Join(cfg.Dir, p.file()))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", p.name, info, err)
		}
	}
}

func TestSegmentsRotateAndReportDeletions(t *testing.T) {
	var reported []*event.Event
	cfg := segmentsConfig(t)
	cfg.SegmentBytes, cfg.TotalBytes = 20_000, 700_000
	cfg.Report = func(e *event.Event) { reported = append(reported, e) }
	events := stream(100_000, 50)
	cfg.QueueLen = len(events)
	s := openSegments(t, cfg)
	s.AppendBatch(events)
	closeSegments(t, s)

	var total, deleted int64
	for _, p := range segmentParts(t, cfg.Dir) {
		total += p.bytes
	}
	for _, e := range reported {
		if e.Kind != event.KindRetention || e.Guard.Action != "delete" {
			t.Errorf("reported %+v", e)
			continue
		}
		deleted += e.Guard.Bytes
		if exists(filepath.Join(cfg.Dir, e.Guard.Detail)) {
			t.Errorf("%s is still there", e.Guard.Detail)
		}
	}
	if deleted == 0 || total > cfg.TotalBytes {
		t.Errorf("%d bytes kept, %d deleted", total, deleted)
	}
	got, report := scanSegments(t, cfg.Dir)
	if diff := cmp.Diff(events[len(events)-len(got):], got); diff != "" || len(report.Problems) > 0 || len(got) == 0 {
		t.Errorf("report %+v, difference %s", report, diff)
	}
}

func TestSegmentsCountWhatADiskRefuses(t *testing.T) {
	events := stream(300, 30)
	for room := 0; room < 6000; room += 151 {
		var d disk
		d.set(room, false)
		var mu sync.Mutex
		var reported uint64
		cfg := segmentsConfig(t)
		cfg.FlushInterval = time.Millisecond
		cfg.wrap = d.wrapSegment
		cfg.Report = func(e *event.Event) {
			mu.Lock()
			defer mu.Unlock()
			reported += e.Loss.Records
		}
		s := openSegments(t, cfg)
		for i, e := range events[:200] {
			s.Append(e)
			if i%50 == 49 {
				wait(t, "flush", func() bool { s.queue.mu.Lock(); defer s.queue.mu.Unlock(); return len(s.queue.items) == 0 })
			}
		}
		d.set(0, true)
		s.AppendBatch(events[200:])
		closeSegments(t, s)
		got, report := scanSegments(t, cfg.Dir)
		if len(report.Problems) != 0 || uint64(len(got))+reported != uint64(len(events)) {
			t.Fatalf("room %d: %d read, %d reported lost: %+v", room, len(got), reported, report)
		}
		for _, loss := range s.Losses() {
			if loss.Cause != CauseSegmentWriteError || loss.Total != reported {
				t.Fatalf("room %d: loss %+v", room, loss)
			}
		}
		for _, e := range got {
			if diff := cmp.Diff(events[e.Seq-1], e); diff != "" {
				t.Fatalf("room %d: %s", room, diff)
			}
		}
	}
}

func TestSegmentsCountWhatTheQueueRefuses(t *testing.T) {
	cfg := segmentsConfig(t)
	cfg.QueueLen = 100
	events := stream(50_000, 10)
	s := openSegments(t, cfg)
	var wg sync.WaitGroup
	for part := range 5 {
		wg.Go(func() {
			for _, e := range events[part*10_000 : (part+1)*10_000] {
				s.Append(e)
			}
		})
	}
	wg.Wait()
	closeSegments(t, s)
	s.Append(events[0])
	got, _ := scanSegments(t, cfg.Dir)
	losses := s.Losses()
	if len(losses) != 1 || losses[0].Cause != CauseSegmentQueueFull || uint64(len(got))+losses[0].Total != uint64(len(events))+1 {
		t.Errorf("%d read, losses %+v", len(got), losses)
	}
}

func TestSegmentsFlushByTime(t *testing.T) {
	cfg := segmentsConfig(t)
	cfg.FlushInterval = time.Millisecond
	s := openSegments(t, cfg)
	s.Append(stream(1, 1)[0])
	wait(t, "event on the disk", func() bool { got, _ := scanSegments(t, cfg.Dir); return len(got) == 1 })
	if _, err := OpenSegments(cfg); !errors.Is(err, ErrLocked) {
		t.Errorf("second open: %v", err)
	}
	closeSegments(t, s)
}

func TestSegmentsSkipWhatCannotBeEncoded(t *testing.T) {
	cfg := segmentsConfig(t)
	s := openSegments(t, cfg)
	events := stream(3, 1)
	bad := *events[0]
	bad.Time = time.Date(10_001, 1, 1, 0, 0, 0, 0, time.UTC)
	s.AppendBatch([]*event.Event{&bad, events[0], &bad, events[1], events[2]})
	closeSegments(t, s)
	got, _ := scanSegments(t, cfg.Dir)
	if diff := cmp.Diff(events, got); diff != "" {
		t.Error(diff)
	}
	if losses := s.Losses(); len(losses) != 1 || losses[0].Total != 2 {
		t.Errorf("losses %+v", losses)
	}
}
