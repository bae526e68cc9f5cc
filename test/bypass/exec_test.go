//go:build linux

package bypass

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// execGroup: the attacker may not start the tool in a vault.
func execGroup() group {
	return group{
		control: "exec",
		policy:  execPolicy,
		direct:  technique{name: "exec", attempt: func(e *Env) error { return use(e, e.Tool) }},
		fair:    []technique{{name: "exec beside", attempt: func(e *Env) error { return use(e, "/bin/echo") }}},
		techniques: slices.Concat(
			execNameTechniques(),
		),
	}
}

func execPolicy(bin string, envs map[string]*Env) string {
	return fmt.Sprintf(`version: "1.0"
mode: enforce
processes:
  attacker:
    match: {exe: %q}
    inherit: true
    blocked_exec: [%s]
`, bin+"/attacker", each(envs, func(e *Env) string { return e.Tool }))
}

// use starts a program with the token as its last argument, and wants it back.
func use(e *Env, program string, args ...string) error {
	return uses(e, exec.Command(program, append(args, e.Token)...))
}

// uses runs the command, which is to print the token.
func uses(e *Env, cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		if strings.Contains(string(out), "Permission denied") || strings.Contains(string(out), "Operation not permitted") {
			err = fmt.Errorf("%w: %w", errRefused, err)
		}
		return fmt.Errorf("%s: %w: %s", cmd.Path, err, out)
	}
	return e.check(out)
}

// execNameTechniques give the tool another name.
func execNameTechniques() []technique {
	return []technique{
		{name: "hard link to the program", attempt: linkAndUse},
	}
}

// linkAndUse gives the tool a second name.
func linkAndUse(e *Env) error {
	if err := os.Link(e.Tool, e.work("link")); err != nil {
		return err
	}
	return use(e, e.work("link"))
}
