package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

func newApply(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "apply FILE",
		Short: "Put a policy in force in the running guard",
		Long: "Checks the policy file, and has the running guard judge by it from then on, for all tasks at once. What is in enforce\n" +
			"mode is refused by the kernel, also after the guard has ended. Whoever applies a policy is not refused anything in\n" +
			"the session that he does it in, unless the policy says break_glass: none. If a step fails, the policy before stays\n" +
			"in force, and the error names the step.",
		Example: "  sudo stockade apply /etc/stockade/policy.yaml",
		Args:    arguments("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := policy.Load(args[0])
			if err != nil {
				return countProblems(args[0], err)
			}
			if _, err := compile.Compile(p); err != nil {
				return err
			}
			client, err := g.dial()
			if err != nil {
				return err
			}
			defer client.Close()
			s, err := client.Apply(c.Context(), absolute(args[0]), p.Digest())
			if err != nil {
				return err
			}
			return writeStatus(c.ErrOrStderr(), s, time.Now())
		},
	}
}
