package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// memoryLimit bounds what the Go runtime keeps. The program itself and the ring, which is mapped twice, come to 30 MB more.
// A burst of events then costs more work of the garbage collector, where it would have left the heap at twice its size.
const memoryLimit = 44 << 20

// frugal leaves room to those who are watched: beyond half of the CPUs, what the guard gains by working in parallel it takes
// from them. Go's own environment variables have precedence.
func frugal() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2))
	}
}
