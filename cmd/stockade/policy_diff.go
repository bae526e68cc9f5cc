package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/show"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/diff"
)

func newPolicyDiff() *cobra.Command {
	c := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say what becomes allowed and what denied when one policy takes the place of another",
		Long: "Compares what two policies decide, not how they are written: over all paths, addresses, ports, names, system calls and\n" +
			"capabilities. Each line is a set of accesses with one answer before and one now, and the rules that give them; of\n" +
			"paths it shows one. What is not among the lines is decided as before. An entry that only one of the policies has is\n" +
			"compared with the other's default entry. The exit code is 0 whether there are differences or not.",
		Example: "  stockade policy diff /etc/stockade/policy.yaml new.yaml\n" +
			"  stockade policy diff old.yaml new.yaml -o json | jq '.changes[] | select(.to.answer == \"denied\")'",
		Args: arguments("OLD", "NEW"),
	}
	format := outputFlag(c, show.Table, show.JSON)
	c.RunE = func(c *cobra.Command, args []string) error {
		var policies [2]*policy.Policy
		for i, path := range args {
			var err error
			if policies[i], err = policy.Load(path); err != nil {
				return countProblems(path, err)
			}
		}
		report, err := diff.Compare(policies[0], policies[1])
		if err != nil {
			return err
		}
		for _, what := range report.Incomplete {
			c.PrintErrln("warning: not compared, because its patterns multiply each other too much: " + show.Escape(what))
		}
		if *format == show.JSON {
			return show.Document(c.OutOrStdout(), report)
		}
		return writeDiff(c.OutOrStdout(), report)
	}
	return c
}

func writeDiff(w io.Writer, r *diff.Report) error {
	var out strings.Builder
	for _, n := range r.Notices {
		fmt.Fprintf(&out, "%s: %s becomes %s\n", show.Escape(strings.TrimSpace(n.Subject+" "+n.What)), show.Escape(orNone(n.From)), show.Escape(orNone(n.To)))
	}
	if len(r.Notices) > 0 && len(r.Changes) > 0 {
		out.WriteString("\n")
	}
	if len(r.Notices)+len(r.Changes) == 0 {
		out.WriteString("no differences\n")
	}
	if _, err := io.WriteString(w, out.String()); err != nil || len(r.Changes) == 0 {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "SUBJECT\tACCESS\tBECOMES\tWHAT\tEXAMPLE\tOLD RULE\tNEW RULE")
	for _, c := range r.Changes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", show.Escape(c.Subject), show.Escape(c.Kind), becomes(c), show.Escape(c.Object), show.Escape(c.Example), sideText(c.From), sideText(c.To))
	}
	return t.Flush()
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func becomes(c diff.Change) string {
	if len(c.To.For) > 0 {
		return c.To.Answer + " but for " + show.Escape(strings.Join(c.To.For, ", "))
	}
	return c.To.Answer
}

func sideText(s diff.Side) string {
	if s.Position == "" {
		return "none"
	}
	return show.Escape(s.Position + " " + s.Rule)
}
