package identity

import (
	"time"

	"golang.org/x/sys/unix"
)

// bootClock returns the wall clock at boot, and the time since then with suspend.
func bootClock() (boot time.Time, sinceNS uint64) {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return time.Time{}, 0
	}
	up := time.Duration(ts.Nano())
	return time.Now().Add(-up), uint64(up)
}
