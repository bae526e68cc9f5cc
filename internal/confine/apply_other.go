//go:build !linux

package confine

import (
	"errors"
	"runtime"
)

// Detect says that there is nothing to confine with.
func Detect() Kernel {
	why := "there is none for " + runtime.GOOS
	return Kernel{NoLandlock: why, NoSeccomp: why}
}

func canWrite(string) bool { return true }

// Exec refuses: no other system has the mechanisms.
func (p *Plan) Exec(*Command, []string) error {
	return errors.New("commands can be confined on Linux only")
}
