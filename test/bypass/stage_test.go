//go:build linux

package bypass

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// stage is the place where the techniques of a group are tried: their environments, and the programs that try them.
type stage struct {
	group *group
	bin   string
	envs  map[string]*Env
}

// newStage makes a stage that everybody may enter, with nothing prepared.
func newStage(t *testing.T, g *group) *stage {
	dir, err := os.MkdirTemp("", "stockade-bypass-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s := &stage{group: g, bin: filepath.Join(dir, "bin"), envs: map[string]*Env{}}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range append([]string{"attacker"}, g.programs...) {
		if err := copyFile("/proc/self/exe", filepath.Join(s.bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	if g.start != nil {
		t.Cleanup(g.stop)
		if err := g.start(s.bin); err != nil {
			t.Fatal(err)
		}
	}
	for _, tech := range g.all() {
		e, err := newEnv(dir, s.bin, tech.name)
		if err != nil {
			t.Fatal(err)
		}
		s.envs[tech.name] = e
		t.Cleanup(func() {
			if err := e.undoAll(); err != nil {
				t.Errorf("clean up after %s: %v", tech.name, err)
			}
		})
	}
	return s
}

// control tries a technique without a guard, and says whether it works here.
func (s *stage) control(t *testing.T, tech technique, table *results) bool {
	e := s.envs[tech.name]
	for _, prepare := range []func(*Env) error{tech.before, tech.setup} {
		if prepare == nil {
			continue
		}
		if err := prepare(e); isLack(err) {
			table.set(s.group, tech, resultAbsent, err.Error())
			t.Skip(err)
		} else if err != nil {
			t.Fatal(err)
		}
	}
	o := attempt(s.group, tech, e)
	if err := e.undoAll(); err != nil {
		t.Errorf("clean up: %v", err)
	}
	switch {
	case o.done:
		table.set(s.group, tech, resultUnjudged, "")
		return true
	case o.Lacks:
		table.set(s.group, tech, resultAbsent, o.Text)
		t.Skip(o.Text)
	default:
		table.set(s.group, tech, resultBroken, o.Text)
		t.Errorf("without a guard it does not work either: %s", o.Text)
	}
	return false
}

// prepare does what has to be done before the guard starts.
func (s *stage) prepare(t *testing.T) {
	for _, tech := range s.group.all() {
		if tech.before == nil {
			continue
		}
		if err := tech.before(s.envs[tech.name]); err != nil && !isLack(err) {
			t.Fatalf("prepare %s: %v", tech.name, err)
		}
	}
}

// guarded tries a technique under the guard.
func (s *stage) guarded(t *testing.T, tech technique, table *results) {
	e := s.envs[tech.name]
	if tech.setup != nil {
		if err := tech.setup(e); err != nil {
			table.set(s.group, tech, resultBroken, err.Error())
			t.Fatalf("set up under the guard: %v", err)
		}
	}
	o := attempt(s.group, tech, e)
	r, text := judge(o)
	table.set(s.group, tech, r, text)
	if r == resultBroken {
		t.Errorf("neither done nor refused under the guard: %s", o.Text)
	}
	t.Logf("%s: %s", r, text)
	if err := e.undoAll(); err != nil {
		t.Errorf("clean up: %v", err)
	}
}

// judge names what came of an attempt under the guard.
func judge(o outcome) (result, string) {
	switch {
	case o.Killed:
		return resultKilled, o.Text
	case o.done:
		return resultOpen, ""
	case o.Refused:
		return resultPrevented, o.Text
	default:
		return resultBroken, o.Text
	}
}

// isLack reports whether this machine cannot do what was asked of it.
func isLack(err error) bool {
	var missing lacks
	return errors.As(err, &missing)
}
