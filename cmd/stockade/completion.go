package main

import (
	"io"

	"github.com/spf13/cobra"
)

func newCompletion() *cobra.Command {
	shell := func(name, example string, write func(*cobra.Command, io.Writer) error) *cobra.Command {
		return &cobra.Command{
			Use:     name,
			Short:   "Write the completion script for " + name,
			Example: "  " + example,
			Args:    arguments(),
			RunE: func(c *cobra.Command, _ []string) error {
				return write(c.Root(), c.OutOrStdout())
			},
		}
	}
	return newGroup(&cobra.Command{
		Use:     "completion",
		Short:   "Write a script that completes commands in a shell",
		Example: "  source <(stockade completion bash)",
	},
		shell("bash", "stockade completion bash > /etc/bash_completion.d/stockade", func(root *cobra.Command, w io.Writer) error {
			return root.GenBashCompletionV2(w, true)
		}),
		shell("zsh", "stockade completion zsh > /usr/local/share/zsh/site-functions/_stockade", (*cobra.Command).GenZshCompletion),
		shell("fish", "stockade completion fish > ~/.config/fish/completions/stockade.fish", func(root *cobra.Command, w io.Writer) error {
			return root.GenFishCompletion(w, true)
		}),
	)
}
