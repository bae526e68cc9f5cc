package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/confine"
	"github.com/stockade-security/stockade/internal/identity"
	"github.com/stockade-security/stockade/internal/show"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

type execFlags struct {
	policy, name string
	strict       bool
}

func newExec() *cobra.Command {
	var f execFlags
	c := &cobra.Command{
		Use:   "exec --policy FILE [--name SUBJECT] [--strict] -- COMMAND [ARGUMENT...]",
		Short: "Run one command under a policy, without a guard and without privilege",
		Long: "Runs a command in its own place, held to a process entry of the policy by Landlock, seccomp, no_new_privs and resource\n" +
			"limits. The entry is the one that claims the command's executable for this user, or the one that --name gives. Only\n" +
			"an entry in enforce mode confines. What these mechanisms cannot express is said on stderr before the command starts,\n" +
			"a line each; with --strict the command is not started then. What is refused is refused to all programs that the\n" +
			"command starts, and is not recorded. docs/policy.md says what can be expressed.",
		Example: "  stockade exec --policy policy.yaml -- make test\n" +
			"  stockade exec --policy policy.yaml --name build --strict -- go build ./...",
		Args: atLeast("COMMAND"),
		RunE: func(c *cobra.Command, args []string) error {
			err := runConfined(c, f, args)
			if coded := (*codeError)(nil); !errors.As(err, &coded) {
				err = &codeError{code: startCode(err), err: err}
			}
			return err
		},
	}
	flags := c.Flags()
	flags.SetInterspersed(false)
	flags.StringVar(&f.policy, "policy", "", "judge by the policy in `FILE`")
	flags.StringVar(&f.name, "name", "", "hold the command to the entry `SUBJECT`, or to default")
	flags.BoolVar(&f.strict, "strict", false, "do not start the command, with exit code 125, unless all of its entry can be held")
	return c
}

// startCode is the exit code for a command that could not be started.
func startCode(err error) int {
	switch {
	case errors.Is(err, confine.ErrNotFound):
		return exitNotFound
	case errors.Is(err, confine.ErrNotExecutable):
		return exitNotExecutable
	}
	return exitNotStarted
}

// runConfined returns only if the command could not be started.
func runConfined(c *cobra.Command, f execFlags, argv []string) error {
	if f.policy == "" {
		return badUsage(c, errors.New("--policy is missing"))
	}
	p, img, err := loadPolicy(f.policy)
	if err != nil {
		return err
	}
	command, err := confine.Look(argv)
	if err != nil {
		return err
	}
	subject, err := subjectOf(p, img, f.name, command)
	if err != nil {
		return err
	}
	plan, incomplete := planFor(c, p, img, subject, command)
	if f.strict && incomplete {
		return &hinted{errors.New("the command is not started, because not all of its entry can be held"), "without --strict it runs with what can be"}
	}
	signal.Reset() // what was ignored when Stockade started stays so for the command
	return plan.Exec(command, os.Environ())
}

// planFor decides how the command is held, and says what of its entry is not.
func planFor(c *cobra.Command, p *policy.Policy, img *compile.Image, subject uint32, command *confine.Command) (plan *confine.Plan, incomplete bool) {
	s := &img.Subjects[subject]
	say := func(format string, args ...any) {
		c.PrintErrln("stockade: " + show.Escape(fmt.Sprintf(format, args...)))
	}
	switch {
	case subject == compile.DefaultSubject && p.Default == nil:
		say("nothing is prevented: no entry of %s claims %s", p.Name, command.Executable())
		return &confine.Plan{}, true
	case s.Mode != policy.ModeEnforce:
		say("nothing is prevented: %s is in %s mode", s.Name, s.Mode)
		return &confine.Plan{}, true
	}
	plan = confine.New(confine.Input{
		Policy: p, Image: img, Subject: subject, Command: command, Kernel: confine.Detect(), Path: os.Getenv("PATH"), UID: os.Getuid(),
	})
	for _, gap := range plan.Gaps {
		say("%s", gap)
	}
	return plan, len(plan.Gaps) > 0
}

// subjectOf returns the number of the entry with a name, or without one of the entry that claims the command.
func subjectOf(p *policy.Policy, img *compile.Image, name string, command *confine.Command) (uint32, error) {
	if name != "" {
		i := slices.IndexFunc(img.Subjects, func(s compile.Subject) bool { return s.Name == name })
		if i < 0 || i == compile.DefaultSubject && p.Default == nil {
			return 0, fmt.Errorf("the policy has no entry %q", name)
		}
		return uint32(i), nil
	}
	facts := verdict.Facts{Exe: command.Executable(), UID: uint32(os.Getuid()), Cgroup: ownCgroup()}
	facts.Unit, facts.Container = identity.ParseCgroup(facts.Cgroup)
	if u, err := user.LookupId(strconv.Itoa(os.Getuid())); err == nil {
		facts.User = u.Username
	}
	if slices.ContainsFunc(img.Claims, func(c compile.Claim) bool { return len(c.SHA256) > 0 }) {
		var err error
		if facts.SHA256, err = fileSum(facts.Exe); err != nil {
			return 0, err
		}
	}
	return verdict.Identify(img, facts, nil).Subject, nil
}

// ownCgroup is the path in the cgroup v2 tree; empty if it is not known.
func ownCgroup() string {
	f, err := os.Open("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "0::"); ok {
			return name
		}
	}
	return ""
}

// fileSum is the SHA-256 of a file.
func fileSum(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("an entry asks for the command's sum: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("an entry asks for the command's sum: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
