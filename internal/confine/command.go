package confine

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
)

// Command is a program to start.
type Command struct {
	// Path is the file as it was found, File the same as the kernel names it. Argv is as given.
	Path, File string
	Argv       []string
}

// The ways in which a command cannot be started, for errors.Is.
var (
	ErrNotFound      = errors.New("command not found")
	ErrNotExecutable = errors.New("cannot be executed")
)

// Look finds the command that argv names, by the environment's PATH unless it has a slash. argv is not empty.
func Look(argv []string) (*Command, error) {
	found, err := exec.LookPath(argv[0])
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%q: %w", argv[0], ErrNotFound)
	case errors.Is(err, exec.ErrDot):
		return nil, fmt.Errorf("%q is in the current directory alone: %w", argv[0], ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("%q: %w", argv[0], ErrNotExecutable)
	}
	file, err := realPath(found)
	if err != nil {
		return nil, fmt.Errorf("%q: %w: %w", argv[0], ErrNotFound, err)
	}
	return &Command{Path: found, File: file, Argv: argv}, nil
}

// Executable is the file that will run: of a script that is its interpreter.
func (c *Command) Executable() string {
	out := c.File
	for _, s := range startersOf(c.File) {
		if !s.loader {
			out = s.path
		}
	}
	return out
}

// starter is what a program needs besides itself to start.
type starter struct {
	path   string
	loader bool // a dynamic loader, else an interpreter
}

// startersOf follows the interpreters of a script as far as the kernel does, and ends with a loader if there is one. A file
// that cannot be read has none that are known: the usual loaders stand in.
func startersOf(file string) []starter {
	const deepest = 5 // the kernel gives up after four (fs/exec.c, exec_binprm)
	var out []starter
	for range deepest {
		next, loader, err := interpreter(file)
		if err != nil {
			for _, l := range loaders() {
				out = append(out, starter{l, true})
			}
			return out
		}
		if next == "" {
			return out
		}
		if next, err = realPath(next); err != nil {
			return out
		}
		out = append(out, starter{next, loader})
		if loader {
			return out
		}
		file = next
	}
	return out
}

// interpreter reads what the beginning of a file asks for; empty if nothing.
func interpreter(file string) (name string, loader bool, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	name, loader = interpreterIn(f)
	return name, loader, nil
}

func interpreterIn(f io.ReaderAt) (name string, loader bool) {
	head := make([]byte, 256) // BINPRM_BUF_SIZE
	n, _ := f.ReadAt(head, 0)
	head = head[:n]
	if line, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		end := func(c rune) bool { return c == '\n' || c == 0 }
		blank := func(c rune) bool { return c == ' ' || c == '\t' }
		if i := bytes.IndexFunc(line, end); i >= 0 {
			line = line[:i]
		}
		if words := bytes.FieldsFunc(line, blank); len(words) > 0 {
			return string(words[0]), false
		}
		return "", false
	}
	program, err := elf.NewFile(f)
	if err != nil {
		return "", false
	}
	for _, segment := range program.Progs {
		if segment.Type == elf.PT_INTERP && segment.Filesz <= 4096 {
			text, _ := io.ReadAll(segment.Open())
			return string(bytes.TrimRight(text, "\x00")), true
		}
	}
	return "", false
}
