package policy

import (
	_ "embed"
)

// syscallList holds the names of the system calls of Linux on amd64, i386 and arm64, one a line, from the tables of
// golang.org/x/sys/unix, version 0.49.0.
//
//go:embed syscalls.txt
var syscallList string
