package main

import (
	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/policy"
)

func newPolicySchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of policy files, for editors",
		Long: "Editors with a YAML language server complete and check a policy whose first line is\n" +
			"# yaml-language-server: $schema=policy.schema.json",
		Example: "  stockade policy schema > policy.schema.json",
		Args:    arguments(),
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := c.OutOrStdout().Write(policy.Schema())
			return err
		},
	}
}
