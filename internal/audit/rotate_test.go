package audit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stockade-security/stockade/event"
)

// fill appends posture facts one by one, each in a chunk of its own.
func fill(t testing.TB, l *Log, n int) {
	t.Helper()
	for i := range n {
		l.Append(posture(i))
		if err := l.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}

func parts(t testing.TB, path string) []part {
	t.Helper()
	list, err := series{dir: filepath.Dir(path), stem: "audit"}.list()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestRotationPacksAndDeletesTheOldest(t *testing.T) {
	cfg := testConfig(t)
	cfg.RotateBytes, cfg.TotalBytes = 4000, 10_000
	l := openLog(t, cfg)
	fill(t, l, 200)
	closeLog(t, l)

	r := verifyOK(t, cfg.Path)
	if r.First == 1 || r.Deleted != r.First-1 || r.Last < 200 {
		t.Errorf("report %+v", r)
	}
	var total int64
	for _, p := range parts(t, cfg.Path) {
		total += p.bytes
		info, err := os.Stat(filepath.Join(filepath.Dir(cfg.Path), p.file()))
		if err != nil {
			t.Fatal(err)
		}
		if p.plain || info.Mode().Perm() != 0o600 {
			t.Errorf("%s is not packed, or its mode %v is not 0600", p.name, info.Mode())
		}
	}
	if total > cfg.TotalBytes-cfg.RotateBytes {
		t.Errorf("%d bytes in rotated files", total)
	}
	if n := actions(records(t, cfg.Path)); n["delete"] == 0 || n["rotate"] == 0 {
		t.Errorf("actions %v", n)
	}
	for _, rec := range records(t, cfg.Path) {
		if g := rec.Event.Guard; g != nil && (rec.Event.Kind != event.KindRetention || g.Bytes == 0 || g.Detail == "") {
			t.Errorf("record %+v of %+v", rec, g)
		}
	}
}

func TestChainGoesOnFromAPackedFile(t *testing.T) {
	cfg := testConfig(t)
	cfg.RotateBytes = 4000
	l := openLog(t, cfg)
	for len(parts(t, cfg.Path)) == 0 {
		fill(t, l, 1)
	}
	closeLog(t, l)
	if err := os.Remove(cfg.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	before := verifyOK(t, cfg.Path)
	l = openLog(t, cfg)
	fill(t, l, 1)
	closeLog(t, l)
	if r := verifyOK(t, cfg.Path); r.Last != before.Last+2 { // the rotation and the one appended
		t.Errorf("record %d after %d", r.Last, before.Last)
	}
}

func TestRotationByAge(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	cfg := testConfig(t)
	cfg.RotateAge = time.Hour
	cfg.Now = func() time.Time { return now }
	for range 3 {
		l := openLog(t, cfg)
		fill(t, l, 2)
		closeLog(t, l)
		now = now.Add(40 * time.Minute) // the second run is young enough, the third is not
	}
	verifyOK(t, cfg.Path)
	if list := parts(t, cfg.Path); len(list) != 1 {
		t.Errorf("parts %+v", list)
	}
}

// Whatever moment a crash takes during packing, all is readable and nothing twice, before the next start and after it.
func TestCrashWhilePacking(t *testing.T) {
	for _, test := range []struct {
		name  string
		crash func(t *testing.T, plain string, packed []byte)
	}{
		{"before", func(*testing.T, string, []byte) {}},
		{"temporary file half written", func(t *testing.T, plain string, packed []byte) {
			write(t, plain+".zst.tmp", packed[:len(packed)/2])
		}},
		{"both there", func(t *testing.T, plain string, packed []byte) { write(t, plain+".zst", packed) }},
		{"plain one gone", func(t *testing.T, plain string, packed []byte) {
			write(t, plain+".zst", packed)
			if err := os.Remove(plain); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := testConfig(t)
			l := openLog(t, cfg)
			fill(t, l, 20)
			closeLog(t, l)
			plain := filepath.Join(filepath.Dir(cfg.Path), "audit-20231114T221320Z-000000000001.jsonl")
			if err := os.Rename(cfg.Path, plain); err != nil {
				t.Fatal(err)
			}
			temp := filepath.Join(t.TempDir(), "packed")
			if err := packFile(plain, temp); err != nil {
				t.Fatal(err)
			}
			packed, err := os.ReadFile(temp)
			if err != nil {
				t.Fatal(err)
			}
			test.crash(t, plain, packed)

			if r := verifyOK(t, cfg.Path); r.Records != 20 {
				t.Errorf("before the start: %+v", r)
			}
			l = openLog(t, cfg)
			fill(t, l, 1)
			closeLog(t, l)
			if r := verifyOK(t, cfg.Path); r.Records != 22 {
				t.Errorf("after the start: %+v", r)
			}
			files, err := os.ReadDir(filepath.Dir(cfg.Path))
			if err != nil {
				t.Fatal(err)
			}
			if len(files) != 3 { // the log, one packed part, the lock
				t.Errorf("files %v", files)
			}
		})
	}
}

func TestRotationThatCannotRenameLosesNothing(t *testing.T) {
	cfg := testConfig(t)
	cfg.RotateBytes, cfg.TotalBytes = 2000, 1<<20
	l := openLog(t, cfg)
	fill(t, l, 1)
	inTheWay := filepath.Join(filepath.Dir(cfg.Path), "audit-20231114T221320Z-000000000001.jsonl")
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	fill(t, l, 20)
	closeLog(t, l)
	if r := verifyOK(t, cfg.Path); r.Records != 21 || r.Lost != 0 || len(r.Files) != 1 {
		t.Errorf("report %+v", r)
	}
}

func TestUnreadablePredecessorRestartsTheChainAloud(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	fill(t, l, 3)
	closeLog(t, l)
	dir := filepath.Dir(cfg.Path)
	if err := os.Remove(cfg.Path); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "audit-20231114T221320Z-000000000001.jsonl.zst"), []byte("not packed at all"))
	l = openLog(t, cfg)
	fill(t, l, 1)
	closeLog(t, l)
	r, err := Verify(cfg.Path)
	if err != nil || r.OK() {
		t.Errorf("verify: %+v, %v", r, err)
	}
	if n := actions(records(t, cfg.Path)); n["chain_restart"] != 1 {
		t.Errorf("actions %v", n)
	}
}

func TestSeriesIgnoresOtherFiles(t *testing.T) {
	s := series{dir: t.TempDir(), stem: "audit"}
	for _, name := range []string{
		"audit.jsonl", "audit-x-1.jsonl", "audit-20231114T221320Z-1.jsonl.zst.tmp", "other-20231114T221320Z-1.jsonl",
		"audit-20231114T221320Z--1.jsonl", "audit-20231114T221320Z-1.log", "audit-20231114T221320Z-99999999999999999999.jsonl",
	} {
		write(t, s.path(name), nil)
	}
	if list, err := s.list(); err != nil || len(list) != 0 {
		t.Errorf("list: %+v, %v", list, err)
	}
	later, earlier := s.partName(time.Unix(0, 0), 10), s.partName(time.Unix(1e9, 0), 9)
	write(t, s.path(later+plainExt), []byte("abc"))
	write(t, s.path(later+packedExt), []byte("a"))
	write(t, s.path(earlier+packedExt), []byte("ab"))
	list, err := s.list()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].name != earlier || list[1].bytes != 4 || list[1].file() != later+plainExt {
		t.Errorf("list %+v", list)
	}
	if gone := excess(list, 4); len(gone) != 1 || gone[0].name != earlier {
		t.Errorf("excess %+v", gone)
	}
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
