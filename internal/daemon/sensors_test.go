//go:build linux

package daemon

import (
	"slices"
	"testing"

	"github.com/stockade-security/stockade/internal/sensor/system"
)

func TestPick(t *testing.T) {
	for _, c := range []struct {
		names         []string
		with, without string
	}{
		{nil, "library", "syscall"},
		{[]string{"syscall"}, "syscall", "library"},
		{[]string{"library"}, "process", "syscall"},
	} {
		picked, err := pick(c.names, system.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range picked {
			names = append(names, s.Name)
		}
		if !slices.Contains(names, c.with) || slices.Contains(names, c.without) {
			t.Errorf("of %v: picked %v, should have %s and not %s", c.names, names, c.with, c.without)
		}
	}
	if _, err := pick([]string{"library", "nonesuch"}, system.Options{}); err == nil {
		t.Error("picked a sensor that does not exist")
	}
}
