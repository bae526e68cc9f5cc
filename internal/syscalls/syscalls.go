// Package syscalls knows the system calls of Linux by number and name: the two tables of x86-64, in which arm64 has no
// name besides. It makes no call.
package syscalls

import (
	"maps"
	"slices"
)

//go:generate go run gen.go

// AMD64 names an x86-64 call as the kernel's table does; it is empty for a number that the table lacks.
func AMD64(number int) string { return name(amd64[:], number) }

// I386 is AMD64 for the table of 32-bit programs.
func I386(number int) string { return name(i386[:], number) }

func name(table []string, number int) string {
	if number < 0 || number >= len(table) {
		return ""
	}
	return table[number]
}

// Names lists every name in either table once, sorted.
func Names() []string {
	names := map[string]bool{}
	for _, table := range [][]string{amd64[:], i386[:]} {
		for _, n := range table {
			names[n] = true
		}
	}
	delete(names, "") // a gap
	return slices.Sorted(maps.Keys(names))
}
