package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/api"
	"github.com/stockade-security/stockade/internal/show"
)

func newEvents(g *globals) *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use:   "events --follow",
		Short: "Show what the running guard sees",
		Long: "Shows events from now on, until interrupted or until the guard stops. A reader that does not keep up is cut off,\n" +
			"and told so: this view has no gaps that it does not know of.",
		Example: "  sudo stockade events --follow\n  sudo stockade events --follow -o json | jq 'select(.violations)'",
		Args:    arguments(),
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "show events as they happen")
	format := outputFlag(c, show.Formats()...)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if !follow {
			return badUsage(c, &hinted{errors.New("events shows live events only"), "add --follow; past events are in the audit log"})
		}
		w, err := show.New(*format, c.OutOrStdout(), terminalOptions(c.OutOrStdout()))
		if err != nil {
			return err
		}
		client, err := g.dial()
		if err != nil {
			return err
		}
		defer client.Close()
		return followEvents(c, client, w)
	}
	return c
}

// followEvents copies live events to w until the command is interrupted or the guard stops.
func followEvents(c *cobra.Command, client *api.Client, w show.Writer) error {
	stream, err := client.Events(c.Context())
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	for {
		e, err := stream.Next()
		if err != nil {
			return errors.Join(w.Close(), endOfEvents(c, err))
		}
		if err := w.Write(e); err != nil {
			return fmt.Errorf("write events: %w", err)
		}
		if stream.Waiting() {
			continue
		}
		if err := w.Flush(); err != nil {
			return fmt.Errorf("write events: %w", err)
		}
	}
}

// endOfEvents returns nil for an end that somebody wanted.
func endOfEvents(c *cobra.Command, err error) error {
	switch {
	case c.Context().Err() != nil:
		return nil
	case errors.Is(err, io.EOF):
		c.PrintErrln("the guard stopped")
		return nil
	}
	return err
}
