//go:build linux

package activity

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/internal/sensor/system"
)

func noMemoryController() string {
	b, err := os.ReadFile("/sys/fs/cgroup/cgroup.subtree_control")
	if err != nil || !strings.Contains(string(b), "memory") {
		return "the cgroup v2 tree does not control memory here"
	}
	return ""
}

// doOOM lets a process run out of the memory of the test cgroup; outside of one it does nothing.
func doOOM(string) (facts, error) {
	own := ownCgroup()
	if own == "" {
		return nil, nil
	}
	for file, value := range map[string]string{"memory.max": "64M", "memory.swap.max": "0"} {
		if err := os.WriteFile(filepath.Join("/sys/fs/cgroup", own, file), []byte(value), 0o600); err != nil && !os.IsNotExist(err) {
			return nil, err
		}
	}
	return run(exec.Command("tail", "/dev/zero")) // looks for a line's end in memory
}

func wantOOM(_ string, f facts) []event.Event {
	return []event.Event{{OOM: &event.OOM{Victim: event.Ref{PID: f.int("pid")}}}}
}

// TestVictimMemory looks at how much the process held that ran out of 64 MiB.
func TestVictimMemory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: BPF and a cgroup of its own")
	}
	if why := noMemoryController(); why != "" {
		t.Skip(why)
	}
	w := newWatch(t, []*kernel.Sensor{system.New(system.Options{})})
	for _, e := range w.observe(t, named(t, "oom kill")).events {
		if e.Kind != event.KindOOMKill {
			continue
		}
		if e.OOM.Victim.StartNS == 0 {
			t.Skip("before Linux 6.9 the kernel may tell the victim's number alone")
		}
		if n := e.OOM.ResidentBytes; n < 32<<20 || n > 65<<20 {
			t.Errorf("the victim held %d bytes", n)
		}
		return
	}
	t.Error("nobody was ended for want of memory")
}
