//go:build linux

package enforcer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// The programs that this process runs, or opens, itself.
const (
	toolRelabel   = "relabel_tasks"
	toolBindMount = "bind_mount"
	toolBindRoot  = "bind_root"
	toolBindFile  = "bind_file"
	toolGlassFile = "glass_file"
)

// openTools loads them, once.
func (e *Enforcer) openTools() error {
	if e.tools != nil {
		return nil
	}
	f := identityFamily()
	var hooks []hook
	for _, h := range f.hooks {
		if h.detached {
			hooks = append(hooks, h)
		}
	}
	c, err := e.load(f, hooks)
	if err != nil {
		return err
	}
	e.tools = c
	return nil
}

// closeTools has them loaded again when they are needed next.
func (e *Enforcer) closeTools() {
	if e.tools != nil {
		e.tools.Close()
	}
	e.tools = nil
}

// run runs a tool in this thread, whose descriptors it looks at.
func (e *Enforcer) run(tool string, context any) error {
	status, err := e.tools.Programs[tool].Run(&ebpf.RunOptions{Context: context})
	if err != nil {
		return fmt.Errorf("run %s: %w", tool, err)
	}
	if int32(status) < 0 {
		return fmt.Errorf("%s: %w", tool, unix.Errno(-int32(status)))
	}
	return nil
}

// onPath runs a tool with a descriptor of what is at a path. A symbolic link is not followed, as rules are about what it
// leads to; that there is nothing is no error.
func onPath(path string, run func(fd int) error) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil //nolint:nilerr // rules may name what is not there yet
	}
	defer unix.Close(fd)
	return run(fd)
}

// names tells the programs where the host has mounted what, who is of the break-glass set, and which files the exact paths
// of the policy are.
func (c *change) names() error {
	if c.asks == 0 {
		return nil
	}
	if err := c.openTools(); err != nil {
		return err
	}
	if err := c.nameMounts(); err != nil {
		return err
	}
	for _, pattern := range glassFiles {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := onPath(path, func(fd int) error { return c.run(toolGlassFile, &identityDescriptor{Fd: int32(fd)}) }); err != nil {
				return err
			}
		}
	}
	for path, place := range c.laid.Texts {
		bind := func(fd int) error {
			var stat unix.Stat_t
			if err := unix.Fstat(fd, &stat); err != nil || stat.Mode&unix.S_IFMT == unix.S_IFLNK {
				return err
			}
			return c.run(toolBindFile, &identityFileBinding{Fd: int32(fd), Slot: c.new.number, Place: place})
		}
		if err := onPath(path, bind); err != nil {
			return fmt.Errorf("bind the file at %s: %w", path, err)
		}
	}
	return nil
}

// glassFiles are who lets people in: with break-glass they can always do so.
var glassFiles = []string{"/usr/sbin/sshd", "/usr/lib/openssh/sshd-*", "/usr/libexec/openssh/sshd-*", "/usr/libexec/sshd-*", "/bin/login", "/usr/bin/login", "/sbin/agetty", "/usr/sbin/agetty"}

// maxPrefix is how long the path of a mount may be: PREFIX_MAX of names.h, less one.
const maxPrefix = 255

// FollowMounts has the programs know of what the host has mounted since, if it has. It costs a look at a file of /proc otherwise.
func (e *Enforcer) FollowMounts() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.tools == nil || e.inForce == 0 {
		return nil
	}
	return e.nameMounts()
}

// nameMounts enters the host's mounts, those of process 1: of each file system the first that shows it from its root.
func (e *Enforcer) nameMounts() error {
	root, text, err := hostMounts()
	if err != nil || text == e.mounts {
		return err
	}
	e.round++
	bindAt := func(path string, run func(fd int) error) error {
		fd, err := unix.Open(filepath.Join(root, path), unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return &fs.PathError{Op: "open", Path: path, Err: err}
		}
		defer unix.Close(fd)
		return run(fd)
	}
	if err := bindAt("/", func(fd int) error { return e.run(toolBindRoot, &identityDescriptor{Fd: int32(fd)}) }); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, m := range mounts(text) {
		if seen[m.device] || m.root != "/" && m.point != "/" {
			continue
		}
		if len(m.point) > maxPrefix {
			e.cfg.Logger.Warn("a mount's path is too long: its files are judged by the names that tasks see alone", "path", m.point)
			continue
		}
		seen[m.device] = true
		binding := identityMountBinding{Round: e.round}
		if m.point != "/" {
			binding.Bytes = uint32(copy(binding.Prefix[:], m.point))
		}
		err := bindAt(m.point, func(fd int) error {
			binding.Fd = int32(fd)
			return e.run(toolBindMount, &binding)
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("name the mount at %s: %w", m.point, err)
		}
	}
	if err := e.forgetMounts(); err != nil {
		return err
	}
	e.mounts = text
	return nil
}

// forgetMounts removes what the last round has not found: another file system may get the same place in memory.
func (e *Enforcer) forgetMounts() error {
	var key uint64
	var m fileHostMount
	var gone []uint64
	it := e.maps["host_mounts"].Iterate()
	for it.Next(&key, &m) {
		if m.Round != e.round {
			gone = append(gone, key)
		}
	}
	errs := []error{it.Err()}
	for _, key := range gone {
		errs = append(errs, e.maps["host_mounts"].Delete(key))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("forget mounts: %w", err)
	}
	return nil
}

// hostMounts returns where the root of process 1 can be reached, and its table of mounts. Where process 1 hides both, as in some
// containers, the guard's own namespace is taken for the host's.
func hostMounts() (root, text string, err error) {
	root = "/proc/1/root"
	data, err := os.ReadFile("/proc/1/mountinfo")
	if _, e := os.Stat(root + "/"); err != nil || e != nil {
		root = "/"
		data, err = os.ReadFile("/proc/self/mountinfo")
	}
	if err != nil {
		return "", "", fmt.Errorf("read the host's mounts: %w", err)
	}
	return root, string(data), nil
}

// mount is a line of mountinfo (proc_pid_mountinfo(5)).
type mount struct{ device, root, point string }

func mounts(text string) []mount {
	var out []mount
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 4 {
			out = append(out, mount{device: f[2], root: unescape(f[3]), point: unescape(f[4])})
		}
	}
	return out
}

// unescape undoes the octal numbers of mountinfo.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace

// maxPasses bounds how often the tasks are gone through: as deep as anybody nests processes.
const maxPasses = 64

// label works out who every task is in the new image, and has new tasks labelled for it from now on.
func (c *change) label() error {
	if c.asks == 0 {
		return nil
	}
	if err := c.setLabelling(c.old, c.new); err != nil {
		return err
	}
	for range maxPasses {
		changed, err := c.relabel()
		if err != nil {
			return err
		}
		if !changed {
			return nil
		}
	}
	return errors.New("the tasks change faster than they can be labelled")
}

// relabel goes through all tasks once. Returns whether a label has changed.
func (e *Enforcer) relabel() (changed bool, err error) {
	before, err := e.labelCounts()
	if err != nil {
		return false, err
	}
	it, err := link.AttachIter(link.IterOptions{Program: e.tools.Programs[toolRelabel]})
	if err != nil {
		return false, fmt.Errorf("go through the tasks: %w", err)
	}
	defer it.Close()
	r, err := it.Open()
	if err != nil {
		return false, fmt.Errorf("go through the tasks: %w", err)
	}
	defer r.Close()
	if _, err := io.Copy(io.Discard, r); err != nil {
		return false, fmt.Errorf("go through the tasks: %w", err)
	}
	after, err := e.labelCounts()
	if err != nil {
		return false, err
	}
	if n := after.Failed - before.Failed; n > 0 {
		return false, fmt.Errorf("%d tasks could not be labelled: there was no memory", n)
	}
	return after.Changed != before.Changed, nil
}

// labelCounts are since the maps were made.
func (e *Enforcer) labelCounts() (n identityLabelling, err error) {
	if err := e.maps["labelled"].Lookup(uint32(0), &n); err != nil {
		return n, fmt.Errorf("read the counts of labels: %w", err)
	}
	return n, nil
}

// unbind forgets the files that a slot's image bound.
func (e *Enforcer) unbind(s slot) error {
	if s.generation == 0 {
		return nil
	}
	var key fileBoundKey
	var place uint32
	var gone []fileBoundKey
	for it := e.maps["bound"].Iterate(); it.Next(&key, &place); {
		if key.Slot == s.number {
			gone = append(gone, key)
		}
	}
	for _, key := range slices.Compact(gone) {
		if err := e.maps["bound"].Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("forget a bound file: %w", err)
		}
	}
	return nil
}
