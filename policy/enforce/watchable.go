package enforce

import "strings"

// Watchable says what fanotify permission events can hold of a path pattern: one object, or with children everything that
// stands right in a directory. ok is false for every other pattern, for which there is no object to mark before it is
// used. internal/fanotify marks what this function and the ladder promise, and nothing else.
func Watchable(pattern string) (path string, children, ok bool) {
	path, children = strings.CutSuffix(pattern, "/*")
	// The kernel refuses permission events in /proc, whose files take locks while they are opened (FS_DISALLOW_NOTIFY_PERM).
	ok = exact(path) && path != "/proc" && !strings.HasPrefix(path, "/proc/")
	return path, children, ok
}

// exact reports whether a pattern names one path.
func exact(pattern string) bool {
	return strings.HasPrefix(pattern, "/") && !strings.ContainsAny(pattern, `*?[{\`)
}
