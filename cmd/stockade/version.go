package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/show"
)

// release is set by the linker in release builds: -ldflags "-X main.release=v1.2.3".
var release string

// build identifies this program.
type build struct {
	Version string `json:"version"`
	// Commit is empty where the program was not built in a checkout; Modified: the checkout had changes of its own.
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// currentBuild reads what the linker and the Go tool left in this program.
func currentBuild() build {
	b := build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			b.Version = v
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	if release != "" {
		b.Version = release
	}
	return b
}

func (b build) String() string {
	commit := ""
	if b.Commit != "" {
		commit = "commit " + b.Commit[:min(12, len(b.Commit))]
		if b.Modified {
			commit += " with changes"
		}
		commit += ", "
	}
	return fmt.Sprintf("stockade %s (%s%s, %s)", b.Version, commit, b.Go, b.Platform)
}

func newVersion() *cobra.Command {
	c := &cobra.Command{
		Use:     "version",
		Short:   "Show which build of Stockade this is",
		Example: "  stockade version",
		Args:    arguments(),
	}
	format := outputFlag(c, show.Table, show.JSON)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *format == show.JSON {
			return show.Document(c.OutOrStdout(), currentBuild())
		}
		_, err := fmt.Fprintln(c.OutOrStdout(), currentBuild())
		return err
	}
	return c
}
