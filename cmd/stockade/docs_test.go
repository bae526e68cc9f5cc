package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/stockade-security/stockade/internal/paths"
)

// TestDocs holds docs/cli.md to the commands. UPDATE_GOLDEN=1 go test ./cmd/stockade writes it.
func TestDocs(t *testing.T) {
	const name = "../../docs/cli.md"
	got := document(t)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what the commands say; UPDATE_GOLDEN=1 writes it (-file +commands):\n%s", name, diff)
	}
}

func document(t *testing.T) string {
	t.Helper()
	root := newRoot()
	var out bytes.Buffer
	out.WriteString("<!-- Written by TestDocs in cmd/stockade from the commands themselves. -->\n# The command line\n\n" +
		root.Long + "\nErrors are printed as `stockade: message`, with what to do about them as `hint: ...` lines below.\n" +
		"Text from outside, such as file names, is escaped wherever it is printed.\n\n## Exit codes\n\n| code | meaning |\n|---|---|\n")
	for _, row := range exitTable() {
		fmt.Fprintf(&out, "| %s | %s |\n", row.code, row.meaning)
	}
	out.WriteString("\n## Which guard\n\nSeveral guards can run beside each other, each with a name of its own:\n\n" +
		"| | default | `--instance NAME` |\n|---|---|---|\n")
	def, named := places(t, ""), places(t, "NAME")
	for i, what := range []string{"API socket", "state", "audit log", "pinned programs and maps", "policy"} {
		fmt.Fprintf(&out, "| %s | `%s` | `%s` |\n", what, def[i], named[i])
	}
	fmt.Fprintf(&out, "\nA verb finds its guard by `--socket`, else by `--instance`, else by `$%s`, else at the default socket.\n"+
		"Only root may talk to a guard. `NO_COLOR` turns colours off.\n\n## Flags of every command\n\n%s\n## Commands\n", socketVariable, flagTable(root.PersistentFlags()))
	describeCommands(&out, root)
	return out.String()
}

// places returns the paths of an instance, in the order of document's table.
func places(t *testing.T, instance string) []string {
	t.Helper()
	p, err := paths.For(strings.ToLower(instance))
	if err != nil {
		t.Fatal(err)
	}
	list := []string{p.Socket, p.State, p.AuditLog, p.BPF, p.Policy}
	for i := range list {
		list[i] = strings.ReplaceAll(list[i], "stockade-name", "stockade-NAME")
	}
	return list
}

func describeCommands(out *bytes.Buffer, c *cobra.Command) {
	for _, sub := range c.Commands() {
		if !sub.IsAvailableCommand() {
			continue
		}
		if sub.HasAvailableSubCommands() {
			describeCommands(out, sub)
			continue
		}
		fmt.Fprintf(out, "\n### %s\n\n%s.\n", strings.TrimSuffix(sub.UseLine(), " [flags]"), sub.Short)
		if sub.Example != "" {
			fmt.Fprintf(out, "\n```sh\n%s\n```\n", strings.ReplaceAll(strings.TrimPrefix(sub.Example, "  "), "\n  ", "\n"))
		}
		if sub.Long != "" {
			fmt.Fprintf(out, "\n%s\n", sub.Long)
		}
		if sub.HasAvailableLocalFlags() {
			fmt.Fprintf(out, "\n%s", flagTable(sub.LocalNonPersistentFlags()))
		}
	}
}

func flagTable(flags *pflag.FlagSet) string {
	var rows strings.Builder
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name, usage := pflag.UnquoteUsage(f)
		long := "--" + f.Name
		if f.Shorthand != "" {
			long = "-" + f.Shorthand + ", " + long
		}
		long = strings.ReplaceAll(strings.TrimSpace(long+" "+name), "|", `\|`)
		standard := f.DefValue
		if standard == "false" || standard == "[]" {
			standard = ""
		}
		fmt.Fprintf(&rows, "| `%s` | %s | %s |\n", long, usage, standard)
	})
	if rows.Len() == 0 {
		return ""
	}
	return "| flag | meaning | default |\n|---|---|---|\n" + rows.String()
}

// TestEveryCommandIsExplained holds every verb to what the help promises.
func TestEveryCommandIsExplained(t *testing.T) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: its short text is %q, want one phrase without a full stop", c.CommandPath(), c.Short)
		}
		if !strings.HasPrefix(c.Example, "  ") || !strings.Contains(c.Example, "stockade") {
			t.Errorf("%s: its example is %q, want an indented call", c.CommandPath(), c.Example)
		}
		if c.Args == nil && c.Name() != "help" {
			t.Errorf("%s does not say which arguments it takes", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(newRoot())
}
