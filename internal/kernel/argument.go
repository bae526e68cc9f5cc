//go:build linux

package kernel

import "path"

// Argument takes the two strings of a name that a task passed to a system call (bpf/argument.h) and joins them. Dots are
// resolved by text alone, symbolic links not at all.
func Argument(r *Record) (string, error) {
	name, _, err := r.Text()
	if err != nil {
		return "", err
	}
	base, _, err := r.Text()
	switch {
	case err != nil:
		return "", err
	case path.IsAbs(name) || base == "":
		return path.Clean(name), nil
	default:
		return path.Join(base, name), nil
	}
}
