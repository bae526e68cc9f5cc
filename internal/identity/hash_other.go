//go:build !linux

package identity

import (
	"errors"
	"os"
)

// Without the kernel's device and inode numbers of a record no file can be proved to be the right one.
func (*hasher) open(hashAsk) (*os.File, fileKey, error) {
	return nil, fileKey{}, errors.ErrUnsupported
}

func fileVersion(*os.File) (size, changedNS int64, err error) { return 0, 0, errors.ErrUnsupported }
