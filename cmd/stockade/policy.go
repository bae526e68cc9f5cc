package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newPolicy() *cobra.Command {
	return newGroup(&cobra.Command{
		Use:     "policy",
		Short:   "Work with policy files",
		Example: "  stockade policy check policy.yaml",
	}, newPolicyCheck())
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
