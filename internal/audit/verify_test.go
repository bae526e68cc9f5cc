package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The newest record has nothing behind it that vouches for it or for where it starts; all before it has.
func TestVerifySeesEveryChangedByte(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	fill(t, l, 3)
	closeLog(t, l)
	good, err := os.ReadFile(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(good, []byte("\n"))
	for i := range good[:len(good)-len(lines[2])-1] {
		for _, to := range []byte{good[i] ^ 1, '\n'} {
			if to == good[i] {
				continue
			}
			bad := bytes.Clone(good)
			bad[i] = to
			write(t, cfg.Path, bad)
			if r, err := Verify(cfg.Path); err == nil && r.OK() {
				t.Fatalf("byte %d: %q for %q passes: %+v", i, to, good[i], r)
			}
		}
	}
}

func TestVerifyNamesWhatIsWrong(t *testing.T) {
	cfg := testConfig(t)
	l := openLog(t, cfg)
	fill(t, l, 6)
	closeLog(t, l)
	good, err := os.ReadFile(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	a := bytes.SplitAfter(good, []byte("\n"))
	changed := bytes.Replace(a[2], []byte("kernel.x"), []byte("kernel.y"), 1)
	for _, test := range []struct {
		name  string
		lines [][]byte
		want  string // kind:line, joined
	}{
		{"untouched", a, ""},
		{"altered", [][]byte{a[0], a[1], changed, a[3], a[4], a[5]}, "altered:4"},
		{"removed in the middle", [][]byte{a[0], a[1], a[4], a[5]}, "missing:3"},
		{"removed at the start", a[2:], "missing:1"},
		{"exchanged", [][]byte{a[0], a[2], a[1], a[3], a[4], a[5]}, "missing:2 reordered:3"},
		{"repeated", [][]byte{a[0], a[1], a[1], a[2], a[3], a[4], a[5]}, "reordered:3"},
		{"foreign line", [][]byte{a[0], []byte("hello\n"), a[1], a[2]}, "unreadable:2"},
		{"empty line says nothing", [][]byte{a[0], []byte("\n"), a[1], a[2]}, ""},
		{"torn end", [][]byte{a[0], a[1], a[2][:50]}, ""},
		{"only its newline lacks", [][]byte{a[0], bytes.TrimSpace(a[1])}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			write(t, cfg.Path, bytes.Join(test.lines, nil))
			r, err := Verify(cfg.Path)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range r.Problems {
				got = append(got, p.Kind+":"+string(rune('0'+p.Line)))
			}
			if s := strings.Join(got, " "); s != test.want {
				t.Errorf("got %q, want %q: %+v", s, test.want, r)
			}
		})
	}
	if err := os.Remove(cfg.Path); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(cfg.Path); !os.IsNotExist(err) && !strings.Contains(err.Error(), "not exist") {
		t.Errorf("no log: %v", err)
	}
}

func TestVerifyMissesRotatedFiles(t *testing.T) {
	cfg := testConfig(t)
	cfg.RotateBytes, cfg.TotalBytes = 3000, 1<<20
	l := openLog(t, cfg)
	fill(t, l, 60)
	closeLog(t, l)
	verifyOK(t, cfg.Path)
	list := parts(t, cfg.Path)
	if len(list) < 3 {
		t.Fatalf("parts %+v", list)
	}
	for _, p := range []part{list[0], list[1]} {
		name := filepath.Join(filepath.Dir(cfg.Path), p.file())
		if err := os.Rename(name, name+".away"); err != nil {
			t.Fatal(err)
		}
		if r, err := Verify(cfg.Path); err != nil || r.OK() || r.Problems[0].Kind != "missing" {
			t.Errorf("without %s: %+v, %v", p.name, r, err)
		}
		if err := os.Rename(name+".away", name); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, name, content[:len(content)/2])
		if r, err := Verify(cfg.Path); err != nil || r.OK() || r.Problems[0].Kind != "unreadable" {
			t.Errorf("with half of %s: %+v, %v", p.name, r, err)
		}
		write(t, name, content)
	}
	verifyOK(t, cfg.Path)
}

func FuzzVerify(f *testing.F) {
	cfg := testConfig(f)
	l := openLog(f, cfg)
	fill(f, l, 3)
	closeLog(f, l)
	good, err := os.ReadFile(cfg.Path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, false)
	f.Add(good[:len(good)-9], false)
	f.Add([]byte("{\"schema\":1,\"seq\":18446744073709551615,\"event\":{\"kind\":\"guard\",\"guard\":{}}}\n"), true)
	f.Add([]byte("{\"schema\":1,\"seq\":1,\"event\":{\"kind\":\"loss\"}}\n\x00"), true)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, resume bool) {
		path := filepath.Join(dir, "audit.jsonl")
		write(t, path, text)
		before, err := Verify(path)
		if err != nil {
			t.Fatal(err)
		}
		if !resume || !before.OK() || before.Last == ^uint64(0) {
			return
		}
		// What passes can be continued, and passes still; what is no log at all is refused and stays as it is.
		l, err := Open(Config{Path: path, Host: "h", RotateAge: 1 << 62})
		if err != nil {
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, text) {
				t.Fatalf("a refused file was changed: %v", err)
			}
			return
		}
		l.Append(posture(1))
		closeLog(t, l)
		if after, err := Verify(path); err != nil || !after.OK() || after.Last <= before.Last {
			t.Fatalf("continued: %+v, %v, before: %+v", after, err, before)
		}
	})
}
