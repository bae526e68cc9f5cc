package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stockade-security/stockade/event"
)

// errFull stands for ENOSPC where the kernel does not say it.
var errFull = errors.New("no space left")

// faultyFile writes only as long as there is room.
type faultyFile struct {
	segmentFile
	disk *disk
}

// disk is the room that faulty files share.
type disk struct {
	mu    sync.Mutex
	room  int
	ample bool
}

func (d *disk) set(room int, ample bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room, d.ample = room, ample
}

func (f faultyFile) Write(p []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.disk.ample || len(p) <= f.disk.room {
		f.disk.room -= len(p)
		return f.segmentFile.Write(p)
	}
	n, err := f.segmentFile.Write(p[:f.disk.room])
	f.disk.room = 0
	return n, errors.Join(err, errFull)
}

func (d *disk) wrapLog(f file) file                   { return faultyFile{f.(segmentFile), d} }
func (d *disk) wrapSegment(f segmentFile) segmentFile { return faultyFile{f, d} }

func posture(i int) *event.Event {
	return &event.Event{
		Seq: uint64(i), ID: fmt.Sprintf("e-%d", i), Time: time.Unix(1_700_000_000, int64(i)).UTC(),
		Kind: event.KindPosture, Evidence: event.EvidenceInventory,
		Posture: &event.Posture{Subject: "sysctl", Name: "kernel.x", Value: fmt.Sprint(i)},
	}
}

// testConfig never acts by itself within a test: its timer does not fire.
func testConfig(t testing.TB) Config {
	t.Helper()
	return Config{
		Path: filepath.Join(t.TempDir(), "log", "audit.jsonl"), Host: "host", BootID: "boot",
		PolicyDigest: "sha256:1", SyncInterval: time.Hour,
		Now: func() time.Time { return time.Unix(1_700_000_000, 0).UTC() },
	}
}

func openLog(t testing.TB, cfg Config) *Log {
	t.Helper()
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) //nolint:errcheck // the test closes it where the error matters
	return l
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func verifyOK(t testing.TB, path string) Report {
	t.Helper()
	r, err := Verify(path)
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() {
		t.Fatalf("verify: %+v", r)
	}
	return r
}

// records reads every record of a log, oldest first.
func records(t testing.TB, path string) []*Record {
	t.Helper()
	all, err := readRecords(path)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func readRecords(path string) ([]*Record, error) {
	report, err := Verify(path)
	if err != nil {
		return nil, err
	}
	var all []*Record
	for _, name := range report.Files {
		lines, err := openLines(filepath.Join(filepath.Dir(path), name), strings.HasSuffix(name, packedExt))
		if err != nil {
			return nil, err
		}
		for {
			line, err := lines.next()
			if err != nil {
				break
			}
			if r, err := parseRecord(line); err == nil {
				all = append(all, r)
			}
		}
		if err := lines.Close(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// count counts the records of a kind.
func count(all []*Record, kind event.Kind) (n uint64) {
	for _, r := range all {
		if r.Event.Kind == kind {
			n++
		}
	}
	return n
}

// actions counts the records about the log itself.
func actions(all []*Record) map[string]int {
	n := make(map[string]int)
	for _, r := range all {
		if r.Event.Guard != nil {
			n[r.Event.Guard.Action]++
		}
	}
	return n
}

func appendTo(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
