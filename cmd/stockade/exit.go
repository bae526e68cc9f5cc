package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/stockade-security/stockade/internal/show"
)

// The exit codes. exitTable says the same to people.
const (
	exitOK        = 0
	exitError     = 1
	exitUsage     = 2
	exitWouldDeny = 3

	// Of a verb that runs a command, whose own status it returns otherwise; env, timeout and their like use the same.
	exitNotStarted    = 125
	exitNotExecutable = 126
	exitNotFound      = 127
)

// exitTable is the documented meaning of each exit code.
func exitTable() []struct{ code, meaning string } {
	return []struct{ code, meaning string }{
		{"0", "done"},
		{"1", "an error, which is on stderr"},
		{"2", "wrong usage, or warnings where `--strict` asks for none"},
		{"3", "a policy would deny what was asked for, or newly deny something"},
		{"125", "Stockade failed before it could run the command of a verb that runs one, or refused to; otherwise such a verb returns its command's status"},
		{"126", "the command was found, and cannot be executed"},
		{"127", "the command was not found"},
	}
}

// codeError carries an exit code with an error; the error may be nil where the code says everything.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// hinter is an error that knows what to do about it, in one or more lines.
type hinter interface {
	error
	Hint() string
}

// hinted gives an error a hint.
type hinted struct {
	error
	hint string
}

func (e *hinted) Hint() string { return e.hint }

func (e *hinted) Unwrap() error { return e.error }

// report prints an error and its hint for people, and returns the exit code. The text may hold names from outside.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	code := exitError
	if coded := (*codeError)(nil); errors.As(err, &coded) {
		code = coded.code
		if coded.err == nil {
			return code
		}
	}
	// Nothing can be done about a stderr that takes nothing.
	_, _ = fmt.Fprintf(w, "stockade: %s\n", show.Message(err.Error()))
	if h := hinter(nil); errors.As(err, &h) && h.Hint() != "" {
		for line := range strings.SplitSeq(h.Hint(), "\n") {
			_, _ = fmt.Fprintf(w, "hint: %s\n", show.Message(line))
		}
	}
	return code
}
