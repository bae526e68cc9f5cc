//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// inGuest runs this program in a guest with the kernel of that series, for the ratios alone.
func inGuest(ctx context.Context, series, program, dir string, rounds int) (*report, error) {
	share, err := os.MkdirTemp(dir, "share")
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for name, source := range map[string]string{"bench": self, "stockade": program} {
		if err := copyFile(filepath.Join(share, name), source); err != nil {
			return nil, err
		}
	}
	script := fmt.Sprintf("exec /run/share/bench -ratios -emulated -guest '' -rounds %d -stockade /run/share/stockade -json /run/share/report.json\n", rounds)
	if err := os.WriteFile(filepath.Join(share, "cmd.sh"), []byte(script), 0o600); err != nil {
		return nil, err
	}
	guest := exec.CommandContext(ctx, "test/vm/run.sh", series, share)
	guest.Cancel = func() error { return guest.Process.Signal(syscall.SIGTERM) } // it cleans up after itself
	guest.Env = append(os.Environ(), "STOCKADE_VM_TIMEOUT=3600")
	guest.Stdout, guest.Stderr = os.Stderr, os.Stderr
	if err := guest.Run(); err != nil {
		return nil, fmt.Errorf("measure in a guest with kernel %s: %w", series, err)
	}
	b, err := os.ReadFile(filepath.Join(share, "report.json"))
	if err != nil {
		return nil, err
	}
	var r report
	return &r, json.Unmarshal(b, &r)
}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o700)
}
