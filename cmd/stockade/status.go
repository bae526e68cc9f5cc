package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/api"
	"github.com/stockade-security/stockade/internal/show"
)

func newStatus(g *globals) *cobra.Command {
	c := &cobra.Command{
		Use:     "status",
		Short:   "Show the state of the running guard",
		Example: "  sudo stockade status\n  sudo stockade status -o json | jq .lost",
		Args:    arguments(),
	}
	format := outputFlag(c, show.Table, show.JSON)
	c.RunE = func(c *cobra.Command, _ []string) error {
		client, err := g.dial()
		if err != nil {
			return err
		}
		defer client.Close()
		s, err := client.Status(c.Context())
		if err != nil {
			return err
		}
		if *format == show.JSON {
			return show.Document(c.OutOrStdout(), s)
		}
		return writeStatus(c.OutOrStdout(), s, time.Now())
	}
	return c
}

// writeStatus writes the state of a guard for people, as of now.
func writeStatus(w io.Writer, s api.Status, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(t, "%s\t%s\n", name, show.Escape(fmt.Sprintf(format, args...))) // an error stays for Flush
	}
	row("guard", "%s, pid %d, %s mode, up %s", s.Version, s.PID, s.Mode, now.Sub(s.StartedAt).Round(time.Second))
	if s.Instance != "" {
		row("instance", "%s", s.Instance)
	}
	row("policy", "%s, digest %s", cmp.Or(s.Policy.Path, "built in"), s.Policy.Digest)
	if e := s.Enforcement; e != nil {
		writeEnforcement(row, e)
	}
	for i, sensor := range s.Sensors {
		row(map[bool]string{true: "sensors"}[i == 0], "%s", describe(sensor))
	}
	row("events", "%s", tally(s.Events))
	row("violations", "%s, of which enforce mode would deny %d", tally(s.Violations.BySeverity), s.Violations.WouldDeny)
	row("records", "%d produced, %d delivered", s.Produced, s.Delivered)
	row("lost", "%s", tally(s.Lost))
	row("gaps", "%s", tally(s.Gaps))
	row("streams", "%d open, %d cut because they were too slow", s.Streams.Open, s.Streams.Cut)
	row("cost", "%.1f s of CPU, %s of memory, %s of kernel maps", s.CPUSeconds, show.Bytes(s.RSSBytes), show.Bytes(s.KernelMapBytes))
	if err := t.Flush(); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	return nil
}

// writeEnforcement says what the kernel refuses, since when and by what.
func writeEnforcement(row func(name, format string, args ...any), e *api.Enforcement) {
	if e.Digest == "" {
		row("enforcement", "nothing is in force")
		return
	}
	row("enforcement", "digest %s, in force since %s, by %d programs; it outlives the guard", e.Digest, e.Since.Format(time.DateTime), len(e.Programs))
	if e.Adopted > 0 {
		row("", "%d programs of an earlier guard are in force beside them", e.Adopted)
	}
	for i, lack := range e.Lacks {
		row(map[bool]string{true: "not enforced"}[i == 0], "%s", lack)
	}
	row("refused", "%s", tally(e.Denied))
	if e.Undecided+e.Unlabelled > 0 {
		row("", "%d addresses passed because only a host name could decide; %d tasks found no memory for their label", e.Undecided, e.Unlabelled)
	}
}

// describe says how a sensor observes.
func describe(s api.Sensor) string {
	text := s.Name + " by " + string(s.Evidence)
	if s.Evidence == "" {
		text = s.Name + " is off"
	}
	if s.Note != "" {
		text += ": " + s.Note
	}
	return text
}

// tally writes a total and its parts, the largest first.
func tally[K ~string](counts map[K]uint64) string {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b K) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var total uint64
	var parts []string
	for _, k := range keys {
		total += counts[k]
		if counts[k] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", k, counts[k]))
		}
	}
	if len(parts) == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s)", total, strings.Join(parts, ", "))
}
