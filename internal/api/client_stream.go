package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/stockade-security/stockade/event"
)

// TooSlowError is how a stream ends whose reader did not keep up.
type TooSlowError struct {
	// Delivered is how many events were sent before.
	Delivered uint64
}

func (e *TooSlowError) Error() string {
	return fmt.Sprintf("the guard ended the stream after %d events: this reader did not keep up", e.Delivered)
}

// Hint says how to go on.
func (e *TooSlowError) Hint() string {
	return "write to a file or filter less expensively; the audit log has every decision"
}

// Stream reads live events. It is for one goroutine.
type Stream struct {
	body io.ReadCloser
	in   *bufio.Reader
}

// Events starts a stream, which lasts until ctx ends, the guard stops or the reader falls behind. When it returns, the
// guard has begun to hold events for this reader. The caller closes the stream.
func (c *Client) Events(ctx context.Context) (*Stream, error) {
	body, err := c.do(ctx, http.MethodGet, "/v1/events?follow=1", nil)
	if err != nil {
		return nil, err
	}
	return newStream(body), nil
}

func newStream(body io.ReadCloser) *Stream {
	return &Stream{body: body, in: bufio.NewReaderSize(body, 64<<10)}
}

// Next returns the next event and waits for it as long as it takes. At the end it returns io.EOF if the guard stopped
// in good order, a *TooSlowError if it cut this reader, and an error that wraps io.ErrUnexpectedEOF if it died.
func (s *Stream) Next() (*event.Event, error) {
	text, err := s.in.ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("the guard's stream broke off: %w", err)
	}
	r := record{Event: &event.Event{}}
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read the guard's stream: %w", err)
	}
	switch {
	case r.End == nil:
		return r.Event, nil
	case r.End.Reason == EndTooSlow:
		return nil, &TooSlowError{Delivered: r.End.Delivered}
	}
	return nil, io.EOF
}

// Waiting reports whether more of the stream has arrived already: if not, now is the time to show what was read.
func (s *Stream) Waiting() bool { return s.in.Buffered() > 0 }

// Close ends the stream. It may be called more than once.
func (s *Stream) Close() error { return s.body.Close() }
