//go:build unix

package policy

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestIncludePipe: a file that would never end to be read, or to be opened, is not.
func TestIncludePipe(t *testing.T) {
	for name, make := range map[string]func(string) error{
		"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"device": func(path string) error { return os.Symlink("/dev/zero", path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{"main.yaml": "processes: {app: {}}\ninclude: [odd]\n"})
			if err := make(filepath.Join(dir, "odd")); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(filepath.Join(dir, "main.yaml")); err == nil || !strings.Contains(err.Error(), "it is no regular file") {
				t.Errorf("got %v", err)
			}
		})
	}
}
