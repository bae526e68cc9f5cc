// Package identity knows who did something: it keeps the process table with lineage, and what belongs to a process:
// user, cgroup, systemd unit, container and the executable's digest.
//
// Kernel records are applied to a Table in their order; every event then asks it for the process of a pid and start
// time. Neither ever reads a file: what must be looked up in /proc, the cgroup tree, a container runtime or the
// executable is fetched by the goroutines of Run and appears in a later version of the process. The package refuses
// to guess: what is not known stays empty, and what had to be dropped is counted. A process's parents are as they were
// when they forked; its working directory is that of its last exec.
package identity

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/stockade-security/stockade/event"
)

// Config says how much a Table may keep and where it finds things. The zero value is the default throughout.
type Config struct {
	// MaxBytes bounds what the table keeps, strings included; 0: 32 MiB. Caches of a fixed number of cgroup names,
	// digests and container names come on top, some 2 MiB when full.
	MaxBytes int64
	// ExitGrace is how long an exited process stays known for late records, in the kernel's time; 0: 30 s.
	ExitGrace time.Duration
	// MaxExited bounds the exited processes kept; 0: 8192.
	MaxExited int
	// Procfs is where /proc is mounted, Passwd the user database; empty: /proc and /etc/passwd.
	Procfs, Passwd string
	// Boot is the wall clock at boot and SinceNS the time since boot when the guard started; processes that started
	// before it are marked Existing. Zero: asked of the kernel.
	Boot    time.Time
	SinceNS uint64
	// KeepSecrets switches off the redaction of arguments; SecretKeys names more options and variables to redact.
	KeepSecrets bool
	SecretKeys  []string
	Hash        HashConfig
	Runtimes    RuntimeConfig
}

func (c Config) withDefaults() Config {
	setDefault(&c.MaxBytes, 32<<20)
	setDefault(&c.ExitGrace, 30*time.Second)
	setDefault(&c.MaxExited, 8192)
	setDefault(&c.Procfs, "/proc")
	setDefault(&c.Passwd, "/etc/passwd")
	if c.Boot.IsZero() || c.SinceNS == 0 {
		boot, since := bootClock()
		if c.Boot.IsZero() {
			c.Boot = boot
		}
		setDefault(&c.SinceNS, since)
	}
	c.Hash = c.Hash.withDefaults()
	c.Runtimes = c.Runtimes.withDefaults()
	return c
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Table is the process table. Records (Fork, Exec, Exit and so on) come from one goroutine, in the order in which
// the kernel made them; Lookup, Latest, Newest, Processes, Snapshot and Stats may be called from any. Use New.
type Table struct {
	cfg    Config
	redact Redactor
	users  *users
	hashes *hasher
	// cgroupfs and runtimes are used by the goroutines of Run alone.
	cgroupfs *cgroupfs
	runtimes *runtimes

	fills      queue[processKey]
	cgroupAsks queue[uint64]
	askRuntime queue[containerKey]

	mu      sync.RWMutex
	byPID   map[int]*entry // the youngest of that pid; older ones hang on it
	cgroups map[uint64]*cgroup
	caps    map[uint64][]string
	strings interner
	live    entryList // second chance: the head is the next to be looked at
	exited  entryList // oldest exit first; without live children
	bytes   int64
	nowNS   uint64
	stats   Stats // the counters only
}

// Stats counts what a table holds and what it had to give up.
type Stats struct {
	// Exited processes that still have a live child count as Live.
	Live, Exited int
	// Bytes is the estimate that Config.MaxBytes bounds.
	Bytes int64
	// EvictedExited and EvictedLive are processes dropped before their time to stay within MaxBytes.
	EvictedExited, EvictedLive uint64
	// Unknown counts processes first heard of through a record that does not describe them; Filled is how many were
	// completed from /proc, FillFailed how many were gone or replaced by then.
	Unknown, Filled, FillFailed uint64
	// The questions that were not asked because a queue was full.
	FillDropped, CgroupDropped, RuntimeDropped, HashDropped uint64
	// CgroupFailed, RuntimeFailed and HashFailed are questions without an answer; Hashed counts files read.
	CgroupFailed, RuntimeFailed, HashFailed, Hashed uint64
}

// New makes an empty table. Nothing runs until Run, and nothing is known of older processes until Snapshot.
func New(cfg Config) *Table {
	cfg = cfg.withDefaults()
	t := &Table{
		cfg:        cfg,
		redact:     Redactor{Keys: cfg.SecretKeys},
		users:      newUsers(cfg.Passwd),
		hashes:     newHasher(cfg.Hash, cfg.Procfs),
		cgroupfs:   newCgroupfs(cfg.Procfs),
		runtimes:   newRuntimes(cfg.Runtimes),
		fills:      newQueue[processKey](4096),
		cgroupAsks: newQueue[uint64](1024),
		askRuntime: newQueue[containerKey](256),
		byPID:      make(map[int]*entry),
		cgroups:    make(map[uint64]*cgroup),
		caps:       make(map[uint64][]string),
		strings:    newInterner(),
	}
	t.bytes = t.strings.bytes
	return t
}

// Stats returns the counts as of now.
func (t *Table) Stats() Stats {
	t.mu.RLock()
	defer t.mu.RUnlock()
	s := t.stats
	s.Live, s.Exited, s.Bytes = t.live.n, t.exited.n, t.bytes
	s.FillDropped = t.fills.dropped.Load()
	s.CgroupDropped = t.cgroupAsks.dropped.Load()
	s.RuntimeDropped = t.askRuntime.dropped.Load()
	s.HashDropped = t.hashes.asks.dropped.Load()
	s.HashFailed, s.Hashed = t.hashes.failed.Load(), t.hashes.hashed.Load()
	return s
}

// processKey names a process for a question; start may be precise to a clock tick only.
type processKey struct {
	pid   int
	start uint64
}

// facet says which parts of a process are known from a record, and so must not be overwritten from /proc.
type facet uint8

const (
	hasImage facet = 1 << iota
	hasIDs
	hasCgroup
	hasNamespaces
	hasParent
	hasAll = hasImage | hasIDs | hasCgroup | hasNamespaces | hasParent
)

// entry is one process. All but touched is guarded by the table's lock.
type entry struct {
	pid   int
	start uint64
	exact bool // start is the kernel's; else it is a clock tick's lower end
	has   facet
	proc  *event.Process

	older      *entry // the same pid before it was reused
	prev, next *entry
	list       *entryList
	gone       bool // removed from the table

	parent *entry // nil once the process has exited
	kids   int    // children that have not exited
	exited bool
	exitNS uint64

	img      *image
	line     *line // its parents
	asParent *line // what its children get; nil until it forks
	cg       *cgroup
	seen     uint32 // the versions of img and cg that are in proc
	asked    bool   // /proc has been asked for what is missing
	// touched by a reader since the evictor looked last; a record moves the entry to the list's end.
	touched atomic.Bool
}

func (e *entry) stamp() uint32 {
	var s uint32
	if e.img != nil {
		s = e.img.version
	}
	if e.cg != nil {
		s += e.cg.version
	}
	return s
}

func (e *entry) touch() {
	if !e.touched.Load() {
		e.touched.Store(true)
	}
}

// entryList is a doubly linked list through prev and next.
type entryList struct {
	head, tail *entry
	n          int
}

func (l *entryList) push(e *entry) {
	e.list, e.prev, e.next = l, l.tail, nil
	if l.tail == nil {
		l.head = e
	} else {
		l.tail.next = e
	}
	l.tail = e
	l.n++
}

func (e *entry) unlist() {
	l := e.list
	if l == nil {
		return
	}
	if e.prev == nil {
		l.head = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		l.tail = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.list, e.prev, e.next = nil, nil, nil
	l.n--
}

// queue holds questions for a goroutine of Run; offer never waits.
type queue[T any] struct {
	ch      chan T
	dropped *atomic.Uint64
}

func newQueue[T any](n int) queue[T] {
	return queue[T]{ch: make(chan T, n), dropped: new(atomic.Uint64)}
}

func (q queue[T]) offer(v T) bool {
	select {
	case q.ch <- v:
		return true
	default:
		q.dropped.Add(1)
		return false
	}
}
