package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/policy"
)

// modePolicy is the word for the modes that the policy has itself.
const modePolicy = "policy"

func newMode(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "mode [audit|alert|enforce|policy]",
		Short: "Show the running guard's mode, or change it",
		Long: "Changes what is done about what the policy does not allow: audit records it, alert also raises it, enforce refuses it.\n" +
			"The mode holds for every entry, until another is set; policy gives each entry its own back.",
		Example: "  sudo stockade mode\n  sudo stockade mode audit   # refuse nothing from now on",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			mode := policy.Mode("")
			if len(args) > 0 && args[0] != modePolicy {
				var err error
				if mode, err = policy.ParseMode(args[0]); err != nil {
					return &hinted{&codeError{code: exitUsage, err: err}, "or say " + modePolicy + ", for the policy's own"}
				}
			}
			client, err := g.dial()
			if err != nil {
				return err
			}
			defer client.Close()
			if len(args) == 0 {
				s, err := client.Status(c.Context())
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(c.OutOrStdout(), s.Mode)
				return err
			}
			_, err = client.SetMode(c.Context(), mode)
			return err
		},
	}
}
