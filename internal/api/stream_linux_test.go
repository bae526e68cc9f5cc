package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
)

func publish(h *Hub, n int, pad string) {
	for i := range n {
		h.Publish(&event.Event{Seq: uint64(i + 1), Kind: event.KindFileOpen, File: &event.File{Path: pad}})
	}
}

func TestEvents(t *testing.T) {
	const n = 5000
	g := &guard{}
	s, socket := serve(t, g, nil)
	stream, err := dial(t, socket).Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	publish(&g.Hub, n, "/a\n\xff<b>")
	closed := make(chan error, 1)
	go func() { closed <- s.Close(context.Background()) }()
	for i := range n {
		e, err := stream.Next()
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		if e.Seq != uint64(i+1) || e.File.Path != "/a\n\ufffd<b>" {
			t.Fatalf("event %d = %d %q", i, e.Seq, e.File.Path)
		}
	}
	if _, err := stream.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("end = %v, want EOF", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(Streams{}, g.Streams()); diff != "" {
		t.Errorf("streams (-want +got):\n%s", diff)
	}
}

func TestSlowReaderIsCutAndTold(t *testing.T) {
	g := &guard{}
	_, socket := serve(t, g, nil)
	stream, err := dial(t, socket).Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	publish(&g.Hub, 4*streamBuffer, strings.Repeat("x", 1000))
	if diff := cmp.Diff(Streams{Cut: 1}, g.Streams()); diff != "" {
		t.Fatalf("streams (-want +got):\n%s", diff)
	}
	var slow *TooSlowError
	for got := uint64(0); slow == nil; got++ {
		e, err := stream.Next()
		switch {
		case errors.As(err, &slow):
			if slow.Delivered != got || got < streamBuffer {
				t.Errorf("told of %d, got %d, want both the same and at least %d", slow.Delivered, got, streamBuffer)
			}
		case err != nil:
			t.Fatal(err)
		case e.Seq != got+1:
			t.Fatalf("seq %d after %d events: a gap before the end", e.Seq, got)
		}
	}
}

func TestReaderThatTakesNothingIsCut(t *testing.T) {
	g := &guard{}
	_, socket := serve(t, g, func(s *Server) { s.writeTimeout = 50 * time.Millisecond })
	stream, err := dial(t, socket).Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	publish(&g.Hub, streamBuffer/2, strings.Repeat("x", 1000)) // more than a socket holds, less than the buffer
	if !eventually(func() bool { return g.Streams() == Streams{Cut: 1} }) {
		t.Fatalf("streams = %+v, want one cut", g.Streams())
	}
	for err == nil {
		_, err = stream.Next()
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("err = %v, want an unexpected end", err)
	}
}

func TestReaderThatGoesIsNotCounted(t *testing.T) {
	g := &guard{}
	_, socket := serve(t, g, nil)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := dial(t, socket).Events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := stream.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v, want canceled", err)
	}
	if !eventually(func() bool { return g.Streams() == Streams{} }) {
		t.Errorf("streams = %+v, want none", g.Streams())
	}
}

func TestHub(t *testing.T) {
	var h Hub
	publish(&h, 3, "") // nobody reads: nothing happens
	s := h.Subscribe(0)
	publish(&h, 1, "")
	s.Close()
	s.Close()
	s.Cut()
	if e, ok := <-s.C; !ok || e.Seq != 1 {
		t.Error("what was held is gone")
	}
	if _, ok := <-s.C; ok || s.TooSlow() {
		t.Error("closed by its reader: want the end, and not for slowness")
	}
	h.Close()
	if _, ok := <-h.Subscribe(1).C; ok {
		t.Error("a closed hub yields events")
	}
	if h.Streams() != (Streams{}) {
		t.Errorf("streams = %+v, want none", h.Streams())
	}
}

// A reader of some events is not too slow for the others.
func TestHubHandsOutWhatIsWanted(t *testing.T) {
	var h Hub
	s := h.SubscribeTo(2, func(e *event.Event) bool { return e.Seq%4 == 0 })
	publish(&h, 11, "")
	s.Close()
	var got []uint64
	for e := range s.C {
		got = append(got, e.Seq)
	}
	if want := []uint64{4, 8}; !slices.Equal(got, want) || s.TooSlow() {
		t.Errorf("got %v, too slow %t; want %v", got, s.TooSlow(), want)
	}
}

func FuzzStream(f *testing.F) {
	f.Add(`{"seq":1,"kind":"exec"}` + "\n" + `{"end":{"reason":"stopped","delivered":1}}` + "\n")
	f.Add(`{"end":{"reason":"too_slow"}}` + "\n")
	f.Add("null\n{}\n[]\n")
	f.Fuzz(func(t *testing.T, text string) {
		s := newStream(io.NopCloser(strings.NewReader(text)))
		for range strings.Count(text, "\n") + 1 {
			e, err := s.Next()
			if err != nil {
				return
			}
			if _, err := json.Marshal(e); err != nil || e == nil {
				t.Fatalf("event %v of %q: %v", e, text, err)
			}
		}
		t.Fatalf("%q has no end", text)
	})
}
