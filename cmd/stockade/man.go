package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the man pages into a directory",
		Long: "Writes one page per command, in section 8, into a directory that is made where it is missing. The pages carry the\n" +
			"date of SOURCE_DATE_EPOCH where that is set, so that packages can be reproduced.",
		Example: "  stockade man /usr/local/share/man/man8",
		Args:    arguments("DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("write man pages: %w", err)
			}
			root := c.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Title: "STOCKADE", Section: "8", Source: "Stockade", Manual: "Stockade Manual"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("write man pages: %w", err)
			}
			return nil
		},
	}
}
