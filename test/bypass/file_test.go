//go:build linux

package bypass

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// fileGroup: nobody but this test may touch what lies in a vault.
func fileGroup() group {
	return group{
		control: "file",
		policy:  filePolicy,
		direct:  technique{name: "open", attempt: func(e *Env) error { return steal(e, e.Secret) }},
		fair:    []technique{{name: "open beside", setup: leaveToken, attempt: func(e *Env) error { return steal(e, e.work("mine")) }}},
		techniques: slices.Concat(
			fileLinkTechniques(), fileMountTechniques(), fileHandleTechniques(),
		),
	}
}

func filePolicy(bin string, envs map[string]*Env) string {
	return fmt.Sprintf(`version: "1.0"
mode: enforce
processes:
  attacker:
    match: {exe: %q}
    inherit: true
    blocked_files: [%s]
`, bin+"/attacker", each(envs, func(e *Env) string { return e.Secret }))
}

// each quotes one text for each environment, as a YAML list without its brackets.
func each(envs map[string]*Env, text func(*Env) string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(envs)) {
		list = append(list, fmt.Sprintf("%q", text(envs[name])))
	}
	return strings.Join(list, ", ")
}

// leaveToken gives the attacker what he may read: he cannot copy it himself.
func leaveToken(e *Env) error { return os.WriteFile(e.work("mine"), []byte(e.Token+"\n"), 0o644) }

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
