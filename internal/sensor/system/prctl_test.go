//go:build linux

package system

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/internal/syscalls"
)

// TestPrctlWatched: what policies are told to be recorded is what the programs look for, by the same numbers.
func TestPrctlWatched(t *testing.T) {
	header, err := os.ReadFile("abi.h")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]uint32{}
	for _, m := range regexp.MustCompile(`\b(PR_\w+) = (\w+)`).FindAllStringSubmatch(string(header), -1) {
		n, err := strconv.ParseUint(m[2], 0, 32)
		if err != nil {
			t.Fatal(err)
		}
		want[m[1]] = uint32(n)
	}
	got := map[string]uint32{}
	for _, name := range syscalls.PrctlWatched() {
		got[name], _ = syscalls.PrctlOption(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-abi.h +syscalls:\n%s", diff)
	}
}
