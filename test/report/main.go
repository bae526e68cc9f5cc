// Command report reads what `go test -json` wrote, shows the output of each failed test, and ends with the totals of all files:
//
//	tests: 812 passed, 0 failed, 3 skipped
//
// A package that fails without a failed test (it does not build, or its process died) counts as one failure. It judges nothing:
// whether a failure matters is for the caller to say, so its own status tells only whether the files could be read.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "report: %v\n", err)
		os.Exit(1)
	}
}

func run(files []string, w io.Writer) error {
	var t tally
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = t.read(f, w)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	_, err := fmt.Fprintf(w, "tests: %d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped)
	return err
}

// tally counts tests, subtests included.
type tally struct{ passed, failed, skipped int }

// action is the part of a test2json event that is used here; see `go doc test2json`.
type action struct {
	Action, Package, Test, Output string
}

// key is what output is kept under until its test or package has a verdict.
type key struct{ pkg, test string }

// read adds one file to the tally and writes the output of what failed to w. Lines that are no event, such as a compiler's
// messages, are written as they are.
func (t *tally) read(r io.Reader, w io.Writer) error {
	output := map[key]*strings.Builder{}
	failures := map[string]int{} // by package
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			t.line(line, output, failures, w)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (t *tally) line(line string, output map[key]*strings.Builder, failures map[string]int, w io.Writer) {
	var a action
	if json.Unmarshal([]byte(line), &a) != nil || a.Action == "" {
		fmt.Fprint(w, line)
		return
	}
	k := key{a.Package, a.Test}
	switch a.Action {
	case "build-output":
		fmt.Fprint(w, a.Output)
	case "output":
		if output[k] == nil {
			output[k] = new(strings.Builder)
		}
		output[k].WriteString(a.Output)
	case "pass", "skip":
		if a.Test != "" && a.Action == "pass" {
			t.passed++
		} else if a.Test != "" {
			t.skipped++
		}
		delete(output, k)
	case "fail":
		if a.Test != "" {
			failures[a.Package]++
		} else if failures[a.Package] > 0 {
			return // its tests have been counted and shown
		}
		t.failed++
		fmt.Fprintf(w, "FAIL %s %s\n", a.Package, a.Test)
		if b := output[k]; b != nil {
			fmt.Fprint(w, b.String())
		}
		delete(output, k)
	}
}
