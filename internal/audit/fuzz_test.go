package audit

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/stockade-security/stockade/event"
)

// FuzzScan reads any file: what is wrong with it is named, and at most once that it ends too early.
func FuzzScan(f *testing.F) {
	cfg := segmentsConfig(f)
	s := openSegments(f, cfg)
	s.AppendBatch(stream(20, 3))
	closeSegments(f, s)
	good, err := os.ReadFile(filepath.Join(cfg.Dir, segmentParts(f, cfg.Dir)[0].file()))
	if err != nil {
		f.Fatal(err)
	}
	dec, err := zstd.NewReader(nil)
	if err != nil {
		f.Fatal(err)
	}
	text, err := dec.DecodeAll(good, nil)
	if err != nil {
		f.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, false)
	f.Add(good[:len(good)-3], false)
	f.Add(text, true)
	f.Add([]byte("{\"define\":1,\"process\":{}}\n{\"kind\":\"exit\",\"process\":1}\n{\"kind\":\"exit\",\"process\":2}"), true)
	path := filepath.Join(f.TempDir(), "events-20231114T221320Z-1.jsonl.zst")
	f.Fuzz(func(t *testing.T, content []byte, pack bool) {
		if pack {
			content = enc.EncodeAll(content, nil)
		}
		write(t, path, content)
		events, report := scan(t, path)
		ends, lines := 0, uint64(0)
		for _, p := range report.Problems {
			if p.Ends {
				ends++
			} else {
				lines++
			}
		}
		if report.Files != 1 || ends > 1 || lines != min(report.BadLines, maxBadLines) {
			t.Errorf("report %+v", report)
		}
		for _, e := range events {
			if e == nil {
				t.Fatal("no event")
			}
		}
	})
}

// FuzzScanLine reads any line: it may be refused, and an event that is not has a kind.
func FuzzScanLine(f *testing.F) {
	for _, seed := range []string{
		`{"kind":"exit","process":{"pid":7},"time":"2024-01-01T00:00:00Z"}`, `{"schema":1,"event":{"kind":"exit"}}`, `{"schema":1,"host":"h"}`,
		`{"define":1,"process":{"pid":7}}`, `{"kind":"connect","process":1,"flow":{"family":"inet"}}`, `{"kind":"\u0065xit","count":1e3}`, "{}", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		s := scanner{defined: map[uint64]*event.Process{}, each: func(e *event.Event) error {
			if e.Kind == "" {
				t.Error("an event without a kind")
			}
			return nil
		}}
		if err := s.line(line); err != nil && s.report.Events > 0 {
			t.Errorf("%q is an event and an error: %v", line, err)
		}
	})
}

// FuzzSplitObject compares the places of values with what encoding/json finds, for every text that is a JSON object.
func FuzzSplitObject(f *testing.F) {
	for _, seed := range []string{`{"a":1,"b":"x\\\"y","c":[{"d":"}"}],"e":null}`, "{}", ` { "a" : { } } `, `{"a":1}}`, `{"":0}`, `{"a"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := map[string]string{}
		err := splitObject(text, func(name, value []byte) error {
			var s string
			if json.Unmarshal([]byte(`"`+string(name)+`"`), &s) == nil {
				got[s] = string(bytes.TrimSpace(value))
			}
			return nil
		})
		var want map[string]json.RawMessage
		if json.Unmarshal(text, &want) != nil || want == nil {
			return
		}
		if err != nil {
			t.Fatalf("%q is an object: %v", text, err)
		}
		if len(want) != len(got) {
			t.Fatalf("%q: got %q, want %q", text, got, want)
		}
		for name, value := range want {
			if got[name] != string(value) {
				t.Errorf("%q: %q is %q, want %q", text, name, got[name], value)
			}
		}
	})
}
