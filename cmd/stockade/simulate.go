package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/audit"
	"github.com/stockade-security/stockade/internal/show"
	"github.com/stockade-security/stockade/internal/simulate"
)

func newSimulate() *cobra.Command {
	var events, file string
	c := &cobra.Command{
		Use:   "simulate --events LOG --policy FILE",
		Short: "Replay recorded events against a policy, and say what it would deny",
		Long: "Judges each recorded event by a policy, and compares with what the policy of the time said: what would newly be\n" +
			"denied, what still, and what no longer, by entry and rule. LOG is the guard's directory of segments, which hold every\n" +
			"event, or one of its segments; an audit log or the directory of one, which hold decisions; or a file that\n" +
			"`stockade run -o json` wrote. The exit code is 3 if anything would newly be denied.",
		Example: "  sudo stockade simulate --events /var/lib/stockade/segments --policy new.yaml\n" +
			"  stockade simulate --events events.jsonl --policy new.yaml -o json | jq '.newly_denied[].rule'",
		Args: arguments(),
	}
	c.Flags().StringVar(&events, "events", "", "replay the events of `LOG`")
	c.Flags().StringVar(&file, "policy", "", "judge by the policy in `FILE`")
	format := outputFlag(c, show.Table, show.JSON)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if events == "" || file == "" {
			return badUsage(c, errors.New("--events and --policy are both needed"))
		}
		_, img, err := loadPolicy(file)
		if err != nil {
			return err
		}
		s := simulate.New(img)
		bar := newProgress(c.ErrOrStderr())
		scan, err := audit.Scan(events, bar.show, func(e *event.Event) error {
			s.Add(e)
			return c.Context().Err()
		})
		bar.end()
		if errors.Is(err, fs.ErrPermission) {
			return &hinted{err, "what the guard records is root's: run it with sudo"}
		}
		if err != nil {
			return err
		}
		return reportSimulation(c, simulated{Scan: scan, Report: s.Report()}, *format)
	}
	return c
}

// simulated is what simulate says.
type simulated struct {
	simulate.Report
	// Scan says what was read, and what could not be.
	Scan audit.ScanReport `json:"read"`
}

func reportSimulation(c *cobra.Command, r simulated, format show.Format) error {
	warnOfScan(c, r.Scan)
	if r.Scan.Problems == nil {
		r.Scan.Problems = []audit.ScanProblem{}
	}
	var err error
	if format == show.JSON {
		err = show.Document(c.OutOrStdout(), r)
	} else {
		err = writeSimulation(c.OutOrStdout(), r)
	}
	if err == nil && len(r.Newly) > 0 {
		return &codeError{code: exitWouldDeny}
	}
	return err
}

// warnOfScan tells of what was not read.
func warnOfScan(c *cobra.Command, r audit.ScanReport) {
	lines := uint64(0)
	for _, p := range r.Problems {
		what := "not read"
		switch {
		case p.Torn:
			what = "torn, as after a crash or while it is being written"
		case p.Ends:
			what = "not read from here on"
		}
		if !p.Ends {
			lines++
		}
		c.PrintErrf("warning: %s:%d: %s: %s\n", show.Escape(p.File), p.Line, what, show.Escape(p.Detail))
	}
	if r.BadLines > lines {
		c.PrintErrf("warning: %d lines were no events in all\n", r.BadLines)
	}
	if r.Records > 0 {
		c.PrintErrln("warning: an audit log holds decisions and not every event, so there may be more that is newly denied: segments hold all of them")
	}
}

func writeSimulation(w io.Writer, r simulated) error {
	span := ""
	if !r.From.IsZero() {
		span = fmt.Sprintf(", from %s to %s", r.From.Format(time.RFC3339), r.To.Format(time.RFC3339))
	}
	if _, err := fmt.Fprintf(w, "%s in %s%s: %d denied, where %d were\n",
		count(int(r.Events), "event"), count(r.Scan.Files, "file"), span, r.Denied, r.DeniedThen); err != nil {
		return err
	}
	for _, part := range []struct {
		title  string
		groups []simulate.Group
	}{{"NEWLY DENIED", r.Newly}, {"STILL DENIED", r.Still}, {"NO LONGER DENIED", r.NoLonger}} {
		if err := writeGroups(w, part.title, part.groups); err != nil {
			return err
		}
	}
	return nil
}

func writeGroups(w io.Writer, title string, groups []simulate.Group) error {
	if len(groups) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "\n%s\tSUBJECT\tRULE\tSEVERITY\tEXAMPLE\n", title)
	for _, g := range groups {
		for i, example := range g.Examples {
			detail := show.Escape(example.Detail)
			if i > 0 {
				fmt.Fprintf(t, "\t\t\t\t%s\n", detail)
				continue
			}
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\n", g.Count, show.Escape(g.Subject), show.Escape(g.Rule), show.Escape(string(g.Severity)), detail)
		}
	}
	return t.Flush()
}
