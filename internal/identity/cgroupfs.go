package identity

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// cgroupNames bounds the names kept for cgroups that no process of the table is in.
	cgroupNames = 4096
	// cgroupScanLimit bounds the directories looked at in one walk, cgroupScanPause the walks.
	cgroupScanLimit = 50_000
	cgroupScanPause = time.Second
)

// cgroupfs turns cgroup ids into paths. path is for one goroutine, the rest for any.
type cgroupfs struct {
	procfs   string
	mount    func() string // where cgroup2 is mounted; empty: nowhere
	paths    *lru.Cache[uint64, string]
	lastScan time.Time
}

func newCgroupfs(procfs string) *cgroupfs {
	paths, err := lru.New[uint64, string](cgroupNames)
	if err != nil {
		panic(err) // only for a size below 1
	}
	c := &cgroupfs{procfs: procfs, paths: paths}
	c.mount = sync.OnceValue(c.findMount)
	return c
}

// cached returns the path of a cgroup that has been seen, gone or not.
func (c *cgroupfs) cached(id uint64) (string, bool) { return c.paths.Get(id) }

// path finds the path of a cgroup: known, by its handle, or by walking the tree, at most once in cgroupScanPause.
func (c *cgroupfs) path(id uint64) (string, bool) {
	if p, ok := c.paths.Get(id); ok {
		return p, true
	}
	if p, ok := c.byHandle(id); ok {
		c.paths.Add(id, p)
		return p, true
	}
	if time.Since(c.lastScan) >= cgroupScanPause {
		c.scan()
		c.lastScan = time.Now()
	}
	return c.paths.Get(id)
}
