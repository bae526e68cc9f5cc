package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/stockade-security/stockade/internal/show"
	"github.com/stockade-security/stockade/policy"
)

func newPolicyFmt() *cobra.Command {
	var write, check bool
	c := &cobra.Command{
		Use:   "fmt FILE",
		Short: "Lay a policy file out as all policies are",
		Long: "Prints the file with two spaces a level, lists below their key and one kind of quotes. Comments, the order of keys and\n" +
			"rules, and what the file says stay as they are. The file - is the standard input.",
		Example: "  stockade policy fmt -w policy.yaml\n  stockade policy fmt --check policy.yaml   # in CI: exit code 1 if the file would change",
		Args:    arguments("FILE"),
	}
	c.Flags().BoolVarP(&write, "write", "w", false, "write the file instead of printing it")
	c.Flags().BoolVar(&check, "check", false, "print nothing, and fail if the file would change")
	c.RunE = func(c *cobra.Command, args []string) error {
		if write && check {
			return badUsage(c, errors.New("--write and --check exclude each other"))
		}
		path := args[0]
		before, err := readBounded(c.InOrStdin(), path)
		if err != nil {
			return err
		}
		after, err := policy.Format(before)
		if problems := (*policy.Problems)(nil); errors.As(err, &problems) {
			for i := range problems.List {
				problems.List[i].File = path
			}
			return countProblems(path, problems)
		}
		if err != nil {
			return err
		}
		switch same := bytes.Equal(before, after); {
		case check && !same:
			return &hinted{fmt.Errorf("%s is laid out otherwise", show.Escape(path)), "stockade policy fmt -w " + show.Escape(path)}
		case check || write && same:
			return nil
		case write:
			return rewrite(path, after)
		}
		_, err = c.OutOrStdout().Write(after)
		return err
	}
	return c
}

// readBounded reads a file of a policy's size, or for - the standard input.
func readBounded(stdin io.Reader, path string) ([]byte, error) {
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		stdin = f
	}
	// One byte more tells that there is more; the reader of policies says so.
	text, err := io.ReadAll(io.LimitReader(stdin, policy.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", show.Escape(path), err)
	}
	return text, nil
}

// rewrite replaces a file's content and keeps its mode; behind a symbolic link it is the link's target.
func rewrite(path string, text []byte) error {
	if path == "-" {
		return &codeError{code: exitUsage, err: errors.New("the standard input cannot be written")}
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return replaceFile(path, text, info.Mode().Perm())
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, text []byte, mode os.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", show.Escape(path), err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", show.Escape(path), err), os.Remove(f.Name()))
	}
	return nil
}
