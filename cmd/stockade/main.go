// Command stockade is the guard and everything that talks to it, one verb a file. It wires packages together and holds
// no logic of theirs. docs/cli.md is written from these commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for a good end; the second one ends at once.
	context.AfterFunc(ctx, stop)
	root := newRoot()
	err := root.ExecuteContext(ctx)
	os.Exit(report(os.Stderr, err))
}
