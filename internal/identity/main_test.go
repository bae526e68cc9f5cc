package identity

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// TestMain fails the package when its tests leave goroutines or descriptors behind.
func TestMain(m *testing.M) {
	goroutines, files := runtime.NumGoroutine(), openFiles()
	code := m.Run()
	if f := flag.Lookup("test.fuzz"); f.Value.String() != "" {
		os.Exit(code) // the fuzzer keeps goroutines of its own
	}
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > goroutines && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		fmt.Fprintf(os.Stderr, "%d goroutines are left, at first there were %d\n", n, goroutines)
		code = 1
	}
	// The runtime's own poller keeps a few once a socket has been used.
	if n := openFiles(); n > files+4 {
		fmt.Fprintf(os.Stderr, "%d descriptors are left, at first there were %d\n", n, files)
		code = 1
	}
	os.Exit(code)
}

// openFiles counts this process's descriptors; 0 where that cannot be told.
func openFiles() int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(names)
}
