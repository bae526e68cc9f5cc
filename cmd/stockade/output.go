package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/show"
)

// outputFlag adds -o to a command and returns where its value will stand; the first of the formats is the default.
func outputFlag(c *cobra.Command, formats ...show.Format) *show.Format {
	v := &formatValue{format: formats[0], allowed: formats}
	c.Flags().VarP(v, "output", "o", "format of the output")
	names := cobra.FixedCompletions(v.names(), cobra.ShellCompDirectiveNoFileComp)
	if err := c.RegisterFlagCompletionFunc("output", names); err != nil {
		panic(err) // the flag was added just above
	}
	return &v.format
}

// formatValue is a flag that takes one of a few formats.
type formatValue struct {
	format  show.Format
	allowed []show.Format
}

func (v *formatValue) String() string { return string(v.format) }

func (v *formatValue) Type() string { return strings.Join(v.names(), "|") }

func (v *formatValue) Set(text string) error {
	if !slices.Contains(v.allowed, show.Format(text)) {
		return fmt.Errorf("want one of %s", strings.Join(v.names(), ", "))
	}
	v.format = show.Format(text)
	return nil
}

func (v *formatValue) names() []string {
	names := make([]string, len(v.allowed))
	for i, f := range v.allowed {
		names[i] = string(f)
	}
	return names
}

// terminalOptions returns what suits a table on w, which is a terminal only if it is a file.
func terminalOptions(w io.Writer) show.Options {
	if f, ok := w.(*os.File); ok {
		return show.ForTerminal(f)
	}
	return show.Options{}
}
