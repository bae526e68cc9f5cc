//go:build linux

package library

import "testing"

func TestNames(t *testing.T) {
	for bits, want := range map[uint32]string{0: "", 1: "r", 3: "rw", 4: "x", 5: "rx", 7: "rwx", 0xf8: ""} {
		if got := protection(bits); got != want {
			t.Errorf("protection %#x = %q, not %q", bits, got, want)
		}
	}
	for n, want := range map[uint32]string{0: "", 1: "mmap", 4: "shmat", 5: "", 1 << 31: ""} {
		if got := operation(n); got != want {
			t.Errorf("operation %d = %q, not %q", n, got, want)
		}
	}
}
