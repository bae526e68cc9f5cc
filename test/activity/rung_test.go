//go:build linux

package activity

import (
	"os"
	"sync"

	"github.com/stockade-security/stockade/internal/kernel/probe"
)

// trampolines says which rung to test: the best that this kernel has, unless the environment asks for the lower one.
var trampolines = sync.OnceValue(func() bool {
	return os.Getenv("STOCKADE_TEST_RUNG") != "tracepoint" && probe.Trampolines()
})
