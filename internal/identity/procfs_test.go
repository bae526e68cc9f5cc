package identity

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// statLine is /proc/PID/stat with the fields that matter.
func statLine(pid, comm, ppid, flags, ticks, args string) string {
	f := strings.Fields(strings.Repeat("0 ", 50))
	f[0], f[1], f[6], f[19], f[45] = "S", ppid, flags, ticks, args
	return pid + " (" + comm + ") " + strings.Join(f, " ") + "\n"
}

func TestParseStat(t *testing.T) {
	got, err := parseStat([]byte(statLine("7", "a) (b", "3", "2097152", "1234", "99")))
	want := procStat{pid: 7, ppid: 3, comm: "a) (b", flags: pfKthread, ticks: 1234, image: [3]string{"0", "0", "99"}}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "7", "7 (a", ") 7 (", "7 (a) S 1", statLine("x", "a", "1", "0", "1", "0"), statLine("1", "a", "1", "0", "-1", "0"), statLine("1", "a", "1", "0", "18446744073709551615", "0")} {
		if s, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: %+v", bad, s)
		}
	}
}

func TestParseStatus(t *testing.T) {
	got := parseStatus([]byte("Name:\tUid: 5\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nCapEff:\t0000000000000005\nUidx: 9\n"))
	if want := (IDs{UID: 1, EUID: 2, GID: 5, EGID: 6, Capabilities: 5}); got != want {
		t.Errorf("got %+v", got)
	}
}

func TestParseLoginUID(t *testing.T) {
	for in, want := range map[string]uint32{"1000": 1000, "0\n": 0, "4294967294": 4294967294} {
		if got := parseLoginUID([]byte(in)); got == nil || *got != want {
			t.Errorf("%q: got %v", in, got)
		}
	}
	for _, in := range []string{"4294967295", "4294967296", "-1", "", "alice"} {
		if got := parseLoginUID([]byte(in)); got != nil {
			t.Errorf("%q: got %d", in, *got)
		}
	}
}

func TestParseCgroups(t *testing.T) {
	for in, want := range map[string]string{
		"0::/a.slice/b.service\n":             "/a.slice/b.service",
		"9:name=systemd:/s.service\n0::/\n":   "/s.service",
		"9:name=systemd:/s.service\n0::/v2\n": "/v2",
		"4:memory:/m\n0::/\n":                 "/",
		"0::/with:colon\n":                    "/with:colon",
		"":                                    "",
		"4:memory:/m\n3:cpu,cpuacct:/x\nnonsense\n": "",
	} {
		if got, v2 := parseCgroups([]byte(in)); got != want || v2 != (want != "" && want != "/s.service") {
			t.Errorf("%q: %q, %v", in, got, v2)
		}
	}
}

func TestParseMountinfo(t *testing.T) {
	in := "41 31 0:38 / /sys/fs/cgroup/un\\040ified rw,relatime shared:4 master:1 - cgroup2 cgroup2 rw\nnonsense\n1 2 3 4 - x\nx 1 0:1 / / rw - a b\n7 1 8:1 /r\\134 \\9z rw - ext4 /dev/a rw"
	want := []mount{{41, "0:38", "/", "/sys/fs/cgroup/un ified", "cgroup2"}, {7, "8:1", `/r\`, `\9z`, "ext4"}}
	if d := cmp.Diff(want, parseMountinfo(strings.NewReader(in)), cmp.AllowUnexported(mount{})); d != "" {
		t.Error(d)
	}
}

func FuzzProcfs(f *testing.F) {
	f.Add([]byte(statLine("7", "a) (b", "3", "0", "1234", "99")))
	f.Add([]byte("0::/a\n4:x:/b\n41 31 0:38 / /x\\040 rw - cgroup2 c rw"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseStat(b); err == nil && s.ticks*tickNS/tickNS != s.ticks {
			t.Errorf("start overflows: %+v", s)
		}
		parseStatus(b)
		parseLoginUID(b)
		parseCmdline(b)
		if path, _ := parseCgroups(b); strings.Contains(path, "\n") {
			t.Errorf("path %q", path)
		}
		parseMountinfo(strings.NewReader(string(b)))
	})
}
