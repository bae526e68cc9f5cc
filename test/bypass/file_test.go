//go:build linux

package bypass

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// fileGroup: the attacker may not touch what lies in a vault, confined nothing but its own and the system's files; porter
// may, and stranger is nobody that the policy knows.
func fileGroup() group {
	return group{
		control:  "file",
		policy:   filePolicy,
		programs: []string{"confined", "porter", "stranger"},
		direct:   technique{name: "open", attempt: stealSecret},
		fair: []technique{
			{name: "open of what the list has", as: "confined", setup: leaveToken, attempt: func(e *Env) error { return steal(e, e.work("mine")) }},
			{name: "open beside", setup: leaveToken, attempt: func(e *Env) error { return steal(e, e.work("mine")) }},
			{name: "open by another program", as: "porter", attempt: stealSecret},
			{name: "write by the granted program", before: hireClerk, attempt: sendClerk, then: forge, effect: forged},
		},
		techniques: slices.Concat(
			fileLinkTechniques(), fileMountTechniques(), filePathTechniques(), fileHandleTechniques(), filePassedTechniques(),
			fileWriteTechniques(), fileCreateTechniques(), fileTaskTechniques(), fileNamespaceTechniques(), fileRingTechniques(), fileHelperTechniques(), fileGrantTechniques(), fileListTechniques(),
		),
	}
}

// filePolicy blocks the secret of each technique by its exact path, so that its inode can be known, and the tree by a
// pattern. What a machine-wide file must not be used for is blocked as an operator would do it.
func filePolicy(bin string, envs map[string]*Env) string {
	return fmt.Sprintf(`version: "1.0"
mode: enforce
processes:
  attacker:
    match: {exe: %q}
    inherit: true
    blocked_files: [%s,
      %s,
      %s,
      %s,
      %s,
      "/proc/sys/kernel/core_pattern w", "/proc/sys/kernel/modprobe w"]
  confined:
    match: {exe: %q}
    inherit: true
    allowed_files: [%s, %q]
  porter:
    match: {exe: %q}
default:
  blocked_files: [%s]
host:
  files:
%s`, bin+"/attacker",
		each(envs, func(e *Env) string { return e.Secret }),
		each(envs, func(e *Env) string { return e.vault("tree/**") }),
		each(envs, func(e *Env) string { return e.vault("*/hidden") }),
		each(envs, func(e *Env) string { return e.vault("merged/secret") }),
		each(envs, func(e *Env) string { return e.vault("absent") }),
		bin+"/confined", systemFiles, filepath.Dir(bin)+"/{bin/*,*/work/**}",
		bin+"/porter",
		each(envs, func(e *Env) string { return e.vault("common") }),
		ledgers(envs))
}

// systemFiles is what any program needs.
const systemFiles = `"/usr/** rx", "/lib** rx", "/etc/** r", "/proc/** rw", "/sys/** r", "/dev/** rw"`

// ledgers grants each technique's clerk to write its ledger, and nobody else.
func ledgers(envs map[string]*Env) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(envs)) {
		fmt.Fprintf(&b, "    - {path: %q, writers: [%q]}\n", envs[name].vault("ledger"), envs[name].vault("clerk"))
	}
	return b.String()
}

// each quotes one text for each environment, as a YAML list without its brackets.
func each(envs map[string]*Env, text func(*Env) string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(envs)) {
		list = append(list, fmt.Sprintf("%q", text(envs[name])))
	}
	return strings.Join(list, ",\n      ")
}

// leaveToken gives the attacker what he may read: he cannot copy it himself.
func leaveToken(e *Env) error { return os.WriteFile(e.work("mine"), []byte(e.Token+"\n"), 0o644) }

func stealSecret(e *Env) error { return steal(e, e.Secret) }

// steal reads the token from a path.
func steal(e *Env, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return e.check(text)
}

// stealFD reads the token from a descriptor.
func stealFD(e *Env, fd int) error {
	text := make([]byte, 256)
	n, err := unix.Pread(fd, text, 0)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return e.check(text[:n])
}

// check wants the token alone.
func (e *Env) check(text []byte) error {
	if string(text) != e.Token+"\n" {
		return fmt.Errorf("read %q in place of the secret", text)
	}
	return nil
}
