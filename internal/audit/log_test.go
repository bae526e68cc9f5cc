package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
)

func TestLogKeepsItsChainOverRestarts(t *testing.T) {
	cfg := testConfig(t)
	for run := range 3 {
		l := openLog(t, cfg)
		l.AppendBatch([]*event.Event{posture(run * 2), {Kind: event.KindFileOpen}, posture(run*2 + 1)})
		l.SetPolicyDigest("sha256:2")
		l.Append(&event.Event{Kind: event.KindExec, Violations: []event.Violation{{Type: "exec"}}})
		l.Append(&event.Event{Kind: event.KindExec})
		closeLog(t, l)
	}
	if r := verifyOK(t, cfg.Path); r.Records != 9 || r.First != 1 || r.Last != 9 {
		t.Fatalf("report %+v", r)
	}
	all := records(t, cfg.Path)
	ids := make(map[string]bool)
	for i, r := range all {
		ids[r.ID] = true
		want := Record{
			Schema: event.Schema, ID: r.Event.ID, Host: "host", BootID: "boot", Seq: uint64(i + 1),
			PolicyDigest: []string{"sha256:1", "sha256:1", "sha256:2"}[i%3], PrevHash: r.PrevHash, Event: r.Event,
		}
		if diff := cmp.Diff(want, *r); diff != "" {
			t.Error(diff)
		}
	}
	if len(ids) != len(all) || ids[""] {
		t.Errorf("ids are not unique: %v", ids)
	}
}

func TestRecordLine(t *testing.T) {
	e := &event.Event{
		Seq: 7, ID: "x-7", Time: time.Unix(1_700_000_000, 5).UTC(), Kind: event.KindPosture, Evidence: event.EvidenceInventory,
		Posture: &event.Posture{Subject: "process", Name: "a<b>&c\n\x1b[31m\x7f\u009b2J\u202e\U000e0041é\xff", Value: `"\`},
	}
	r := &Record{Schema: 1, ID: e.ID, Host: "h", BootID: "b", Seq: 3, PolicyDigest: "d", PrevHash: "p", Event: e}
	line, err := appendRecord(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"schema":1,"id":"x-7","host":"h","boot_id":"b","seq":3,"policy_digest":"d","prev_hash":"p",` +
		`"event":{"seq":7,"id":"x-7","time":"2023-11-14T22:13:20.000000005Z","kind":"posture","evidence":"inventory",` +
		`"posture":{"subject":"process","name":"a<b>&c\n\u001b[31m\u007f\u009b2J\u202e\udb40\udc41é\ufffd","value":"\"\\"}}}`
	if diff := cmp.Diff(want, string(line)); diff != "" {
		t.Fatal(diff)
	}
	back, err := parseRecord(line)
	if err != nil {
		t.Fatal(err)
	}
	e.Posture.Name = strings.ToValidUTF8(e.Posture.Name, "\ufffd")
	if diff := cmp.Diff(r, back); diff != "" {
		t.Error(diff)
	}
	for cut := range line {
		if _, err := parseRecord(line[:cut]); err == nil {
			t.Fatalf("a record cut off at byte %d counts as whole", cut)
		}
	}
}

func TestLogContinuesBehindTornText(t *testing.T) {
	whole := strings.Repeat("x", 100)
	for _, test := range []struct {
		name, text string
		torn       int
	}{
		{"start of a record", `{"schema":1,"id":"e`, 1},
		{"with a newline", "{\"schema\"\n", 1},
		{"several lines", "{\"sch\n\n" + whole + "\nx", 1},
		{"zero bytes", strings.Repeat("\x00", 5000), 1},
		{"longer than what is read at once", strings.Repeat("y", 200_000), 1},
		{"nothing", "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := testConfig(t)
			l := openLog(t, cfg)
			l.Append(posture(1))
			closeLog(t, l)
			appendTo(t, cfg.Path, test.text)
			before, err := os.ReadFile(cfg.Path)
			if err != nil {
				t.Fatal(err)
			}
			if r := verifyOK(t, cfg.Path); (r.TornTailBytes > 0) != (test.torn > 0) {
				t.Errorf("torn tail of %d bytes", r.TornTailBytes)
			}
			l = openLog(t, cfg)
			l.Append(posture(2))
			closeLog(t, l)
			if r := verifyOK(t, cfg.Path); r.Torn != test.torn || r.Records != uint64(2+test.torn) || r.TornTailBytes != 0 {
				t.Errorf("report %+v", r)
			}
			after, err := os.ReadFile(cfg.Path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(after, before) {
				t.Error("what was there was rewritten")
			}
		})
	}
}

// A full disk may cut a write anywhere, more than once, and the next start may find any such end.
func TestShortWritesAreCounted(t *testing.T) {
	for room := 0; room < 900; room += 2 { // less than three records
		var d disk
		d.set(room, false)
		cfg := testConfig(t)
		cfg.wrap = d.wrapLog
		l := openLog(t, cfg)
		appended := 0
		put := func(sync bool) {
			appended += 3
			l.AppendBatch([]*event.Event{posture(appended), posture(appended + 1), posture(appended + 2)})
			if err := l.Sync(); sync == (err != nil) {
				t.Fatalf("room %d: sync: %v", room, err)
			}
		}
		put(false)
		d.set(room%7, false)
		put(false)
		if room%3 == 0 {
			d.set(0, true)
			put(true)
		}
		d.set(0, true)
		closeLog(t, l)
		r := verifyOK(t, cfg.Path)
		if found := count(records(t, cfg.Path), event.KindPosture); found+r.Lost != uint64(appended) || r.Lost == 0 {
			t.Fatalf("room %d: %d appended, report %+v", room, appended, r)
		}
		if r.TornTailBytes != 0 {
			t.Fatalf("room %d: torn tail", room)
		}
		if losses := l.Losses(); len(losses) != 1 || losses[0].Cause != CauseLogWriteError || losses[0].Total != r.Lost {
			t.Fatalf("room %d: losses %+v, report %+v", room, losses, r)
		}
	}
}

func TestCloseSaysWhatCouldNotBeRecorded(t *testing.T) {
	var d disk
	cfg := testConfig(t)
	cfg.wrap = d.wrapLog
	l := openLog(t, cfg)
	l.Append(posture(1))
	if err := l.Close(); !errors.Is(err, errFull) {
		t.Fatalf("close: %v", err)
	}
	l.Append(posture(2))
	want := []string{CauseLogQueueFull, CauseLogWriteError}
	for i, loss := range l.Losses() {
		if loss.Cause != want[i] || loss.Total != 1 {
			t.Errorf("loss %+v", loss)
		}
	}
	if err := l.Sync(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("sync after close: %v", err)
	}
}

func TestConcurrentAppendLosesNothingUncounted(t *testing.T) {
	cfg := testConfig(t)
	cfg.QueueLen, cfg.RotateBytes, cfg.TotalBytes = 64, 64<<10, 64<<20
	l := openLog(t, cfg)
	const writers, each = 8, 2000
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := range each / 4 {
				l.Append(posture(i))
				l.AppendBatch([]*event.Event{posture(i), posture(i), posture(i)})
			}
		})
	}
	wg.Wait()
	closeLog(t, l)
	r := verifyOK(t, cfg.Path)
	found := count(records(t, cfg.Path), event.KindPosture)
	if found+r.Lost != writers*each {
		t.Errorf("%d found, %d lost of %d", found, r.Lost, writers*each)
	}
}

func TestLossRecordHoldsCountAndSpan(t *testing.T) {
	var d disk
	now := time.Unix(1_700_000_000, 0).UTC()
	cfg := testConfig(t)
	cfg.wrap = d.wrapLog
	cfg.Now = func() time.Time { now = now.Add(time.Second); return now }
	l := openLog(t, cfg)
	for i := range 5 {
		l.Append(posture(i))
		if err := l.Sync(); !errors.Is(err, errFull) {
			t.Fatalf("sync: %v", err)
		}
	}
	d.set(0, true)
	closeLog(t, l)
	var losses []event.Loss
	var total uint64
	for _, r := range records(t, cfg.Path) {
		if r.Event.Kind == event.KindLoss {
			losses = append(losses, *r.Event.Loss)
			total += r.Event.Loss.Records
		}
	}
	if len(losses) == 0 || total != 5 || losses[len(losses)-1].Total != 5 {
		t.Fatalf("losses %+v", losses)
	}
	for _, loss := range losses {
		if loss.From.IsZero() || loss.To.Before(loss.From) || loss.To.After(now) {
			t.Errorf("span of %+v", loss)
		}
	}
}

func TestOpenRefusesWhatIsNotItsOwn(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(path string) error
		want string
	}{
		{"another text", func(p string) error { return os.WriteFile(p, []byte("root:x:0:0\n"), 0o644) }, "not an audit log"},
		{"symbolic link", func(p string) error {
			return errors.Join(os.WriteFile(p+".target", nil, 0o600), os.Symlink(p+".target", p))
		}, "symbolic link"},
		{"dangling link", func(p string) error { return os.Symlink(p+".nowhere", p) }, "symbolic link"},
		{"lock is a link", func(p string) error {
			return os.Symlink(p+".nowhere", filepath.Join(filepath.Dir(p), ".audit.jsonl.lock"))
		}, "symbolic link"},
		{"hard link", func(p string) error {
			return errors.Join(os.WriteFile(p+".other", nil, 0o600), os.Link(p+".other", p))
		}, "hard links"},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, "is a directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := testConfig(t)
			if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := test.make(cfg.Path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(cfg.Path)
			l, err := Open(cfg)
			if err == nil {
				closeLog(t, l)
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q lacks %q", err, test.want)
			}
			if after, _ := os.Lstat(cfg.Path); before != nil && after.Mode() != before.Mode() {
				t.Errorf("mode changed from %v to %v", before.Mode(), after.Mode())
			}
		})
	}
}

func TestOpenTightensModes(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	l.Append(posture(1))
	closeLog(t, l)
	if err := os.Chmod(cfg.Path, 0o644); err != nil {
		t.Fatal(err)
	}
	l = openLog(t, cfg)
	closeLog(t, l)
	info, err := os.Stat(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.Stat(filepath.Dir(cfg.Path))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 || dir.Mode().Perm() != 0o700 {
		t.Errorf("modes %v and %v", info.Mode(), dir.Mode())
	}
	if n := actions(records(t, cfg.Path)); n["tighten"] != 1 {
		t.Errorf("actions %v", n)
	}
}

func TestLogHasOneWriter(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	if _, err := Open(cfg); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), cfg.Path) {
		t.Fatalf("second open: %v", err)
	}
	closeLog(t, l)
	closeLog(t, openLog(t, cfg))
}

func TestLogThatLosesItsNameStartsANewFile(t *testing.T) {
	cfg := testConfig(t)
	cfg.SyncInterval = time.Millisecond
	l := openLog(t, cfg)
	l.Append(posture(1))
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(cfg.Path); err != nil {
		t.Fatal(err)
	}
	wait(t, "a new file", func() bool { info, err := os.Stat(cfg.Path); return err == nil && info.Size() > 0 })
	closeLog(t, l)
	if n := actions(records(t, cfg.Path)); n["file_gone"] != 1 {
		t.Errorf("actions %v", n)
	}
	if r, err := Verify(cfg.Path); err != nil || r.OK() {
		t.Errorf("verify: %+v, %v", r, err)
	}
}

func TestUnencodableEventIsCounted(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	bad := posture(1)
	bad.Time = time.Date(10_001, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := json.Marshal(bad); err == nil {
		t.Fatal("the event can be encoded")
	}
	l.AppendBatch([]*event.Event{posture(1), bad, posture(2)})
	closeLog(t, l)
	if r := verifyOK(t, cfg.Path); r.Lost != 1 || r.Records != 3 {
		t.Errorf("report %+v", r)
	}
}

// wait polls for a condition that another goroutine brings about.
func wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %s", what)
		}
	}
}
