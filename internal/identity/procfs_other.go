//go:build !linux

package identity

import "errors"

const procfsSupported = false

func readProcess(string, int) (procInfo, error) { return procInfo{}, errors.ErrUnsupported }
