package limits

import "testing"

func TestText(t *testing.T) {
	memory, cpu, pids := &resources[0], &resources[1], &resources[2]
	for _, c := range []struct {
		r      *resource
		limit  uint32
		text   string
		tight  []string
		looser []string
	}{
		{memory, 1, "1048576", []string{"0", "1048576"}, []string{"1052672", "max", ""}},
		{memory, 1 << 31, "2251799813685248", []string{"1"}, []string{"max"}},
		{cpu, 50, "50000 100000", []string{"50000 100000", "1000 2000", "1000 1000000"}, []string{"51000 100000", "max 100000", "50000", "1 0"}},
		{cpu, 250, "250000 100000", []string{"100000 100000"}, []string{"300000 100000"}},
		{pids, 3, "3", []string{"3", "0"}, []string{"4", "max"}},
	} {
		if got := c.r.text(c.limit); got != c.text {
			t.Errorf("%s %d: %q, want %q", c.r.file, c.limit, got, c.text)
		}
		for _, text := range c.tight {
			if !c.r.within(text, c.limit) {
				t.Errorf("%s: %q is not within %d", c.r.file, text, c.limit)
			}
		}
		for _, text := range c.looser {
			if c.r.within(text, c.limit) {
				t.Errorf("%s: %q is within %d", c.r.file, text, c.limit)
			}
		}
	}
}
