package main

import (
	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/kernel/probe"
	"github.com/stockade-security/stockade/internal/show"
)

func newDoctor() *cobra.Command {
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this kernel can do for Stockade, and what to change",
		Long: "Tries each mechanism of the kernel that Stockade can use, and says which are there, why others are not, and what to\n" +
			"change. What it loads to find out lives for milliseconds and lets everything pass. As root it can try more.",
		Example: "  sudo stockade doctor\n  sudo stockade doctor -o json | jq '.mechanisms[] | select(.available | not)'",
		Args:    arguments(),
	}
	format := outputFlag(c, show.Table, show.JSON)
	c.RunE = func(c *cobra.Command, _ []string) error {
		report := probe.Run(c.Context())
		if *format == show.JSON {
			return report.WriteJSON(c.OutOrStdout())
		}
		return report.WriteTable(c.OutOrStdout())
	}
	return c
}
