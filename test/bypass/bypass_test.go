//go:build linux

// Package bypass tries the known ways round each control of the guard. A technique is a small function that does by a
// detour what the policy forbids. It runs twice, as a program of its own: without a guard, where it must succeed, or else it
// proves nothing; and under a guard that enforces a policy. What came of the second run stands in testdata/results-SERIES.txt
// for each kernel series, and may get better but not worse. docs/threat-model.md explains each result that is not
// "prevented".
//
// A guard enforces on the whole machine. So the second run takes place only where STOCKADE_TEST_BINARY names a stockade
// binary, as test/vm/suite.sh does in its guests. All of it needs root.
package bypass

import (
	"fmt"
	"os"
	"slices"
	"testing"
)

// technique is one way round a rule.
type technique struct {
	// name is its line in the table, unique in its group.
	name string
	// as is the program that tries it, one of its group's; "" is attacker.
	as string
	// before prepares what has to be there before the guard starts, and setup what comes after that. Both run as the test
	// itself, which no rule means; what they leave behind goes to Env.undo.
	before, setup func(*Env) error
	// attempt runs in a process of its own. It returns nil if it did what is forbidden, and else how it was refused; or
	// its process becomes one that prints Env.Token alone on a line.
	attempt func(*Env) error
	// then is what a program does that the attempt starts with again or become; it returns what attempt would.
	then func(*Env) error
	// effect, if there is one, looks at what the attempt left behind, as the test itself, and returns nil if the forbidden
	// thing was done. Then that counts, and not what the attempt said.
	effect func(*Env) error
	// after undoes what the attempt did to more than its own directories, whether it did it or not. It runs as the test.
	after func(*Env) error
}

// group is the techniques against one control, which are tried under one policy.
type group struct {
	control string
	// policy is the text of the file that forbids what all of them do; envs are those of the techniques, by name.
	policy func(bin string, envs map[string]*Env) string
	// programs are copies of the test binary, beside attacker, for the policy to tell apart by their paths in bin.
	programs []string
	// start prepares what all of them need, and stop ends that; within starts an attempt where it belongs. nil: nothing, here.
	start  func(bin string) error
	stop   func()
	within func(start func() error) error
	// direct does the forbidden thing without any detour: while it can, the guard is not in force.
	direct technique
	// fair do what is allowed and near by: a guard that refuses it refuses too much.
	fair       []technique
	techniques []technique
}

// groups lists them all.
func groups() []group {
	return []group{fileGroup(), execGroup(), networkGroup("network", false), networkGroup("peers", true), processGroup(), privilegeGroup(), kernelGroup(), syscallGroup(), stormGroup(), guardGroup()}
}

const (
	envTechnique = "STOCKADE_BYPASS_TECHNIQUE" // CONTROL/NAME
	envEnv       = "STOCKADE_BYPASS_ENV"
	envThen      = "STOCKADE_BYPASS_THEN" // set for the second part of an attempt
)

// TestMain makes one attempt when it is started again as an attacker, and runs the tests otherwise.
func TestMain(m *testing.M) {
	name := os.Getenv(envTechnique)
	if name == "" {
		os.Exit(m.Run())
	}
	if err := perform(name, os.Getenv(envEnv)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// all is the techniques of a group with the two that try the guard.
func (g *group) all() []technique {
	return slices.Concat([]technique{g.direct}, g.fair, g.techniques)
}

func find(name string) (technique, error) {
	for _, g := range groups() {
		for _, t := range g.all() {
			if g.control+"/"+t.name == name {
				return t, nil
			}
		}
	}
	return technique{}, fmt.Errorf("no technique %s", name)
}

// TestBypass is the suite: a group is tried without a guard, and then under one.
func TestBypass(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: most techniques do, and so does a guard")
	}
	if os.Getenv(envBinary) == "" && os.Getenv("STOCKADE_BYPASS") == "" {
		t.Skip("is run by make bypass, in guests; set STOCKADE_BYPASS=1 to try the ways here, without a guard")
	}
	var table results
	for _, g := range groups() {
		t.Run(g.control, func(t *testing.T) { tryGroup(t, &g, &table) })
	}
	t.Logf("technique and result:\n%s", table)
	publish(t, table)
}

func tryGroup(t *testing.T, g *group, table *results) {
	able := map[string]bool{}
	t.Run("control", func(t *testing.T) {
		s := newStage(t, g)
		for _, tech := range g.all() {
			t.Run(tech.name, func(t *testing.T) { able[tech.name] = s.control(t, tech, table) })
		}
	})
	t.Run("guard", func(t *testing.T) {
		binary := os.Getenv(envBinary)
		if binary == "" {
			t.Skipf("%s names no stockade binary: a guard enforces on the whole machine, so it is tried in guests only", envBinary)
		}
		if os.Getenv("STOCKADE_TEST_RUNG") == "tracepoint" {
			t.Skip("the tracepoint rung refuses nothing")
		}
		s := newStage(t, g)
		s.prepare(t)
		s.enforce(t, binary)
		for _, tech := range g.techniques {
			if able[tech.name] {
				t.Run(tech.name, func(t *testing.T) { s.guarded(t, tech, table) })
			}
		}
	})
}
