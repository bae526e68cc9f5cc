package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/api"
)

func newStop(g *globals) *cobra.Command {
	var timeout time.Duration
	var release bool
	c := &cobra.Command{
		Use:   "stop",
		Short: "End the running guard and wait until it has ended",
		Long: "Ends the running guard and waits until it has ended. What the kernel refuses by its policy, it goes on to refuse; with\n" +
			"--release it stops that too, and nothing stays behind. That works also where no guard runs any more.",
		Example: "  sudo stockade stop\n  sudo stockade stop --release",
		Args:    arguments(),
	}
	c.Flags().BoolVar(&release, "release", false, "refuse nothing any more")
	c.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait")
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := g.dial()
		if release && errors.As(err, new(*api.DialError)) {
			p, err := g.paths()
			if err != nil {
				return err
			}
			return releaseLeft(p)
		}
		if err != nil {
			return err
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(c.Context(), timeout)
		defer cancel()
		err = client.Stop(ctx, release)
		if errors.Is(err, context.DeadlineExceeded) {
			return &hinted{err, "it was asked to stop and may still do so: see `stockade status`"}
		}
		return err
	}
	return c
}
