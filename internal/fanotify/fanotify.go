// Package fanotify refuses opens and executions where the kernel runs no BPF LSM programs, by permission events: the kernel
// asks before each open of a marked file, and this process answers with what verdict says.
//
// Marked are the objects that block rules name by their path or by their directory (enforce.Watchable), where an enforcing
// entry could be denied them. A path's own inode is marked, so that the rule holds for every name of it (hard links, bind
// mounts, other mount namespaces), and its directory, so that it holds for what takes its place. A file that replaced another
// and is reached by another name than the rule's in the same moment, and a directory that replaced another, are noticed
// within refreshEvery.
//
// It refuses to mark mounts or file systems, because then everything on them would wait for one process; to deny by the
// absence from an allow list, because it is asked about too little for that; and to guess: what it cannot judge in time is
// let through and counted. It cannot see what is done to names (create, rename, remove), to a file that is open already, or
// that ld.so runs a program that it merely read.
//
// A task that opens a marked file sleeps in the kernel until it is answered, so somebody must always answer: a watchdog
// releases what waits longer than Config.Bound, and a second process, the keeper, does when this process makes no progress at
// all (SIGSTOP, a debugger). When this process ends, however it ends, the kernel releases everything.
package fanotify

import (
	"log/slog"
	"time"

	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
	"github.com/stockade-security/stockade/verdict"
)

// Config is what a Guard needs. The functions are called from several goroutines, while a task waits: those that take longer
// than Bound let it through.
type Config struct {
	Image *compile.Image
	// Mode replaces the modes of the policy; empty: they hold.
	Mode policy.Mode
	// Identify says whose a process is in an image. It gets 0 for a process that could not be found.
	Identify func(img *compile.Image, pid int) verdict.Task
	// Exempt says who may not be denied anything, such as what break_glass spares; nil exempts nobody but this process. It is
	// asked only about what would be denied.
	Exempt func(pid int) bool
	// Report hears of each open and execution that the kernel has refused on this guard's word.
	Report func(Denial)
	// Released hears of what was let through without a verdict.
	Released func(Release)
	// Bound is how long a task may wait for its answer; 0 means 2 s.
	Bound time.Duration
	// Keeper is the command line of a process that calls Keep with its descriptor 3; empty: there is no keeper, and a process
	// that stands still as a whole holds up whoever opens a marked file. See Keep for one way to stand still.
	Keeper []string
	// Log hears of objects that cannot be marked and of a keeper that ends; nil discards.
	Log *slog.Logger
}

// Denial is an access that the kernel refused.
type Denial struct {
	Time     time.Time
	PID, TID int
	// Image and Task are what Decision was made by.
	Image    *compile.Image
	Task     verdict.Task
	Access   verdict.Access
	Decision verdict.Decision
	// Seen is the object's path as the task reached it, empty if that is too long; Access.Path is the one that the rule names.
	Seen string
}

// Mechanism is how a denial by this package was decided.
const Mechanism = "fanotify"

// Release is what was let through without a verdict, because none came in time.
type Release struct {
	Time  time.Time
	Opens uint64
	By    Releaser
}

// Releaser says who released.
type Releaser string

// The releasers.
const (
	ByWatchdog Releaser = "watchdog" // this process judges too slowly
	ByKeeper   Releaser = "keeper"   // this process stood still as a whole; marks were gone until Release.Time
)

// Status is what a Guard is doing. Numbers count from Open on.
type Status struct {
	// Objects are marked paths and directories; Missing those that do not exist now.
	Objects, Missing int
	// Unguarded are the paths that cannot be marked, with the reason.
	Unguarded map[string]string
	// Keeper says that a second process watches over this one.
	Keeper bool
	// Asked = Denied + Allowed + Own + Released once nothing waits. Own are opens by this process itself.
	Asked, Denied, Allowed, Own, Released uint64
	// Kept are those that the keeper let through. What this process had read of them is in Released too.
	Kept uint64
	// Overflows are the kernel's own: at least one open each passed without being asked about.
	Overflows uint64
	// Failed are opens that the kernel refused by itself, because it could not make a descriptor for them.
	Failed uint64
}
