package limits

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// cgroups writes limits and remembers what was there before.
type cgroups struct {
	root, state string
	log         *slog.Logger
	settings    []*setting
}

// setting is a file of a cgroup that has been written. The state file holds it from before that on.
type setting struct {
	Cgroup string `json:"cgroup"`
	// ID is the directory's inode number: a cgroup that is made anew starts without limits.
	ID   uint64 `json:"id"`
	File string `json:"file"`
	// Previous is what to put back; Replaced what Written stood or will stand in the place of.
	Previous string `json:"previous"`
	Replaced string `json:"replaced"`
	Written  string `json:"written"`

	wanted bool // since the last sweep
}

func (c *cgroups) path(cgroup, file string) string { return filepath.Join(c.root, cgroup, file) }

// hold sees to it that a cgroup is limited. Where somebody else has limited it as much, nothing is written.
func (c *cgroups) hold(cgroup string, r resource, limit uint32) error {
	name := c.path(cgroup, r.file)
	current, err := read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s has no %s: its controller is not on there", cgroup, r.file)
	}
	if err != nil {
		return err
	}
	id := directoryID(filepath.Dir(name))
	i := slices.IndexFunc(c.settings, func(s *setting) bool { return s.Cgroup == cgroup && s.File == r.file })
	previous, known := current, i >= 0 && c.settings[i].ID == id
	// What others have written meanwhile, such as systemd when it reloads its units, is the new previous value.
	if known && (current == c.settings[i].Written || current == c.settings[i].Replaced) {
		previous = c.settings[i].Previous
	}
	want := r.text(limit)
	if r.within(previous, limit) {
		want = previous
	}
	if i < 0 {
		if want == current {
			return nil
		}
		c.settings = append(c.settings, &setting{Cgroup: cgroup, File: r.file})
		i = len(c.settings) - 1
	}
	s := c.settings[i]
	s.wanted = true
	if known && want == current && want == s.Written && previous == s.Previous {
		return nil
	}
	s.ID, s.Previous, s.Replaced, s.Written = id, previous, current, want
	if err := c.save(); err != nil {
		s.wanted = false
		return err
	}
	if err := write(name, want); err != nil {
		s.wanted = false
		return err
	}
	return nil
}

// sweep puts back what nobody has held since the last sweep.
func (c *cgroups) sweep() error {
	var kept []*setting
	var errs []error
	for _, s := range c.settings {
		if s.wanted {
			s.wanted = false
			kept = append(kept, s)
		} else if err := c.restore(s); err != nil {
			kept = append(kept, s)
			errs = append(errs, err)
		}
	}
	if len(kept) != len(c.settings) {
		c.settings = kept
		errs = append(errs, c.save())
	}
	return errors.Join(errs...)
}

// restore puts a value back, unless the cgroup has gone or somebody else has written.
func (c *cgroups) restore(s *setting) error {
	name := c.path(s.Cgroup, s.File)
	current, err := read(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && directoryID(filepath.Dir(name)) != s.ID:
		return nil
	case err != nil:
		return err
	case current == s.Previous:
		return nil
	case current != s.Written && current != s.Replaced:
		c.log.Warn("a limit is not put back, because somebody else has set it", "cgroup", s.Cgroup, "file", s.File, "is", current, "was", s.Previous)
		return nil
	}
	return write(name, s.Previous)
}

// recover puts back what a run before has left.
func (c *cgroups) recover() error {
	if c.state == "" {
		return nil
	}
	text, err := os.ReadFile(c.state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if c.settings, err = parseState(text); err != nil {
		return fmt.Errorf("%s: %w", c.state, err)
	}
	return c.sweep()
}

// parseState refuses what would lead out of the cgroup tree.
func parseState(text []byte) ([]*setting, error) {
	var list []*setting
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, err
	}
	for _, s := range list {
		known := s != nil && slices.ContainsFunc(resources[:], func(r resource) bool { return r.file == s.File })
		if !known || !strings.HasPrefix(s.Cgroup, "/") || !filepath.IsLocal(s.Cgroup[1:]) {
			return nil, errors.New("it names no limit of a cgroup")
		}
	}
	return list, nil
}

// save makes the state file say what settings do, whatever happens meanwhile.
func (c *cgroups) save() error {
	if len(c.settings) == 0 {
		if err := os.Remove(c.state); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.Marshal(c.settings)
	if err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(c.state), filepath.Base(c.state)+".*")
	if err != nil {
		return err
	}
	_, err = fresh.Write(text)
	if err = errors.Join(err, fresh.Sync(), fresh.Close()); err == nil {
		err = os.Rename(fresh.Name(), c.state)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh.Name()))
	}
	return nil
}

func read(name string) (string, error) {
	text, err := os.ReadFile(name)
	return strings.TrimSuffix(string(text), "\n"), err
}

// write never creates: a cgroup that has gone stays gone.
func write(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// counter reads one number of a file of numbers by name, 0 if it is not there.
func counter(name, key string) uint64 {
	text, _ := read(name)
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, key+" "); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(rest), 10, 64)
			return n
		}
	}
	return 0
}
