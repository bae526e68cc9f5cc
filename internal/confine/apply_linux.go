package confine

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Detect asks the kernel what it can do.
func Detect() Kernel {
	var k Kernel
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	case errno == 0:
		k.Landlock = int(version)
	case errno == unix.EOPNOTSUPP:
		k.NoLandlock = "Landlock is not active in this kernel"
	case errno == unix.ENOSYS:
		k.NoLandlock = "this kernel has no Landlock"
	default:
		k.NoLandlock = "Landlock is not to be had: " + errno.Error()
	}
	action := uint32(returnErrno)
	switch _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action))); {
	case runtime.GOARCH != "amd64":
		k.NoSeccomp = "the tables of system calls are those of x86-64"
	case errno != 0:
		k.NoSeccomp = "seccomp is not to be had: " + errno.Error()
	}
	return k
}

// canWrite reports whether the user could change a directory anyway.
func canWrite(dir string) bool { return unix.Access(dir, unix.W_OK) == nil }

// Exec replaces the process by the command, held by the plan, and returns only if that fails. Then the calling thread may be
// confined already, and nothing is left to do but to say so and end: it stays locked to the goroutine. The command keeps the
// standard streams, every other descriptor that is inherited, signal dispositions but for those that are caught, and the
// process id. Errors wrap ErrNotFound or ErrNotExecutable if the command is to blame.
func (p *Plan) Exec(c *Command, env []string) error {
	image, err := newImage(c, env)
	if err != nil {
		return err
	}
	// Rights, filter and privilege are a thread's, and exec ends all threads but the one that asks for it.
	runtime.LockOSThread()
	// Package os raised the limit of open files, and syscall puts it back before it executes: here, nothing.
	_ = syscall.Exec("", c.Argv, env)
	for _, step := range []func() error{p.limit, p.renounce, p.restrict} {
		if err := step(); err != nil {
			return err
		}
	}
	err = p.start(image)
	switch {
	case errors.Is(err, unix.ENOENT): // the interpreter of a script or program
		err = fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOEXEC), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ETXTBSY):
		err = fmt.Errorf("%w: %w", ErrNotExecutable, err)
	}
	return fmt.Errorf("start %q: %w", c.Path, err)
}

// image is what execve takes.
type image struct {
	path      *byte
	argv, env []*byte
}

func newImage(c *Command, env []string) (i image, err error) {
	if i.path, err = syscall.BytePtrFromString(c.Path); err == nil {
		if i.argv, err = syscall.SlicePtrFromStrings(c.Argv); err == nil {
			i.env, err = syscall.SlicePtrFromStrings(env)
		}
	}
	return i, err
}

func (p *Plan) limit() error {
	if p.processes == 0 {
		return nil
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &limit); err != nil {
		return fmt.Errorf("read the limit of processes: %w", err)
	}
	limit.Max = min(limit.Max, p.processes)
	limit.Cur = min(limit.Cur, limit.Max)
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &limit); err != nil {
		return fmt.Errorf("limit processes: %w", err)
	}
	return nil
}

// renounce gives up privilege for good.
func (p *Plan) renounce() error {
	if !p.confined {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	if p.capabilities == 0 {
		return nil
	}
	if err := dropBounding(p.capabilities); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	for i := range sets {
		keep := ^uint32(p.capabilities >> (32 * i))
		sets[i].Effective &= keep
		sets[i].Permitted &= keep
		sets[i].Inheritable &= keep // the ambient set follows
	}
	if err := unix.Capset(&header, &sets[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// dropBounding keeps root's exec from giving capabilities back. Whoever may not change the bounding set gets none by exec
// either, unless he is root.
func dropBounding(mask uint64) error {
	for n := range uintptr(64) {
		if mask>>n&1 == 0 {
			continue
		}
		switch held, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, n, 0, 0, 0); {
		case errors.Is(err, unix.EINVAL):
			return nil // the kernel's last one was the one before
		case err != nil:
			return fmt.Errorf("read the capability bounding set: %w", err)
		case held == 0:
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, n, 0, 0, 0)
		if err != nil && (unix.Getuid() == 0 || unix.Geteuid() == 0) {
			return fmt.Errorf("drop capability %d from the bounding set: %w", n, err)
		}
	}
	return nil
}

// restrict makes the Landlock ruleset and puts the thread under it.
func (p *Plan) restrict() error {
	r := &p.landlock
	if r.empty() {
		return nil
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: uint64(r.handled)}
	size := unsafe.Sizeof(attr.Handled_access_fs) // of the first version, which knows no more
	if r.bind != nil {
		attr.Handled_access_net |= netBind
	}
	if r.connect != nil {
		attr.Handled_access_net |= netConnect
	}
	if attr.Handled_access_net != 0 {
		size += unsafe.Sizeof(attr.Handled_access_net)
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return fmt.Errorf("make a Landlock ruleset: %w", errno)
	}
	defer unix.Close(int(fd))
	for _, name := range r.sorted() {
		if err := addPath(fd, name, r.paths[name]); err != nil {
			return err
		}
	}
	if err := r.addPorts(fd); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return fmt.Errorf("restrict by Landlock (at most 16 rulesets stack): %w", errno)
	}
	return nil
}

// addPath grants rights for the file that has that path now. A path that leads elsewhere than it did, or nowhere any more, is
// granted nothing, and neither is one that this user cannot reach.
func addPath(ruleset uintptr, name string, rights access) error {
	fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EACCES) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %q for Landlock: %w", name, err)
	}
	defer unix.Close(fd)
	real, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return fmt.Errorf("ask for the path of %q: %w", name, err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return fmt.Errorf("look at %q: %w", name, err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= accessOfFile
	}
	if real != name || rights == 0 {
		return nil
	}
	attr := unix.LandlockPathBeneathAttr{Allowed_access: uint64(rights), Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, ruleset, unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("grant %q by Landlock: %w", name, errno)
	}
	return nil
}

func (r *ruleset) addPorts(ruleset uintptr) error {
	const rulePort = 2 // LANDLOCK_RULE_NET_PORT
	for n := range 1 << 16 {
		var attr struct{ access, port uint64 }
		attr.port = uint64(n)
		if r.bind != nil && r.bind.has(uint16(n)) {
			attr.access |= netBind
		}
		if r.connect != nil && r.connect.has(uint16(n)) {
			attr.access |= netConnect
		}
		if attr.access == 0 {
			continue
		}
		if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, ruleset, rulePort, uintptr(unsafe.Pointer(&attr)), 0, 0, 0); errno != 0 {
			return fmt.Errorf("grant port %d by Landlock: %w", n, errno)
		}
	}
	return nil
}

// start loads the filter and executes. The two calls stand side by side because a filter may leave the runtime none of those
// that it makes for memory and threads.
func (p *Plan) start(i image) error {
	var filter *unix.SockFprog
	if p.filter != nil {
		if len(p.filter) > maxFilter {
			return fmt.Errorf("the filter has %d instructions, and the kernel takes %d", len(p.filter), maxFilter)
		}
		list := make([]unix.SockFilter, len(p.filter))
		for i, in := range p.filter {
			list[i] = unix.SockFilter{Code: in.op, Jt: in.jt, Jf: in.jf, K: in.k}
		}
		filter = &unix.SockFprog{Len: uint16(len(list)), Filter: &list[0]}
	}
	debug.SetGCPercent(-1)
	if filter != nil {
		if _, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(filter))); errno != 0 {
			return fmt.Errorf("load the seccomp filter: %w", errno)
		}
	}
	_, _, errno := unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(i.path)), uintptr(unsafe.Pointer(&i.argv[0])), uintptr(unsafe.Pointer(&i.env[0])))
	return errno
}
