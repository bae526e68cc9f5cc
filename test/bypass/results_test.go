//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// result is what came of a technique, from worst to best.
type result int

const (
	resultBroken    result = iota // neither done nor refused
	resultOpen                    // the forbidden thing was done
	resultAbsent                  // this machine cannot do it, whoever asks
	resultUnjudged                // it works without a guard, and no guard was there
	resultKilled                  // it was tried, and cost the attacker his life
	resultPrevented               // it was refused
)

var resultNames = map[result]string{
	resultBroken: "broken", resultOpen: "open", resultAbsent: "n/a", resultUnjudged: "unjudged",
	resultKilled: "killed", resultPrevented: "prevented",
}

func (r result) String() string { return resultNames[r] }

// line is one technique's.
type line struct {
	control, name string
	result        result
	why           string // for people; not part of a baseline
}

// results are lines in the order of the groups.
type results []line

// set notes a result, over an earlier one of the same technique. What tries the guard itself is no technique.
func (r *results) set(g *group, tech technique, res result, why string) {
	if !slices.ContainsFunc(g.techniques, func(t technique) bool { return t.name == tech.name }) {
		return
	}
	for i, l := range *r {
		if l.control == g.control && l.name == tech.name {
			(*r)[i].result, (*r)[i].why = res, why
			return
		}
	}
	*r = append(*r, line{g.control, tech.name, res, why})
}

func (r results) String() string {
	var b strings.Builder
	for _, l := range r {
		fmt.Fprintf(&b, "%-9s %-50s %-9s %s\n", l.control, l.name, l.result, l.why)
	}
	return b.String()
}

const baselineHead = "# control, technique, result: what test/bypass found. Written by UPDATE_GOLDEN=1 test/vm/suite.sh SERIES.\n"

// baseline is the results as they are committed.
func (r results) baseline() string {
	var b strings.Builder
	b.WriteString(baselineHead)
	for _, l := range r {
		fmt.Fprintf(&b, "%s\t%s\t%s\n", l.control, l.name, l.result)
	}
	return b.String()
}

// readBaseline reads the results of a kernel series as they are committed.
func readBaseline(text string) (results, error) {
	var r results
	for text := range strings.Lines(text) {
		if strings.HasPrefix(text, "#") {
			continue
		}
		cells := strings.Split(strings.TrimSuffix(text, "\n"), "\t")
		if len(cells) != 3 {
			return nil, fmt.Errorf("want control, technique and result between tabs: %q", text)
		}
		l := line{control: cells[0], name: cells[1], result: -1}
		for res, name := range resultNames {
			if name == cells[2] {
				l.result = res
			}
		}
		if l.result < 0 {
			return nil, fmt.Errorf("no such result: %q", text)
		}
		r = append(r, l)
	}
	return r, nil
}

// compare says what became worse than it was, and what better. A technique that was never judged may be anything but open.
func compare(was, is results) (worse, better []string) {
	before := map[string]result{}
	for _, l := range was {
		before[l.control+"/"+l.name] = l.result
	}
	for _, l := range is {
		old, known := before[l.control+"/"+l.name]
		switch {
		case !known:
			worse = append(worse, fmt.Sprintf("%s/%s is new: %s", l.control, l.name, l.result))
		case l.result < old:
			worse = append(worse, fmt.Sprintf("%s/%s was %s, is %s: %s", l.control, l.name, old, l.result, l.why))
		case l.result > old:
			better = append(better, fmt.Sprintf("%s/%s was %s, is %s", l.control, l.name, old, l.result))
		}
	}
	return worse, better
}

// publish compares the results with the committed ones of the kernel series that STOCKADE_TEST_SERIES names, and leaves
// them as a file in the folder that STOCKADE_TEST_RESULTS names.
func publish(t *testing.T, is results) {
	series := os.Getenv("STOCKADE_TEST_SERIES")
	judged := slices.ContainsFunc(is, func(l line) bool { return l.result != resultUnjudged && l.result != resultAbsent })
	if series == "" || !judged {
		return
	}
	name := "results-" + series + ".txt"
	if dir := os.Getenv("STOCKADE_TEST_RESULTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(is.baseline()), 0o644); err != nil {
			t.Error(err)
		}
	}
	if os.Getenv("UPDATE_GOLDEN") != "" {
		return // suite.sh fetches the file
	}
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if errors.Is(err, os.ErrNotExist) {
		t.Logf("there is no testdata/%s to compare with: UPDATE_GOLDEN=1 makes it", name)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	was, err := readBaseline(string(text))
	if err != nil {
		t.Fatal(err)
	}
	worse, better := compare(was, is)
	for _, w := range worse {
		t.Errorf("worse than in testdata/%s: %s", name, w)
	}
	for _, b := range better {
		t.Logf("better than in testdata/%s, which UPDATE_GOLDEN=1 brings up to date: %s", name, b)
	}
}

// TestCompare: a comparison that finds nothing worse would make the suite worthless.
func TestCompare(t *testing.T) {
	is := func(r result) results { return results{{control: "file", name: "a link", result: r}} }
	for _, c := range []struct {
		was, is       results
		worse, better int
	}{
		{is(resultPrevented), is(resultPrevented), 0, 0},
		{is(resultPrevented), is(resultOpen), 1, 0},
		{is(resultPrevented), is(resultKilled), 1, 0},
		{is(resultPrevented), is(resultAbsent), 1, 0},
		{is(resultAbsent), is(resultOpen), 1, 0},
		{is(resultOpen), is(resultBroken), 1, 0},
		{is(resultOpen), is(resultPrevented), 0, 1},
		{nil, is(resultPrevented), 1, 0},
	} {
		read, err := readBaseline(c.was.baseline())
		if err != nil {
			t.Fatal(err)
		}
		worse, better := compare(read, c.is)
		if len(worse) != c.worse || len(better) != c.better {
			t.Errorf("%v, then %v: worse %q, better %q", c.was, c.is, worse, better)
		}
	}
	for _, text := range []string{"file\ta link\n", "file\ta link\tfine\n"} {
		if r, err := readBaseline(text); err == nil {
			t.Errorf("%q is read as %v", text, r)
		}
	}
}
