package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/show"
	"github.com/stockade-security/stockade/internal/trial"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

func newPolicyTest() *cobra.Command {
	var report string
	var verbose bool
	c := &cobra.Command{
		Use:   "test FILE [CASES...]",
		Short: "Hold a policy to cases of what it is to decide",
		Long: "Reads cases from files of YAML, without any from the one beside the policy: policy_test.yaml for policy.yaml. Each\n" +
			"case says who acts, what is done, and what is expected; rule and subject may be left out:\n\n" +
			"    cases:\n" +
			"      - name: the web server leaves passwords alone\n" +
			"        given: nginx               # an entry, or /usr/sbin/nginx,user=www-data,unit=nginx.service<-/bin/sh\n" +
			"        when: [r /etc/shadow, \"connect 10.0.0.1:443/tcp\"]\n" +
			"        expect: deny               # allow, deny or undecided\n" +
			"        rule: policy.yaml:9        # or how the rule is written, or its line, or none\n" +
			"        subject: nginx             # the entry that claims the task\n\n" +
			"The accesses are as in `stockade help policy explain`. It needs no privileges and asks no kernel.",
		Example: "  stockade policy test policy.yaml\n  stockade policy test --junit report.xml policy.yaml cases/*.yaml",
		Args:    atLeast("FILE"),
	}
	c.Flags().StringVar(&report, "junit", "", "write the results to `REPORT`, as JUnit XML")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "name each case that holds too")
	c.RunE = func(c *cobra.Command, args []string) error {
		_, img, err := loadPolicy(args[0])
		if err != nil {
			return err
		}
		files := args[1:]
		if len(files) == 0 {
			files = []string{besides(args[0])}
		}
		suites, err := runCases(img, files)
		if err != nil {
			return err
		}
		if report != "" {
			var text bytes.Buffer
			if err := errors.Join(trial.WriteJUnit(&text, suites), replaceFile(report, text.Bytes(), 0o644)); err != nil {
				return err
			}
		}
		return writeResults(c.OutOrStdout(), suites, verbose)
	}
	return c
}

// atLeast takes the named argument and more of any number.
func atLeast(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%s is missing", name)
		}
		return nil
	}
}

// besides is the file of cases beside a policy.
func besides(path string) string {
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + "_test" + ext
}

func runCases(img *compile.Image, files []string) ([]trial.Suite, error) {
	suites := make([]trial.Suite, len(files))
	for i, name := range files {
		start := time.Now()
		cases, err := policy.LoadCases(name)
		if err != nil {
			return nil, countProblems(name, err)
		}
		suites[i] = trial.Suite{Name: name, Results: trial.Run(img, cases.Cases)}
		suites[i].Took = time.Since(start)
	}
	return suites, nil
}

// writeResults writes what does not hold, and how many there are.
func writeResults(w io.Writer, suites []trial.Suite, verbose bool) error {
	var out bytes.Buffer
	all, failed := 0, 0
	var took time.Duration
	for _, s := range suites {
		took += s.Took
		for i := range s.Results {
			all++
			if writeResult(&out, &s.Results[i], verbose) {
				failed++
			}
		}
	}
	fmt.Fprintf(&out, "%s, %d failed, in %s\n", count(all, "access"), failed, took.Round(100*time.Microsecond))
	if _, err := w.Write(out.Bytes()); err != nil {
		return err
	}
	if failed > 0 {
		return &codeError{code: exitError, err: fmt.Errorf("%d of %s did not come out as expected", failed, count(all, "access"))}
	}
	return nil
}

func writeResult(out *bytes.Buffer, r *trial.Result, verbose bool) (failed bool) {
	mismatches := r.Mismatches()
	switch {
	case len(mismatches) > 0:
		fmt.Fprintf(out, "FAIL %s %s\n", show.Escape(r.Access.Pos.String()), show.Escape(r.Title()))
	case verbose:
		fmt.Fprintf(out, "ok   %s %s\n", show.Escape(r.Access.Pos.String()), show.Escape(r.Title()))
	}
	for _, m := range mismatches {
		fmt.Fprintf(out, "  - %s: %s\n  + %s: %s\n", m.What, show.Escape(m.Want), m.What, show.Escape(m.Got))
	}
	if len(mismatches) > 0 && r.Answer.Detail != "" {
		fmt.Fprintf(out, "    %s\n", show.Escape(strings.TrimSpace(r.Answer.Position+" "+r.Answer.Detail)))
	}
	return len(mismatches) > 0
}
