package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/api"
	"github.com/stockade-security/stockade/internal/show"
)

func newSensor(g *globals) *cobra.Command {
	list := &cobra.Command{
		Use:   "list",
		Short: "List the sensors and how each observes",
		Long: "Lists the sensors of the running guard and how each observes. Where no guard is running, as root, it says what one would\n" +
			"use on this kernel; `stockade doctor` says why.",
		Example: "  sudo stockade sensor list",
		Args:    arguments(),
	}
	format := outputFlag(list, show.Table, show.JSON)
	list.RunE = func(c *cobra.Command, _ []string) error {
		sensors, err := listSensors(c, g)
		if err != nil {
			return err
		}
		if *format == show.JSON {
			return show.Document(c.OutOrStdout(), sensors)
		}
		return writeSensors(c.OutOrStdout(), sensors)
	}
	return newGroup(&cobra.Command{
		Use:     "sensor",
		Short:   "Look at what observes",
		Example: "  sudo stockade sensor list",
	}, list)
}

// listSensors asks the guard, or where none is running the kernel.
func listSensors(c *cobra.Command, g *globals) ([]api.Sensor, error) {
	client, err := g.dial()
	var none *api.DialError
	if errors.As(err, &none) && !errors.Is(err, fs.ErrPermission) {
		c.PrintErrln("stockade: " + none.Error() + "; this says what one would use on this kernel")
		return plannedSensors()
	}
	if err != nil {
		return nil, err
	}
	defer client.Close()
	s, err := client.Status(c.Context())
	return s.Sensors, err
}

func writeSensors(w io.Writer, sensors []api.Sensor) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "SENSOR\tEVIDENCE\tNOTE")
	for _, s := range sensors {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\n", show.Escape(s.Name), show.Escape(string(cmp.Or(s.Evidence, event.Evidence("off")))), show.Escape(s.Note))
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write sensors: %w", err)
	}
	return nil
}
