//go:build !linux

package fanotify

import (
	"errors"
	"os"
	"time"

	"github.com/stockade-security/stockade/policy/compile"
)

var errSystem = errors.New("fanotify permission events are Linux's")

// Guard holds nothing here: only Linux has fanotify.
type Guard struct{}

// Open always fails here.
func Open(Config) (*Guard, error) { return nil, errSystem }

// Apply always fails here.
func (g *Guard) Apply(*compile.Image) error { return errSystem }

// Status is empty here.
func (g *Guard) Status() Status { return Status{} }

// Close does nothing here.
func (g *Guard) Close() error { return nil }

// Keep always fails here.
func Keep(*os.File, time.Duration) error { return errSystem }
