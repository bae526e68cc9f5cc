// Package syscalls knows the system calls of Linux by number and name: the two tables of x86-64, in which arm64 has no
// name besides; the groups that systemd puts them in; and the options of prctl. It makes no call.
package syscalls

import (
	"maps"
	"slices"
	"strconv"
	"strings"
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

// Number returns the number of a call by its name, or by its number as text, in the table of 32-bit programs or else in that
// of x86-64. It looks through the whole table.
func Number(name string, i386abi bool) (number uint32, ok bool) {
	table := amd64[:]
	if i386abi {
		table = i386[:]
	}
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n), true
	}
	n := slices.Index(table, name)
	return uint32(n), n >= 0 && name != ""
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

// Group returns the names that systemd gives a group such as @mount, with those of the groups in it: sorted, and only
// names of Names. @known is Names itself. It is nil for a group that systemd does not have.
func Group(name string) []string {
	if name == "@known" {
		return Names()
	}
	known, found := Names(), map[string]bool{}
	var add func(group string)
	add = func(group string) {
		for _, n := range groups[group] {
			if strings.HasPrefix(n, "@") {
				add(n)
			} else if _, ok := slices.BinarySearch(known, n); ok {
				found[n] = true
			}
		}
	}
	add(name)
	return slices.Sorted(maps.Keys(found))
}

// Groups lists the groups, sorted.
func Groups() []string { return slices.Sorted(maps.Keys(groups)) }

// PrctlOptions lists the options of prctl, sorted.
func PrctlOptions() []string { return slices.Sorted(maps.Values(prctl)) }

// PrctlOption returns the number of an option such as PR_SET_NAME.
func PrctlOption(name string) (number uint32, ok bool) {
	for n, option := range prctl {
		if option == name {
			return n, true
		}
	}
	return 0, false
}
