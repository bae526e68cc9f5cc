package api

import "errors"

// ErrUnsupported is returned by Listen where the system does not tell who is at the other end of a unix socket.
var ErrUnsupported = errors.New("the API is not supported on this system: it cannot tell who is asking")

// RunningError says that another guard serves at the socket.
type RunningError struct {
	Socket string
}

func (e *RunningError) Error() string {
	return "a guard is running already (it listens at " + e.Socket + ")"
}

// Hint says how to go on.
func (e *RunningError) Hint() string {
	return "end it with `stockade stop`, or run a second one beside it with --instance NAME"
}
