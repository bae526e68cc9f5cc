package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/kernel/probe"
	"github.com/stockade-security/stockade/internal/show"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/policy/enforce"
)

type checkFlags struct {
	strict bool
	kernel string
	format *show.Format
}

func newPolicyCheck() *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use:   "check FILE",
		Short: "Say everything that is wrong with a policy file, and what this kernel can do about each rule",
		Long: "Reads a policy file as the guard would and names every problem at once, with its line. A file without problems may\n" +
			"still have warnings; with --strict they fail the check. For each rule it says the best that this kernel can do about\n" +
			"an access that breaks it: prevent it, kill the task that did it, observe it, or none of these, and why nothing\n" +
			"better. A question mark means that a mechanism could not be tried, as without root. Rules prevent in enforce mode\n" +
			"alone; this version of the guard prevents by LSM and cgroup programs, and by nothing else yet.",
		Example: "  sudo stockade policy check /etc/stockade/policy.yaml\n" +
			"  stockade policy check --strict policy.yaml   # in CI: exit code 2 on warnings\n" +
			"  stockade policy check --kernel facts.json policy.yaml   # for the machine where `stockade doctor -o json` wrote the file",
		Args: arguments("FILE"),
	}
	c.Flags().BoolVar(&f.strict, "strict", false, "fail, with exit code 2, on warnings too")
	c.Flags().StringVar(&f.kernel, "kernel", "", "judge for the kernel of `FACTS`, a file that doctor -o json wrote, instead of this one")
	f.format = outputFlag(c, show.Table, show.JSON)
	c.RunE = func(c *cobra.Command, args []string) error { return checkPolicy(c, args[0], f) }
	return c
}

// checked is what policy check finds.
type checked struct {
	File     string           `json:"file"`
	Valid    bool             `json:"valid"`
	Digest   string           `json:"digest,omitempty"`
	Problems []policy.Problem `json:"problems"`
	Warnings []policy.Warning `json:"warnings"`
	// Kernel is the release that the abilities of Rules are of.
	Kernel string         `json:"kernel,omitempty"`
	Rules  []enforce.Rule `json:"rules"`
}

func checkPolicy(c *cobra.Command, path string, f checkFlags) error {
	p, err := policy.Load(path)
	problems := (*policy.Problems)(nil)
	switch {
	case errors.As(err, &problems) && *f.format == show.JSON:
		refused := checked{File: path, Problems: problems.List, Warnings: []policy.Warning{}, Rules: []enforce.Rule{}}
		return errors.Join(show.Document(c.OutOrStdout(), refused), &codeError{code: exitError})
	case err != nil:
		return countProblems(path, err)
	}
	if _, err := compile.Compile(p); err != nil {
		return fmt.Errorf("compile %s: %w", show.Escape(path), err)
	}
	facts, err := kernelFacts(c.Context(), f.kernel)
	if err != nil {
		return err
	}
	result := checked{
		File: path, Valid: true, Digest: p.Digest(), Problems: []policy.Problem{}, Warnings: append([]policy.Warning{}, p.Warnings()...),
		Kernel: facts.Kernel, Rules: append([]enforce.Rule{}, enforce.Judge(p, mechanisms(facts))...),
	}
	var refused error
	if f.strict && len(result.Warnings) > 0 {
		refused = &codeError{code: exitUsage, err: fmt.Errorf("%s in %s", count(len(result.Warnings), "warning"), show.Escape(path))}
	}
	if *f.format == show.JSON {
		return errors.Join(show.Document(c.OutOrStdout(), result), refused)
	}
	for _, w := range result.Warnings {
		c.PrintErrln("warning:", w.String())
	}
	if refused != nil {
		return refused
	}
	return writeChecked(c.OutOrStdout(), len(p.Processes), result)
}

// kernelFacts reads the report at path, or without one tries this kernel.
func kernelFacts(ctx context.Context, path string) (probe.Report, error) {
	if path == "" {
		return probe.Run(ctx), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return probe.Report{}, fmt.Errorf("read kernel facts: %w", err)
	}
	defer f.Close()
	report, err := probe.ReadReport(f)
	if err != nil {
		return report, &hinted{fmt.Errorf("%s: %w", show.Escape(path), err), "on that machine, run `sudo stockade doctor -o json > facts.json`"}
	}
	return report, nil
}

func mechanisms(r probe.Report) enforce.Kernel {
	k := make(enforce.Kernel, len(r.Mechanisms))
	for _, m := range r.Mechanisms {
		k[m.Name] = enforce.Mechanism{Available: m.Available, Unknown: m.Unknown, Reason: m.Reason}
	}
	k["cap_capable"] = enforce.Mechanism{Available: notBefore(r.Kernel, 6, 14), Reason: "kernels have this tracepoint from 6.14 on"}
	return k
}

// notBefore compares the beginning of a kernel's release.
func notBefore(release string, major, minor int) bool {
	var gotMajor, gotMinor int
	if _, err := fmt.Sscanf(release, "%d.%d", &gotMajor, &gotMinor); err != nil {
		return false
	}
	return gotMajor > major || gotMajor == major && gotMinor >= minor
}

func writeChecked(out io.Writer, entries int, result checked) error {
	if _, err := fmt.Fprintf(out, "%s is valid: %s, %s, digest %s\n",
		show.Escape(result.File), count(entries, "process entry"), count(len(result.Warnings), "warning"), result.Digest); err != nil {
		return err
	}
	if len(result.Rules) == 0 {
		return nil
	}
	return writeAbilities(out, result.Kernel, result.Rules)
}

// writeAbilities writes a row for neighbouring rules of one key with one answer, and each reason once, below.
func writeAbilities(w io.Writer, kernel string, rules []enforce.Rule) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "\nSUBJECT\tKEY\tLINES\tKERNEL CAN\tBY\n")
	var reasons []string
	for len(rules) > 0 {
		n := 1
		for n < len(rules) && sameAnswer(rules[0], rules[n]) {
			n++
		}
		r := rules[0]
		how := r.How
		if r.Why != "" {
			if !slices.Contains(reasons, r.Why) {
				reasons = append(reasons, r.Why)
			}
			how = strings.TrimSpace(fmt.Sprintf("%s [%d]", how, slices.Index(reasons, r.Why)+1))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", show.Escape(r.Subject), r.Key, lines(rules[:n]), ability(r), show.Escape(how))
		rules = rules[n:]
	}
	if err := t.Flush(); err != nil || len(reasons) == 0 {
		return err
	}
	text := fmt.Sprintf("\nWhy not more on kernel %s:\n", show.Escape(kernel))
	for i, reason := range reasons {
		text += fmt.Sprintf("[%d] %s\n", i+1, show.Escape(reason))
	}
	_, err := io.WriteString(w, text)
	return err
}

func sameAnswer(a, b enforce.Rule) bool {
	return a.Subject == b.Subject && a.Key == b.Key && a.Ability == b.Ability && a.Unknown == b.Unknown && a.How == b.How && a.Why == b.Why
}

// lines writes line numbers, runs of them as first-last.
func lines(rules []enforce.Rule) string {
	var parts []string
	for i := 0; i < len(rules); {
		first, last := rules[i].Line, rules[i].Line
		for i++; i < len(rules) && (rules[i].Line == last || rules[i].Line == last+1); i++ {
			last = rules[i].Line
		}
		part := strconv.Itoa(first)
		if last > first {
			part += "-" + strconv.Itoa(last)
		}
		parts = append(parts, part)
	}
	const most = 6
	if len(parts) > most {
		parts = append(parts[:most], fmt.Sprintf("and %d more", len(parts)-most))
	}
	return strings.Join(parts, ",")
}

// ability is what is certain, with a question mark if there may be more.
func ability(r enforce.Rule) string {
	switch {
	case r.Unknown && r.Ability == enforce.Unsupported:
		return "unknown"
	case r.Unknown:
		return string(r.Ability) + "?"
	}
	return string(r.Ability)
}
