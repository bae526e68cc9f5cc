//go:build linux

package file

import (
	"slices"
	"testing"
)

func TestFlagNames(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []string
		want []string
	}{
		{"none", openFlags(0), nil},
		{"access mode only", openFlags(2), nil},
		{"of the descriptor or the ABI", openFlags(0x80000 | 0x8000), nil},
		{"create", openFlags(0x40 | 0x80 | 0x200), []string{"O_CREAT", "O_EXCL", "O_TRUNC"}},
		{"sync is more than dsync", openFlags(0x101000), []string{"O_SYNC"}},
		{"dsync alone", openFlags(0x1000), []string{"O_DSYNC"}},
		{"tmpfile is more than directory", openFlags(0x410000), []string{"O_TMPFILE"}},
		{"directory alone", openFlags(0x10000), []string{"O_DIRECTORY"}},
		{"exchange", renameFlags(2), []string{"RENAME_EXCHANGE"}},
		{"unknown", renameFlags(0x100), nil},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s: %q instead of %q", c.name, c.got, c.want)
		}
	}
}

func TestAccess(t *testing.T) {
	for bits, want := range map[uint32]string{0: "", accessRead: "r", accessWrite: "w", accessRead | accessWrite: "rw", accessExec: "x"} {
		if got := access(bits); got != want {
			t.Errorf("access(%d) = %q instead of %q", bits, got, want)
		}
	}
}

func TestPermissions(t *testing.T) {
	for mode, want := range map[uint32]string{0: "0000", 0o644: "0644", 0o104755: "4755"} {
		if got := permissions(mode); got != want {
			t.Errorf("permissions(%o) = %q instead of %q", mode, got, want)
		}
	}
}
