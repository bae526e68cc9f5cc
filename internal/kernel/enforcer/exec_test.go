//go:build linux

package enforcer

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stockade-security/stockade/internal/kernel"
)

const execPolicy = `version: '1.0'
mode: enforce
processes:
  listed: {match: {exe: [DIR/listed]}, inherit: true, allowed_exec: [DIR/good, DIR/script, DIR/listed]}
  barred: {match: {exe: [DIR/barred]}, inherit: true, blocked_exec: [DIR/bad, DIR/interpreter, "/memfd:*", DIR/unlinked]}
  proud: {match: {exe: [DIR/proud]}, inherit: true, no_sudo: true}
  mapper: {match: {exe: [DIR/mapper]}, allowed_files: ["DIR/* r", "DIR/good x", "/** rw"], blocked_files: ["DIR/bad x"]}
`

// TestExec tries ways to start programs, below an entry that lists what is allowed and one that lists what is not.
func TestExec(t *testing.T) {
	needsLSM(t)
	dir := realDir(t)
	sleep, shell := lookPath(t, "sleep"), lookPath(t, "sh")
	self(t, dir, "listed", "barred", "proud", "mapper", "free")
	for _, name := range []string{"good", "bad", "other"} {
		copyTo(t, sleep, filepath.Join(dir, name))
	}
	copyTo(t, shell, filepath.Join(dir, "interpreter"))
	for name, interpreter := range map[string]string{"script": "interpreter", "barred-script": "interpreter", "script2": "script"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!"+filepath.Join(dir, interpreter)+"\n:\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copyTo(t, sleep, filepath.Join(dir, "setuid"))
	if err := errors.Join(os.Chown(filepath.Join(dir, "setuid"), 4321, -1), os.Chmod(filepath.Join(dir, "setuid"), 0o755|os.ModeSetuid)); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "bad"), filepath.Join(dir, "linked")); err != nil {
		t.Fatal(err)
	}
	ld := lookPath(t, "/lib64/ld-linux-x86-64.so.2")
	e, img := hold(t, strings.ReplaceAll(execPolicy, "DIR", dir))
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, tt := range []struct {
		name, by string
		deed     []string
		refused  bool
	}{
		{"listed", "listed", []string{"run", at("good"), "0"}, false},
		{"not listed", "listed", []string{"run", at("other"), "0"}, true},
		{"a listed script whose interpreter is not listed", "listed", []string{"run", at("script")}, false},
		{"a file in memory", "listed", []string{"memfd", "good", sleep}, true},
		{"a script not listed", "listed", []string{"run", at("barred-script")}, true},
		{"by a child", "listed", []string{"run", at("listed"), "run", at("other"), "0"}, true},
		{"blocked", "barred", []string{"run", at("bad"), "0"}, true},
		{"not blocked", "barred", []string{"run", at("other"), "0"}, false},
		{"another name of it", "barred", []string{"run", at("linked"), "0"}, true},
		{"a script of a blocked interpreter", "barred", []string{"run", at("barred-script")}, true},
		{"a script of such a script", "barred", []string{"run", at("script2")}, true},
		{"a blocked file in memory", "barred", []string{"memfd", "x", sleep}, true},
		{"a blocked file that is unlinked", "barred", []string{"unlinked", at("unlinked"), sleep}, true},
		{"another file that is unlinked", "barred", []string{"unlinked", at("gone"), sleep}, false},
		{"as code", "barred", []string{"map", at("bad")}, true},
		{"as code later", "barred", []string{"protect", at("bad")}, true},
		{"other code", "barred", []string{"map", at("other")}, false},
		{"its own code", "barred", []string{"map", at("barred")}, false},
		{"from another thread", "barred", []string{"become", at("bad"), "0"}, true},
		{"another user's", "proud", []string{"run", at("setuid"), "0"}, true},
		{"one's own", "proud", []string{"run", at("good"), "0"}, false},
		{"a listed mapping", "mapper", []string{"map", at("good")}, false},
		{"a mapping not listed", "mapper", []string{"map", at("other")}, true},
		{"a mapping not listed, later", "mapper", []string{"protect", at("other")}, true},
		{"free", "free", []string{"run", at("bad"), "0"}, false},
		{"free, another user's", "free", []string{"run", at("setuid"), "0"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, problem := refused(t, doing(at(tt.by), tt.deed...)); got != tt.refused {
				t.Errorf("refused: %v (%s)", got, problem)
			}
		})
	}
	t.Run("by ld.so", func(t *testing.T) {
		if err := doing(at("barred"), "run", ld, at("bad"), "0").Run(); err == nil {
			t.Error("it ran")
		}
		if err := doing(at("barred"), "run", ld, at("other"), "0").Run(); err != nil {
			t.Errorf("another program: %v", err)
		}
	})
	reasons := map[string]int{}
	if err := e.Drain(func(r *kernel.Record) error {
		reasons[img.Subjects[r.Subject].Name]++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if reasons["listed"] == 0 || reasons["barred"] == 0 || reasons["proud"] != 1 || reasons["mapper"] != 2 {
		t.Errorf("records: %v", reasons)
	}
}

// refused runs a deed and reports whether it was refused with EPERM.
func refused(t *testing.T, c *exec.Cmd) (bool, string) {
	t.Helper()
	var problem strings.Builder
	c.Stderr = &problem
	err := c.Run()
	exit, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return false, ""
	case ok && exit.ExitCode() == refusedStatus:
		return true, ""
	}
	t.Fatalf("%v: %s", err, problem.String())
	return false, ""
}
