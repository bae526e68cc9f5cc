package limits

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestCrash starts anew on what a run before has left.
func TestCrash(t *testing.T) {
	left := func(edit func(h *host, list []*setting)) *host {
		h := newHost(t)
		h.cgroup(web)
		h.put(web, "pids.max", "50\n")
		h.run(10, 1, "web.service", web)
		h.start(webPol)
		h.sample()
		h.wants("held", web, webMax)
		text, err := os.ReadFile(h.state)
		if err != nil {
			t.Fatal(err)
		}
		list, err := parseState(text)
		if err != nil {
			t.Fatal(err)
		}
		edit(h, list)
		text, err = json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(h.state, text, 0o600); err != nil {
			t.Fatal(err)
		}
		h.start(webPol)
		return h
	}
	h := left(func(*host, []*setting) {})
	h.wants("after a crash", web, "max, max 100000, 50")
	if _, err := os.Stat(h.state); !os.IsNotExist(err) {
		t.Errorf("the state file is left: %v", err)
	}
	h.sample()
	h.wants("again", web, webMax)

	h = left(func(h *host, _ []*setting) { h.put(web, "pids.max", "9\n") })
	h.wants("somebody has written", web, "max, max 100000, 9")
	h = left(func(_ *host, list []*setting) {
		for _, s := range list { // the crash was between noting the next value and writing it
			s.Replaced, s.Written = s.Written, "1"
		}
	})
	h.wants("half way", web, "max, max 100000, 50")
	if runtime.GOOS == "linux" {
		h = left(func(_ *host, list []*setting) { list[0].ID++ })
		h.wants("made anew", web, "67108864, max 100000, 50")
	}
	left(func(h *host, _ []*setting) {
		if err := os.RemoveAll(filepath.Join(h.cgroupfs, web)); err != nil {
			t.Fatal(err)
		}
	})

	for _, text := range []string{"", "{", `[null]`, `[{"cgroup":"/../x","file":"pids.max"}]`, `[{"cgroup":"/x","file":"cgroup.procs"}]`, `[{"cgroup":"x","file":"pids.max"}]`} {
		h := newHost(t)
		if err := os.WriteFile(h.state, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(h.config(webPol)); err == nil || !strings.Contains(err.Error(), h.state) {
			t.Errorf("state %q: %v", text, err)
		}
	}
}

func FuzzParseState(f *testing.F) {
	f.Add([]byte(`[{"cgroup":"/a/b","id":7,"file":"pids.max","previous":"max","written":"7"}]`))
	f.Add([]byte(`[{"cgroup":"/a/../../b","file":"pids.max"}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := parseState(text)
		for _, s := range list {
			if name := filepath.ToSlash(filepath.Join("/tree", s.Cgroup, s.File)); err == nil && (!strings.HasPrefix(name, "/tree/") || !strings.HasSuffix(name, ".max")) {
				t.Errorf("%q leads to %q", text, name)
			}
		}
	})
}
