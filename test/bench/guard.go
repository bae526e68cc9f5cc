//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/stockade-security/stockade/internal/api"
	"github.com/stockade-security/stockade/internal/paths"
)

// guard is what watches while the loops run.
type guard interface {
	// start returns when everything is attached.
	start() error
	// calm waits until the daemon has digested what has happened.
	calm()
	// wrapper is the command that starts a worker which this guard is to watch; empty: none is needed.
	wrapper() []string
	// stop leaves the host as start found it.
	stop() error
}

// with does something while the guard runs.
func with(g guard, do func() error) error {
	if err := g.start(); err != nil {
		return err
	}
	return errors.Join(do(), g.stop())
}

// none watches nothing: what the others are compared with.
type none struct{}

func (none) start() error      { return nil }
func (none) calm()             {}
func (none) wrapper() []string { return nil }
func (none) stop() error       { return nil }

// stockade is one instance of the guard at its defaults, apart from where it keeps its files.
type stockade struct {
	*daemon
	program, dir, instance string
	client                 *api.Client
}

func newStockade(program, dir string) *stockade {
	return &stockade{program: program, dir: dir, instance: fmt.Sprintf("bench-%d", os.Getpid())}
}

func (*stockade) wrapper() []string { return nil }

func (s *stockade) start() error {
	places, err := paths.For(s.instance)
	if err != nil {
		return err
	}
	s.daemon, err = startDaemon(s.program, "run", "--instance", s.instance, "--quiet",
		"--audit-log", filepath.Join(s.dir, "audit.jsonl"), "--state", filepath.Join(s.dir, "state"))
	if err != nil {
		return err
	}
	// The socket is there first; it is answered when all is attached.
	err = s.await(func() (bool, error) {
		if s.client == nil {
			s.client, err = api.Dial(places.Socket)
			return false, nil
		}
		_, err := s.client.Health(context.Background())
		return err == nil, nil
	})
	if err != nil {
		return errors.Join(err, s.stop())
	}
	s.calm() // the inventory of the host comes first
	return nil
}

func (s *stockade) status() (api.Status, error) { return s.client.Status(context.Background()) }

func (s *stockade) stop() error {
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
	err := s.end()
	// What one run has written must not be what the next one reads.
	return errors.Join(err, os.RemoveAll(filepath.Join(s.dir, "state")), os.RemoveAll(filepath.Join(s.dir, "audit.jsonl")),
		os.RemoveAll("/run/stockade-"+s.instance))
}
