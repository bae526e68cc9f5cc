package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/policy"
)

// TestMain fails if a stream or a connection outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	buf := make([]byte, 1<<20)
	gone := func() bool { return !bytes.Contains(buf[:runtime.Stack(buf, true)], []byte("net/http.")) }
	if code == 0 && !eventually(gone) {
		fmt.Fprintf(os.Stderr, "goroutines left over:\n%s", buf[:runtime.Stack(buf, true)])
		code = 1
	}
	os.Exit(code)
}

func eventually(holds func() bool) bool {
	deadline := time.Now().Add(10 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			return false
		}
		runtime.Gosched()
	}
	return true
}

type guard struct {
	Hub
	status  Status
	stopped atomic.Int64
	onStop  func()
}

func (g *guard) Status() Status { return g.status }

func (g *guard) Stop() {
	if g.stopped.Add(1) == 1 && g.onStop != nil {
		go g.onStop()
	}
}

// What a guard is asked to change is kept in its status.
func (g *guard) Apply(path, digest string, _ Peer) error {
	if digest == "" {
		return &Refusal{Err: errors.New("it has changed")}
	}
	g.status.Policy = Policy{Path: path, Digest: digest}
	return nil
}

func (g *guard) SetMode(mode policy.Mode, _ Peer) error {
	g.status.Mode = string(mode)
	return nil
}

func (g *guard) Release(Peer) error {
	g.status.Enforcement = nil
	return nil
}

// asRoot lets the tests run as anybody: who is really there is what TestPeer and TestOthersAreRefused look at.
func asRoot(net.Conn) (Peer, error) { return Peer{PID: 1}, nil }

func serve(t *testing.T, g *guard, change func(*Server)) (*Server, string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "run", "api.sock")
	s := New(Config{Socket: socket, Daemon: g})
	s.peer = asRoot
	if change != nil {
		change(s)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s, socket
}

func dial(t *testing.T, socket string) *Client {
	t.Helper()
	c, err := Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestStatus(t *testing.T) {
	g := &guard{status: Status{
		Version: "v1", Instance: "two", PID: 7, StartedAt: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Mode: "audit",
		Policy:  Policy{Path: "/etc/stockade/policy.yaml", Digest: "ab"},
		Sensors: []Sensor{{Name: "process", Evidence: event.EvidenceTracepoint, Note: "no LSM"}},
		Events:  map[event.Kind]uint64{event.KindExec: 5}, Violations: Violations{BySeverity: map[event.Severity]uint64{event.SeverityHigh: 2, event.SeverityLow: 1}, WouldDeny: 2},
		Produced: 9, Delivered: 8, Lost: map[string]uint64{"ring_full": 1}, CPUSeconds: 1.5, RSSBytes: 4096, KernelMapBytes: 8192,
	}}
	_, socket := serve(t, g, nil)
	c := dial(t, socket)
	got, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(g.status, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if got.Violations.Total() != 3 {
		t.Errorf("%d violations, want 3", got.Violations.Total())
	}
	if h, err := c.Health(t.Context()); err != nil || h.Status != "ok" {
		t.Errorf("health = %+v, %v", h, err)
	}
}

func TestProblems(t *testing.T) {
	_, socket := serve(t, &guard{}, nil)
	c := dial(t, socket)
	tests := []struct {
		method, path string
		status       int
		code         Code
	}{
		{http.MethodGet, "/", 404, CodeNotFound},
		{http.MethodGet, "/v2/status", 404, CodeNotFound},
		{http.MethodGet, "/v1/status/", 404, CodeNotFound},
		{http.MethodPost, "/v1/status", 405, CodeMethodNotAllowed},
		{http.MethodGet, "/v1/stop", 405, CodeMethodNotAllowed},
		{http.MethodGet, "/v1/events", 400, CodeBadRequest},
		{http.MethodGet, "/v1/events?follow=0", 400, CodeBadRequest},
	}
	for _, tt := range tests {
		_, err := c.do(t.Context(), tt.method, tt.path, nil)
		var p *Problem
		if !errors.As(err, &p) {
			t.Errorf("%s %s: %v, want a problem", tt.method, tt.path, err)
			continue
		}
		if p.Code != tt.code || p.Status != tt.status || p.Title != http.StatusText(tt.status) || p.Detail == "" || p.Type != "about:blank" {
			t.Errorf("%s %s = %+v, want %d %s", tt.method, tt.path, p, tt.status, tt.code)
		}
	}
}

func TestCodesHaveAStatus(t *testing.T) {
	for _, code := range Codes() {
		if s := code.httpStatus(); s < 400 || (s == 500) != (code == CodeInternal) {
			t.Errorf("%s has status %d", code, s)
		}
	}
}

func TestStopWaitsForTheSocket(t *testing.T) {
	g := &guard{}
	s, socket := serve(t, g, nil)
	g.onStop = func() { _ = s.Close(context.Background()) }
	if err := dial(t, socket).Stop(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if g.stopped.Load() != 1 {
		t.Errorf("Stop was called %d times", g.stopped.Load())
	}
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestStopGivesUpWithItsContext(t *testing.T) {
	_, socket := serve(t, &guard{}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := dial(t, socket).Stop(ctx, false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v, want the deadline", err)
	}
}

func TestCloseWithoutServe(t *testing.T) {
	s := New(Config{Socket: filepath.Join(t.TempDir(), "s"), Daemon: &guard{}})
	if err := s.Serve(); err == nil {
		t.Error("Serve without Listen is no error")
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := Dial(s.config.Socket); err == nil || !strings.Contains(err.Error(), "no guard is running (no socket at ") {
		t.Errorf("dial after close: %v", err)
	}
}

// TestChanges: what is asked for reaches the guard, and what it refuses comes back as a bad request.
func TestChanges(t *testing.T) {
	_, socket := serve(t, &guard{status: Status{Enforcement: &Enforcement{Digest: "x"}}}, nil)
	c := dial(t, socket)
	s, err := c.Apply(t.Context(), "/p.yaml", "d1")
	if err != nil || s.Policy != (Policy{Path: "/p.yaml", Digest: "d1"}) {
		t.Errorf("%+v, %v", s.Policy, err)
	}
	if s, err = c.SetMode(t.Context(), policy.ModeEnforce); err != nil || s.Mode != "enforce" {
		t.Errorf("%s, %v", s.Mode, err)
	}
	for _, err := range []error{
		second(c.Apply(t.Context(), "/p.yaml", "")),
		second(c.SetMode(t.Context(), "strict")),
	} {
		if p := (*Problem)(nil); !errors.As(err, &p) || p.Code != CodeBadRequest {
			t.Errorf("%v", err)
		}
	}
	if s, err := c.Status(t.Context()); err != nil || s.Mode != "enforce" || s.Policy.Digest != "d1" {
		t.Errorf("%+v, %v", s, err)
	}
}

func second(_ Status, err error) error { return err }
