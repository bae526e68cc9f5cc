package posture

import (
	"strings"
	"testing"
)

func FuzzTables(f *testing.F) {
	for name, file := range host() {
		if strings.Contains(name, "/net/") && !file.Mode.IsDir() {
			f.Add(string(file.Data))
		}
	}
	f.Add("h\n 0: 00000000000000000000000000000000:FFFF 00:0 0A")
	f.Fuzz(func(t *testing.T, content string) {
		for _, table := range tables() {
			n := 0
			err := scanTable(strings.NewReader(content), table, func(s socket) bool {
				n++
				if s.inode == 0 || s.name == "" || s.state == "" {
					t.Errorf("%s: half a socket: %+v", table.file, s)
				}
				return n < 100
			})
			if err == nil && n > strings.Count(content, "\n") {
				t.Errorf("%s: %d sockets from %q", table.file, n, content)
			}
		}
	})
}

func FuzzModules(f *testing.F) {
	f.Add("nf_tables 303104 2 nft_ct,nft_nat, Live 0x0000000000000000\n")
	f.Add("evil 16384 0 - Live 0x0 (OE)")
	f.Fuzz(func(t *testing.T, content string) {
		facts := parseModules(content)
		for _, m := range facts {
			if m.Subject != "module" || m.Name == "" || !strings.HasPrefix(m.Value, "size=") {
				t.Errorf("half a module: %+v", m)
			}
		}
		if changes, _ := diff(facts, facts); len(changes) > 0 {
			t.Errorf("a list differs from itself: %v", changes)
		}
	})
}
