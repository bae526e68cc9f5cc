package show

import (
	"os"

	"golang.org/x/sys/unix"
)

// width returns the columns of a terminal, 0 when f is none.
func width(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}
