package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/show"
	"github.com/stockade-security/stockade/policy"
)

func newPolicy() *cobra.Command {
	return newGroup(&cobra.Command{
		Use:     "policy",
		Short:   "Work with policy files",
		Example: "  stockade policy check policy.yaml",
	}, newPolicyCheck())
}

func newPolicyCheck() *cobra.Command {
	var strict bool
	c := &cobra.Command{
		Use:   "check FILE",
		Short: "Say everything that is wrong with a policy file",
		Long: "Reads a policy file as the guard would and names every problem at once, with its line. A file without problems may\n" +
			"still have warnings, for what this version does not act on and for what means something else than it used to;\n" +
			"with --strict they fail the check.",
		Example: "  stockade policy check /etc/stockade/policy.yaml\n  stockade policy check --strict policy.yaml   # in CI: exit code 2 on warnings",
		Args:    arguments("FILE"),
	}
	c.Flags().BoolVar(&strict, "strict", false, "fail, with exit code 2, on warnings too")
	c.RunE = func(c *cobra.Command, args []string) error { return checkPolicy(c, args[0], strict) }
	return c
}

func checkPolicy(c *cobra.Command, path string, strict bool) error {
	p, err := policy.Load(path)
	if problems := (*policy.Problems)(nil); errors.As(err, &problems) {
		return fmt.Errorf("%s in %s\n%w", count(len(problems.List), "problem"), show.Escape(path), err)
	}
	if err != nil {
		return err
	}
	warnings := p.Warnings()
	for _, w := range warnings {
		c.PrintErrln("warning:", w.String())
	}
	if strict && len(warnings) > 0 {
		return &codeError{code: exitUsage, err: fmt.Errorf("%s in %s", count(len(warnings), "warning"), show.Escape(path))}
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s is valid: %s, %s, digest %s\n",
		show.Escape(path), count(len(p.Processes), "process entry"), count(len(warnings), "warning"), p.Digest())
	return err
}

// count writes a number with its noun: 1 problem, 2 problems, 3 entries.
func count(n int, noun string) string {
	switch last := len(noun) - 1; {
	case n == 1:
	case noun[last] == 'y':
		noun = noun[:last] + "ies"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
