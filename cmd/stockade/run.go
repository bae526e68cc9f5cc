package main

import (
	"cmp"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/paths"
	"github.com/stockade-security/stockade/internal/show"
	"github.com/stockade-security/stockade/policy"
)

// runFlags is what `run` was asked for.
type runFlags struct {
	policy, mode, cgroup, container, auditLog, state string
	pids                                             []int
	sensors                                          []string
	duration                                         time.Duration
	quiet, all, granted                              bool
	format                                           show.Format
	paths                                            paths.Paths
}

func newRun(g *globals) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run",
		Short: "Watch this host, judge what happens by the policy, and record it",
		Long: "Runs the guard until it is interrupted, told to stop, or --duration is over. Without --policy it reads\n" +
			"/etc/stockade/policy.yaml if that exists, and else uses its built-in policy. In audit mode, the default, nothing\n" +
			"is ever refused; what enforce mode refuses stays refused after the guard has ended, until `stockade stop --release`. The table leaves out what every process does all the time (forks, exits, reading files, loading\n" +
			"libraries), unless the policy has something against it; the files of the guard hold all of it.\n" +
			"On systems other than Linux only starts and ends of programs are seen, sampled once a second, in audit mode.",
		Example: "  sudo stockade run\n" +
			"  sudo stockade run --policy p.yaml --duration 1m -o json > events.jsonl\n" +
			"  sudo stockade run --cgroup system.slice/nginx.service --sensors process,network",
		Args: arguments(),
	}
	flags := c.Flags()
	flags.StringVar(&f.policy, "policy", "", "judge by the policy in `FILE`")
	flags.StringVar(&f.mode, "mode", "", "replace the policy's mode: audit, alert or enforce")
	flags.StringVar(&f.cgroup, "cgroup", "", "watch only the cgroup at `PATH` and below")
	flags.StringVar(&f.container, "container", "", "watch only the container whose id begins with `ID`")
	flags.IntSliceVar(&f.pids, "pid", nil, "watch only process `PID` and the children it makes")
	flags.StringSliceVar(&f.sensors, "sensors", nil, "use only the sensors with these `NAMES`, and the process sensor")
	flags.BoolVar(&f.granted, "granted-capabilities", false, "report capability checks that were granted too, the first of each process")
	flags.StringVar(&f.auditLog, "audit-log", "", "keep the audit log in `FILE`")
	flags.StringVar(&f.state, "state", "", "keep segments and state in `DIR`")
	flags.DurationVar(&f.duration, "duration", 0, "end after this time")
	flags.BoolVar(&f.quiet, "quiet", false, "show no events, only the summary at the end")
	flags.BoolVar(&f.all, "all", false, "leave nothing out of the table")
	format := outputFlag(c, show.Formats()...)
	c.RunE = func(c *cobra.Command, _ []string) error {
		var err error
		if f.paths, err = g.paths(); err != nil {
			return err
		}
		f.format = *format
		f.paths.AuditLog = cmp.Or(absolute(f.auditLog), f.paths.AuditLog)
		f.paths.State = cmp.Or(absolute(f.state), f.paths.State)
		return runGuard(c, g, f)
	}
	return c
}

// absolute leaves the empty path empty.
func absolute(p string) string {
	if p == "" {
		return ""
	}
	if abs, err := filepath.Abs(p); err == nil {
		return abs
	}
	return p
}

// loadPolicy reads the policy that was asked for. Its path is empty for the built-in one, and the mode unless one was asked
// for: then the policy's hold, entry by entry.
func (f *runFlags) loadPolicy() (p *policy.Policy, path string, mode policy.Mode, err error) {
	if f.mode != "" {
		if mode, err = policy.ParseMode(f.mode); err != nil {
			return nil, "", "", &codeError{code: exitUsage, err: err}
		}
	}
	path = f.policy
	if path == "" {
		path = f.paths.Policy
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			p = policy.Builtin()
			return p, "", mode, nil
		}
	}
	if p, err = policy.Load(path); err != nil {
		return nil, "", "", err
	}
	return p, path, mode, nil
}

// logger writes the guard's own messages to stderr.
func logger(c *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}
