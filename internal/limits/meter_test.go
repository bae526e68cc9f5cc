package limits

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMeter(t *testing.T) {
	h := newHost(t)
	m := meter{procfs: h.procfs}
	h.uses(5, 1, 100, 2, 7)
	if got := m.read([]int{5, 5, 6}, 0); !cmp.Equal(got, map[int]usage{5: {pid: 5, start: 1, ticks: 100, memory: 7168, threads: 2}}, cmp.AllowUnexported(usage{})) {
		t.Errorf("got %+v", got)
	}
	h.uses(5, 1, 150, 2, 7)
	h.uses(6, 9, 100000, 1, 0)
	got := m.read([]int{5, 6}, time.Second)
	if got[5].percent != 50 || got[6].percent != 100 {
		t.Errorf("percents %v and, new, %v", got[5].percent, got[6].percent)
	}
	h.uses(5, 2, 30, 1, 7) // the number is another process's
	if got := m.read([]int{5}, time.Second); got[5].percent != 30 {
		t.Errorf("percent of a new process %v", got[5].percent)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("1 (a) b) S 1 1 1 0 -1 0 0 0 0 0 3 4 0 0 20 0 2 0 99 0 0"))
	f.Add([]byte("1 ((((("))
	f.Add([]byte("1 (x) S -"))
	f.Fuzz(func(t *testing.T, text []byte) {
		u, err := parseStat(text)
		if err != nil && u != (usage{}) {
			t.Errorf("%+v of an error", u)
		}
	})
}
