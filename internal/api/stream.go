package api

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/stockade-security/stockade/event"
)

// events streams the live events, one JSON object a line, until the reader goes, falls behind, or the guard stops.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("follow") != "1" {
		problem(w, CodeBadRequest, "this route only streams live events", "ask for /v1/events?follow=1; past events are in the audit log")
		return
	}
	sub := s.config.Daemon.Subscribe(streamBuffer)
	defer sub.Close()
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	out := newStreamWriter(w, s.writeTimeout)
	if out.flush() != nil { // the reader learns that from here on it misses nothing
		return
	}
	done := s.done
	for {
		select {
		case <-r.Context().Done():
			return
		case <-done:
			sub.Close() // what is on its way is still sent
			done = nil
		case e, ok := <-sub.C:
			if !ok {
				out.end(sub.TooSlow())
				return
			}
			if err := out.event(e, len(sub.C) == 0); err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) {
					sub.Cut() // it is there, and takes nothing
				}
				return
			}
		}
	}
}

type streamWriter struct {
	response  http.ResponseWriter
	control   *http.ResponseController
	timeout   time.Duration
	buf       *bufio.Writer
	encoder   *json.Encoder
	delivered uint64
}

func newStreamWriter(w http.ResponseWriter, timeout time.Duration) *streamWriter {
	out := &streamWriter{response: w, control: http.NewResponseController(w), timeout: timeout}
	out.buf = bufio.NewWriterSize(out, 32<<10)
	out.encoder = json.NewEncoder(out.buf)
	out.encoder.SetEscapeHTML(false)
	return out
}

// Write passes full buffers on, each with a deadline of its own.
func (out *streamWriter) Write(p []byte) (int, error) {
	if err := out.control.SetWriteDeadline(time.Now().Add(out.timeout)); err != nil {
		return 0, err
	}
	return out.response.Write(p)
}

func (out *streamWriter) flush() error {
	if err := out.buf.Flush(); err != nil {
		return err
	}
	if err := out.control.SetWriteDeadline(time.Now().Add(out.timeout)); err != nil {
		return err
	}
	return out.control.Flush()
}

func (out *streamWriter) event(e *event.Event, last bool) error {
	if err := out.encoder.Encode(e); err != nil {
		return err
	}
	out.delivered++
	if last {
		return out.flush()
	}
	return nil
}

func (out *streamWriter) end(tooSlow bool) {
	end := StreamEnd{Reason: EndStopped, Delivered: out.delivered}
	if tooSlow {
		end.Reason = EndTooSlow
	}
	if out.encoder.Encode(record{End: &end}) == nil {
		_ = out.flush()
	}
}

// record is a line of the stream: an event, or the end.
type record struct {
	*event.Event
	End *StreamEnd `json:"end,omitempty"`
}
