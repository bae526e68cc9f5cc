package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/stockade-security/stockade/event"
	"github.com/stockade-security/stockade/internal/api"
	"github.com/stockade-security/stockade/internal/confine"
	"github.com/stockade-security/stockade/internal/kernel/probe"
	"github.com/stockade-security/stockade/policy"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"stockade": main,
		"guard":    serveGuard,
	})
}

// TestScripts runs the command line as a user types it.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "../../test/script",
		Condition: func(name string) (bool, error) {
			switch name {
			case "root":
				return os.Getuid() == 0, nil
			case "guarded": // a guard could run here
				return probe.Ready() == nil, nil
			case "landlock":
				return confine.Detect().Landlock > 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"await": await, "status": status},
		Setup: func(env *testscript.Env) error {
			env.Setenv(socketVariable, env.WorkDir+"/none.sock")
			env.Setenv("ESC", "\x1b")
			return nil
		},
		UpdateScripts: os.Getenv("UPDATE_GOLDEN") != "",
	})
}

// status runs a program that has to end with the exit code that comes first.
func status(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// await waits until somebody listens at a socket.
func await(ts *testscript.TestScript, _ bool, args []string) {
	deadline := time.Now().Add(20 * time.Second)
	for {
		conn, err := net.Dial("unix", ts.MkAbs(args[0]))
		if err == nil {
			ts.Check(conn.Close())
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("await: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
}

// scripted is a guard that sees nothing: it serves the API with what a script asks for.
type scripted struct {
	api.Hub
	events  int
	stop    sync.Once
	stopped chan struct{}
}

func (g *scripted) Apply(string, string, api.Peer) error { return nil }
func (g *scripted) SetMode(policy.Mode, api.Peer) error  { return nil }
func (g *scripted) Release(api.Peer) error               { return nil }
func (g *scripted) Stop()                                { g.stop.Do(func() { close(g.stopped) }) }

// Subscribe yields the events, and the end when there are any.
func (g *scripted) Subscribe(buffer int) *api.Subscription {
	s := g.Hub.Subscribe(buffer)
	for i := range g.events {
		g.Publish(&event.Event{
			Seq: uint64(i + 1), Kind: event.KindExec, Time: time.Unix(0, 0), Process: &event.Process{Ref: event.Ref{PID: 9, Name: "sh"}, User: "ada"},
			Exec:       &event.Exec{File: event.File{Path: "/bin/a\x1b[2J"}},
			Violations: []event.Violation{{Severity: event.SeverityHigh, Action: event.ActionLogged, WouldDeny: true, Rule: "p.yaml:7"}},
		})
	}
	if g.events > 0 {
		g.Close()
	}
	return s
}

func (g *scripted) Status() api.Status {
	return api.Status{
		Version: "v1.2.3", PID: 4321, StartedAt: time.Now(), Mode: "audit",
		Policy: api.Policy{Path: "/etc/stockade/policy.yaml", Digest: "0123abcd"},
		Sensors: []api.Sensor{
			{Name: "process", Evidence: event.EvidenceTracepoint, Note: "this kernel refuses LSM programs"},
			{Name: "file\x1b[2J"},
		},
		Events:     map[event.Kind]uint64{event.KindExec: 3, event.KindFileOpen: 40},
		Violations: api.Violations{BySeverity: map[event.Severity]uint64{event.SeverityHigh: 2}, WouldDeny: 1},
		Produced:   45, Delivered: 43, Lost: map[string]uint64{"ring_full": 2},
		Gaps:       map[string]uint64{"restarts_unchecked": 5},
		CPUSeconds: 1.25, RSSBytes: 32 << 20, KernelMapBytes: 8 << 20, Streams: g.Streams(),
	}
}

// serveGuard is the command `guard SOCKET EVENTS`, which ends with `stockade stop`.
func serveGuard() {
	events, err := strconv.Atoi(os.Args[2])
	if err != nil {
		os.Exit(report(os.Stderr, err))
	}
	g := &scripted{events: events, stopped: make(chan struct{})}
	server := api.New(api.Config{Socket: os.Args[1], Daemon: g})
	if err := server.Listen(); err != nil {
		os.Exit(report(os.Stderr, err))
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	<-g.stopped
	g.Close()
	os.Exit(report(os.Stderr, errors.Join(server.Close(context.Background()), <-served)))
}
