package show

import "os"

// ForTerminal returns what suits a table on f: colours and a width where f is a terminal, and neither where it is not.
func ForTerminal(f *os.File) Options {
	return Options{Color: WantColor(f), Width: width(f)}
}

// WantColor reports whether colours belong on f: only on a terminal that has them, and not where NO_COLOR is set to
// anything (https://no-color.org).
func WantColor(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
