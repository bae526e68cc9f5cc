package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
)

func newStop(g *globals) *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:     "stop",
		Short:   "End the running guard and wait until it has ended",
		Example: "  sudo stockade stop",
		Args:    arguments(),
	}
	c.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait")
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := g.dial()
		if err != nil {
			return err
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(c.Context(), timeout)
		defer cancel()
		err = client.Stop(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return &hinted{err, "it was asked to stop and may still do so: see `stockade status`"}
		}
		return err
	}
	return c
}
