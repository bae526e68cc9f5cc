//go:build linux

package kernel

import "path"

// Argument takes the two strings of a name that a task passed to a system call (bpf/argument.h) and joins them. Dots are
// resolved by text alone, symbolic links not at all. It says whether either could not be read whole.
func Argument(r *Record) (name string, cut bool, err error) {
	name, cut, err = r.Text()
	if err != nil {
		return "", false, err
	}
	base, baseCut, err := r.Text()
	switch {
	case err != nil:
		return "", false, err
	case path.IsAbs(name):
		return path.Clean(name), cut, nil
	default:
		return path.Join(base, name), cut || baseCut, nil
	}
}
