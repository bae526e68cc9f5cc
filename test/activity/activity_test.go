//go:build linux

// Package activity proves the sensors: for every kind of event a small program does the thing in a test cgroup, and the
// guard, limited to that cgroup, must see it exactly once with the right fields. The same program run outside of the
// cgroup must not be seen at all. It needs root, BTF and a cgroup v2 tree.
package activity

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stockade-security/stockade/event"
)

// facts is what an activity tells about what it did: inode numbers, ports, pids.
type facts map[string]string

// activity does one thing and says what should be seen of it.
type activity struct {
	name string
	kind event.Kind
	// do runs in a process of its own, with an empty directory to work in.
	do func(dir string) (facts, error)
	// want lists partial events: each must be seen exactly once, comparing the fields that are set here.
	want func(dir string, f facts) []event.Event
	// none lists partial events that must not be seen at all; nil: none.
	none func(dir string, f facts) []event.Event
	// skip says why this host cannot do it, if so; it must not depend on the guard.
	skip func() string
	// alone: it cannot be done twice at the same time.
	alone bool
}

// activities lists them all, by family.
func activities() []activity {
	var all []activity
	for _, family := range [][]activity{processActivities(), scriptActivities(), fileActivities(), systemActivities(), networkActivities(), libraryActivities(), syscallActivities()} {
		all = append(all, family...)
	}
	return all
}

const (
	envActivity = "STOCKADE_TEST_ACTIVITY"
	envDir      = "STOCKADE_TEST_DIR"
)

// TestMain runs one activity when it is started again as a child, and the tests otherwise.
func TestMain(m *testing.M) {
	name := os.Getenv(envActivity)
	if name == "" {
		os.Exit(m.Run())
	}
	if err := perform(name, os.Getenv(envDir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func perform(name, dir string) error {
	for _, a := range activities() {
		if a.name != name {
			continue
		}
		f, err := a.do(dir)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return json.NewEncoder(os.Stdout).Encode(f)
	}
	return errors.New("no activity " + name)
}
