//go:build !linux

package identity

import "time"

// bootClock does not know when a system other than Linux started: start times stay without a wall clock.
func bootClock() (boot time.Time, sinceNS uint64) { return time.Time{}, 0 }
