package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/api"
	"github.com/stockade-security/stockade/internal/paths"
)

// socketVariable names the guard's socket where no flag does.
const socketVariable = "STOCKADE_SOCKET"

// globals holds the flags that every verb takes.
type globals struct {
	socket   string
	instance string
}

// paths returns the places of the instance that was asked for. --socket wins over --instance, and both over the
// environment.
func (g *globals) paths() (paths.Paths, error) {
	p, err := paths.For(g.instance)
	if err != nil {
		return p, &codeError{code: exitUsage, err: err}
	}
	switch {
	case g.socket != "":
		p.Socket = g.socket
	case g.instance == "" && os.Getenv(socketVariable) != "":
		p.Socket = os.Getenv(socketVariable)
	}
	return p, nil
}

// dial connects to the guard that was asked for.
func (g *globals) dial() (*api.Client, error) {
	p, err := g.paths()
	if err != nil {
		return nil, err
	}
	return api.Dial(p.Socket)
}

// newRoot returns the command with all its verbs: the one list of them.
func newRoot() *cobra.Command {
	g := &globals{}
	root := newGroup(&cobra.Command{
		Use:   "stockade",
		Short: "A runtime guard for Linux",
		Long: "Stockade sees what every process of a host does, judges it by one policy, and records what it saw and decided.\n" +
			"Data goes to stdout, messages to stderr.",
		Example: "  stockade doctor                # what this kernel can do\n" +
			"  sudo stockade run              # watch this host\n" +
			"  stockade events --follow       # what a running guard sees",
	})
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Version = currentBuild().String()
	root.SetVersionTemplate("{{.Version}}\n")
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return badUsage(c, err) })
	root.SetHelpTemplate(helpTemplate)
	root.SetUsageTemplate(usageTemplate)
	flags := root.PersistentFlags()
	flags.StringVar(&g.socket, "socket", "", "talk to the guard at `PATH`; else at $"+socketVariable+", else at the instance's socket")
	flags.StringVar(&g.instance, "instance", "", "the `NAME` of a guard that runs beside the default one")
	root.SetHelpCommand(newHelp(root))
	root.AddCommand(
		newRun(g),
		newExec(),
		newDoctor(),
		newPolicy(),
		newSimulate(),
		newApply(g),
		newMode(g),
		newStatus(g),
		newEvents(g),
		newSensor(g),
		newStop(g),
		newCompletion(),
		newMan(),
		newVersion(),
	)
	checkArgs(root)
	return root
}

// newGroup makes a command that only holds others: alone it shows its help, and it refuses what it does not hold.
func newGroup(c *cobra.Command, verbs ...*cobra.Command) *cobra.Command {
	c.AddCommand(verbs...)
	c.SuggestionsMinimumDistance = 2
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		err := fmt.Errorf("there is no command %q", c.CommandPath()+" "+args[0])
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			return &hinted{err, "did you mean `" + c.CommandPath() + " " + strings.Join(near, "` or `") + "`?"}
		}
		return err
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return c
}

// checkArgs makes wrong arguments a matter of usage in every command below c.
func checkArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return badUsage(c, err)
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		checkArgs(sub)
	}
}

// arguments takes exactly the named arguments.
func arguments(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("%s is missing", strings.Join(names[len(args):], " and "))
		case len(args) > len(names):
			return fmt.Errorf("unexpected argument %q", args[len(names)])
		}
		return nil
	}
}

// badUsage makes err one of usage, with a hint unless it has one.
func badUsage(c *cobra.Command, err error) error {
	if h := hinter(nil); !errors.As(err, &h) {
		err = &hinted{err, "see `" + helpCall(c) + "`"}
	}
	return &codeError{code: exitUsage, err: err}
}

// helpCall is the command line that explains c.
func helpCall(c *cobra.Command) string {
	root, rest, _ := strings.Cut(c.CommandPath(), " ")
	return strings.TrimSpace(root + " help " + rest)
}
