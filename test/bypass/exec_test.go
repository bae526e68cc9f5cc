//go:build linux

package bypass

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// execGroup: the attacker may not start what is in a vault, confined nothing but a shell, and strict may besides map no
// code but the system's.
func execGroup() group {
	return group{
		control:  "exec",
		policy:   execPolicy,
		programs: []string{"confined", "strict", "porter"},
		direct:   technique{name: "exec", attempt: useTool},
		fair: []technique{
			{name: "exec beside", attempt: func(e *Env) error { return use(e, "/bin/echo") }},
			{name: "exec of what the list has", as: "confined", attempt: useShell},
			{name: "exec of what the list has, with its libraries", as: "strict", attempt: useShell},
			{name: "exec by another program", as: "porter", attempt: useTool},
			{name: "exec by the parent that may", before: hireParent, attempt: func(e *Env) error { return again(e, exec.Command(e.vault("parent"))) }, then: useGuarded},
		},
		techniques: slices.Concat(
			execNameTechniques(), execPlaceTechniques(), execDescriptorTechniques(), execScriptTechniques(),
			execCopyTechniques(), execCodeTechniques(), execTaskTechniques(), execParentTechniques(),
		),
	}
}

func execPolicy(bin string, envs map[string]*Env) string {
	var guarded strings.Builder
	for _, e := range envs {
		fmt.Fprintf(&guarded, "    - {path: %q, parents: [%q]}\n", e.vault("guarded"), e.vault("parent"))
	}
	shell, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		shell = "/bin/sh"
	}
	return fmt.Sprintf(`version: "1.0"
mode: enforce
processes:
  attacker:
    match: {exe: %[1]q}
    inherit: true
    blocked_exec: [%[4]s]
    blocked_files: [%[5]s]
  confined:
    match: {exe: %[2]q}
    inherit: true
    allowed_exec: [%[2]q, %[6]q, "%[8]s/*/vault/allowed"]
  strict:
    match: {exe: %[3]q}
    inherit: true
    allowed_exec: [%[3]q, %[6]q]
    allowed_files: [%[10]s, "%[7]s/** rx", "%[8]s/*/work/** rw"]
host:
  exec:
%[9]s`, bin+"/attacker", bin+"/confined", bin+"/strict",
		blocked(envs),
		each(envs, func(e *Env) string { return e.vault("lib") + " x" }),
		shell, bin, filepath.Dir(bin), guarded.String(), systemFiles)
}

// blocked names programs by their exact paths, so that their inodes can be known, and the tree by a pattern.
func blocked(envs map[string]*Env) string {
	var all []string
	for _, name := range []string{"tool", "sh", "script", "again", "tree/**"} {
		all = append(all, each(envs, func(e *Env) string { return e.vault(name) }))
	}
	return strings.Join(all, ",\n      ")
}

// use starts a program with the token as its last argument, and wants it back.
func use(e *Env, program string, args ...string) error {
	return uses(e, exec.Command(program, append(args, e.Token)...))
}

// refusal is how shells and the dynamic loader say it.
var refusal = regexp.MustCompile("[Pp]ermission denied|[Oo]peration not permitted|failed to map segment")

// uses runs the command, which is to print the token.
func uses(e *Env, cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		if refusal.Match(out) {
			err = fmt.Errorf("%w: %w", errRefused, err)
		}
		return fmt.Errorf("%s: %w: %s", cmd.Path, err, out)
	}
	return e.check(out)
}

func useTool(e *Env) error { return use(e, e.Tool) }

// useShell has a shell print the token.
func useShell(e *Env) error { return uses(e, exec.Command("/bin/sh", "-c", "echo "+e.Token)) }

// hireParent makes a program that only one other may start, and that other.
func hireParent(e *Env) error {
	return errors.Join(copyFile("/bin/echo", e.vault("guarded")), copyFile("/proc/self/exe", e.vault("parent")))
}

func useGuarded(e *Env) error { return use(e, e.vault("guarded")) }

// execParentTechniques start what only its parent may start.
func execParentTechniques() []technique {
	forged := func(name string, attempt func(*Env) error) technique {
		return technique{name: "granted parent, " + name, before: hireParent, attempt: attempt, then: useGuarded}
	}
	start := func(e *Env) error { return again(e, exec.Command(e.vault("parent"))) }
	return []technique{
		forged("not at all", useGuarded),
		forged("forged by a private bind mount", func(e *Env) error {
			path, err := copySelf(e)
			return errors.Join(err, ownMounts(), mountFile(path, e.vault("parent")), start(e))
		}),
		forged("forged by a rename", func(e *Env) error {
			path, err := copySelf(e)
			return errors.Join(err, os.Rename(path, e.vault("parent")), start(e))
		}),
		forged("a hard link to the program", func(e *Env) error {
			return errors.Join(os.Link(e.vault("guarded"), e.work("link")), use(e, e.work("link")))
		}),
		forged("a copy of the program", func(e *Env) error {
			return errors.Join(copyFile(e.vault("guarded"), e.work("copy")), use(e, e.work("copy")))
		}),
	}
}
