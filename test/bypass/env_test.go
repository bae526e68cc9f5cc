//go:build linux

package bypass

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Env is what a technique has to work with. Each technique has its own, so that none spoils another's.
type Env struct {
	// Root holds Vault and Work, and nothing else lies in it at first. It is nobody's to protect.
	Root string
	// Vault holds what is to be protected: Secret, a file with Token and a line's end in it, and Tool, a copy of
	// the program echo.
	Vault, Secret, Tool string
	// Work is the attacker's own directory, empty at first. Everybody may write to it.
	Work string
	// Bin holds the programs: copies of the test binary, which policies tell apart by their paths.
	Bin string
	// Token is known to nobody else.
	Token string
	// Facts is what setup wants the attempt to know: addresses, numbers of processes.
	Facts map[string]string

	undoing []func() error
}

// undo has f called when the technique is done with, the last one first.
func (e *Env) undo(f func() error) { e.undoing = append(e.undoing, f) }

func (e *Env) undoAll() error {
	var err error
	for _, f := range slices.Backward(e.undoing) {
		err = errors.Join(err, f())
	}
	e.undoing = nil
	return err
}

// work is a path in Work, vault one in Vault, and program one in Bin.
func (e *Env) work(name string) string    { return filepath.Join(e.Work, name) }
func (e *Env) vault(name string) string   { return filepath.Join(e.Vault, name) }
func (e *Env) program(name string) string { return filepath.Join(e.Bin, name) }

// newEnv makes the directories and files of a technique below dir.
func newEnv(dir, bin, name string) (*Env, error) {
	root := filepath.Join(dir, strings.Map(plain, name))
	e := &Env{
		Root: root, Work: filepath.Join(root, "work"), Vault: filepath.Join(root, "vault"), Bin: bin,
		Token: "token-" + rand.Text(), Facts: map[string]string{},
	}
	e.Secret, e.Tool = e.vault("secret"), e.vault("tool")
	err := errors.Join(os.Mkdir(root, 0o755), os.Mkdir(e.Vault, 0o755), os.Mkdir(e.Work, 0o777), os.Chmod(e.Work, 0o777),
		os.WriteFile(e.Secret, []byte(e.Token+"\n"), 0o666), os.Chmod(e.Secret, 0o666), copyFile("/bin/echo", e.Tool))
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", name, err)
	}
	return e, nil
}

// plain leaves of a name what means nothing to a shell or to mount.
func plain(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' {
		return r
	}
	return '-'
}

// copyFile makes to an executable copy of from.
func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(to, data, 0o755), os.Chmod(to, 0o755))
}

// report is how an attempt tells the test what came of it, when it did not do the forbidden thing.
type report struct {
	Text string `json:"error"`
	// Refused: permission was denied; Lacks: this machine cannot do it, whoever asks; Killed: a process of the attempt was.
	Refused bool `json:"refused"`
	Lacks   bool `json:"lacks"`
	Killed  bool `json:"killed"`
}

// errRefused is for attempts that were refused without an error number of the kernel that says so.
var errRefused = errors.New("refused")

// lacks says that this machine has not got what a technique needs.
type lacks string

func (l lacks) Error() string { return string(l) }

// perform makes the attempt that the environment names, and prints the token or a report.
func perform(name, environment string) error {
	t, err := find(name)
	if err != nil {
		return err
	}
	var e Env
	if err := json.Unmarshal([]byte(environment), &e); err != nil {
		return fmt.Errorf("decode the environment: %w", err)
	}
	do := t.attempt
	if os.Getenv(envThen) != "" {
		do = t.then
	}
	if err := do(&e); err != nil {
		return json.NewEncoder(os.Stdout).Encode(reportOf(err))
	}
	fmt.Println(e.Token)
	return nil
}
