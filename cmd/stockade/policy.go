package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/show"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

func newPolicy() *cobra.Command {
	return newGroup(&cobra.Command{
		Use:     "policy",
		Short:   "Work with policy files",
		Example: "  stockade policy check policy.yaml",
	}, newPolicyCheck(), newPolicyTest(), newPolicyExplain(), newPolicyDiff(), newPolicyFmt(), newPolicyCompile(), newPolicySchema())
}

// loadPolicy reads a policy and compiles it. The error says how many problems there are, and each.
func loadPolicy(path string) (*policy.Policy, *compile.Image, error) {
	p, err := policy.Load(path)
	if err != nil {
		return nil, nil, countProblems(path, err)
	}
	img, err := compile.Compile(p)
	if err != nil {
		return nil, nil, fmt.Errorf("compile %s: %w", show.Escape(path), err)
	}
	return p, img, nil
}

// countProblems puts the number of problems before them; other errors stay as they are.
func countProblems(path string, err error) error {
	if problems := (*policy.Problems)(nil); errors.As(err, &problems) {
		return fmt.Errorf("%s in %s\n%w", count(len(problems.List), "problem"), show.Escape(path), err)
	}
	return err
}

// count writes a number with its noun: 1 problem, 2 problems, 3 entries, 4 accesses.
func count(n int, noun string) string {
	switch last := len(noun) - 1; {
	case n == 1:
	case noun[last] == 'y':
		noun = noun[:last] + "ies"
	case noun[last] == 's':
		noun += "es"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
