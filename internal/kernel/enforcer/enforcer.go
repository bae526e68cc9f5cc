//go:build linux

package enforcer

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/stockade-security/stockade/internal/kernel"
	"github.com/stockade-security/stockade/policy"
	"github.com/stockade-security/stockade/policy/compile"
)

// Config says where and for whom to enforce. Pins, State and Logger are required.
type Config struct {
	// Pins is the guard's directory on a bpf file system, State one for the images that are in force.
	Pins, State string
	// Trampolines: LSM programs can be attached here.
	Trampolines bool
	// CgroupRoot is where the cgroup v2 tree is mounted.
	CgroupRoot string
	// Scope bounds enforcement, as it bounds observation.
	Scope kernel.Scope
	// Users returns the numbers of a user that a policy names.
	Users  func(name string) []uint32
	Logger *slog.Logger
}

// Enforcer holds what is pinned. Apply, SetMode, SetSession and Release may be called from any goroutine, one at a time goes on;
// Drain and Decode belong to one goroutine.
type Enforcer struct {
	cfg    Config
	types  *btf.Spec
	cache  *btf.Cache // of types, for loading programs
	token  string     // of this process's links, to tell them from those of the one before
	reader *ringbuf.Reader

	mu     sync.Mutex
	maps   map[string]*ebpf.Map
	links  map[string]attached // by program
	words  uint32              // of an image's slot
	active slot
	mode   policy.Mode
	// inForce are the asks of the policy in force.
	inForce uint32
	tools   *ebpf.Collection // see tools.go; nil until the first change needs them
	// mounts is the host's table of them as it was named last, and round counts how often it was.
	mounts string
	round  uint32
	// base is what the programs had produced and lost before this process read of it, by CPU.
	base     map[uint16]account
	counting sync.Mutex // over base
	// images are those whose denials may still come, by generation; Decode must not wait for a change.
	images sync.Map
	// before are the links of an earlier process, by their pins. They go once those that take their place are there.
	before []string
}

// slot is what one holds. A generation of 0: nothing.
type slot struct {
	number, generation uint32
	digest             string
	since              time.Time
}

// Open makes the maps, or adopts those that are pinned: then what was in force before still is, and nothing is attached or
// detached until Apply. On an error nothing has changed.
func Open(cfg Config) (e *Enforcer, err error) {
	e = &Enforcer{
		cfg: cfg, token: newToken(),
		maps: map[string]*ebpf.Map{}, links: map[string]attached{}, base: map[uint16]account{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	if e.types, e.cache, err = kernel.LoadTypes(); err != nil {
		return e, fmt.Errorf("load the kernel's types: %w", err)
	}
	for _, dir := range []string{e.pins("maps"), e.pins("links")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return e, fmt.Errorf("make a directory for what is pinned: %w", err)
		}
	}
	if err := os.MkdirAll(cfg.State, 0o700); err != nil {
		return e, fmt.Errorf("make a directory for images: %w", err)
	}
	if err := e.openMaps(); err != nil {
		return e, err
	}
	if err := e.adopt(); err != nil {
		return e, err
	}
	if err := e.begin(); err != nil {
		return e, err
	}
	if e.reader, err = ringbuf.NewReader(e.maps["ring"]); err != nil {
		return e, fmt.Errorf("map the ring of denials: %w", err)
	}
	return e, nil
}

func newToken() string { return strconv.FormatInt(time.Now().UnixNano(), 16) }

// layoutVersion names the directory below Pins: what lies there has the layouts of this version, and no other reads it.
const layoutVersion = "1"

func (e *Enforcer) pins(names ...string) string {
	return filepath.Join(append([]string{e.cfg.Pins, layoutVersion}, names...)...)
}

// known is an image in force, and the mode that it is in force in.
type known struct {
	image *compile.Image
	mode  policy.Mode
}

// Pinned reports whether a guard has left anything pinned in a directory.
func Pinned(pins string) bool {
	entries, err := os.ReadDir(filepath.Join(pins, layoutVersion, "links"))
	return err == nil && len(entries) > 0
}

// Close lets go of what is pinned without touching it: it stays in force.
func (e *Enforcer) Close() error {
	var errs []error
	if e.reader != nil {
		errs = append(errs, e.reader.Close())
	}
	e.closeTools()
	for _, a := range e.links {
		errs = append(errs, a.link.Close())
	}
	for _, m := range e.maps {
		errs = append(errs, m.Close())
	}
	e.reader, e.links, e.maps = nil, nil, nil
	return errors.Join(errs...)
}

// Release ends all enforcement and removes every pin. Close must still be called.
func (e *Enforcer) Release() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	for program, a := range e.links {
		errs = append(errs, e.detach(a))
		delete(e.links, program)
	}
	errs = append(errs, e.dropBefore())
	e.active = slot{}
	return errors.Join(append(errs, RemovePins(e.cfg.Pins, e.cfg.State))...)
}

// RemovePins ends what a process that is gone has left in force. Nobody may hold it any more.
func RemovePins(pins, state string) error {
	return errors.Join(os.RemoveAll(pins), os.RemoveAll(imagePath(state, "")))
}
