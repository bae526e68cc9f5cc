package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// check is one mechanism and how to try it.
type check struct {
	name, purpose string
	// root: trying it needs privileges.
	root bool
	// evidence says how it is tried; try may return a better text.
	evidence string
	remedy   string
	try      func(context.Context) (evidence string, err error)
}

// refusal is an error that says by itself what is wrong and what to change.
type refusal struct {
	reason, remedy string
	// unknown: the mechanism may be there all the same.
	unknown bool
}

func (r *refusal) Error() string { return r.reason }

// Run tries every mechanism in turn. It works without privileges, and then says what it could not try.
// What is left when ctx ends is reported as unknown.
func Run(ctx context.Context) Report {
	h := look()
	r := Report{Kernel: h.release, Arch: runtime.GOARCH}
	privileges := h.privileges()
	for _, c := range checks(h) {
		r.Mechanisms = append(r.Mechanisms, c.run(ctx, privileges))
	}
	r.Observe, r.Enforce = r.observe(), r.enforce()
	return r
}

// run tries one mechanism. A panic in it, which would be a fault of this package or a library, becomes its reason.
func (c check) run(ctx context.Context, privileges error) (m Mechanism) {
	m = Mechanism{Name: c.name, Purpose: c.purpose, Evidence: c.evidence}
	if err := ctx.Err(); err != nil {
		m.Unknown, m.Reason, m.Evidence = true, "there was no time to try it", err.Error()
		return m
	}
	if c.root && privileges != nil {
		m.Unknown, m.Reason, m.Remedy, m.Evidence = true, "it cannot be tried without root", "run it with sudo", "not tried: "+privileges.Error()
		return m
	}
	defer func() {
		if p := recover(); p != nil {
			m.Available, m.Reason = false, fmt.Sprintf("trying it failed in an unforeseen way: %v", p)
		}
	}()
	evidence, err := c.try(ctx)
	if evidence != "" {
		m.Evidence = evidence
	}
	m.Available = err == nil
	if err != nil {
		m.Reason, m.Remedy, m.Unknown = explain(err, c.remedy)
	}
	return m
}

// explain turns an error into a reason and a remedy.
func explain(err error, otherwise string) (reason, remedy string, unknown bool) {
	var e *Error
	if errors.As(err, &e) {
		return e.Error(), e.Hint(), false
	}
	var r *refusal
	if errors.As(err, &r) {
		return r.reason, r.remedy, r.unknown
	}
	return "the kernel refuses it (" + cause(err) + ")", otherwise, false
}

// checks lists all mechanisms, the foundations first.
func checks(h host) []check {
	list := foundations(h)
	list = append(list, hooks()...)
	list = append(list, features()...)
	list = append(list, networking()...)
	return append(list, others()...)
}

// plain wraps a try that has no text of its own.
func plain(try func() error) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return "", try() }
}

// loads wraps the loading of a program that returns value.
func loads(kind ebpf.ProgramType, at ebpf.AttachType, value int32) func(context.Context) (string, error) {
	return plain(func() error {
		return load(&ebpf.ProgramSpec{Type: kind, AttachType: at, Instructions: returning(value)})
	})
}

func foundations(h host) []check {
	return []check{
		{
			name: "kernel_version", purpose: fmt.Sprintf("everything: tested from %d.%d on", FloorMajor, FloorMinor),
			evidence: "uname: " + h.release,
			try:      plain(h.version),
		},
		{
			name: "privileges", purpose: "everything but stockade exec",
			evidence: fmt.Sprintf("effective capabilities %#x", h.caps),
			try:      plain(h.privileges),
		},
		{
			name: "host_pid_namespace", purpose: "right process numbers in every event",
			evidence: "compare the inode of /proc/self/ns/pid",
			try: plain(func() error {
				if firstNamespace("pid", 0xEFFFFFFC) {
					return nil
				}
				return &refusal{reason: "this is a PID namespace of its own, where most processes have other numbers or none", remedy: "run it in the host's PID namespace (docker run --pid=host)"}
			}),
		},
		{
			name: "btf", purpose: "every program that reads kernel structures",
			evidence: "open " + vmlinuxBTF,
			try:      plain(checkBTF),
		},
		{
			name: "bpf_syscall", purpose: "every kernel program", root: true,
			evidence: "make a map",
			try:      plain(checkBPF),
		},
		{
			name: "kernel_reads", purpose: "every sensor's fields", root: true,
			evidence: "load a program that calls bpf_probe_read_kernel",
			try:      plain(checkKernelReads),
		},
		{
			name: "lockdown_level", purpose: "knowing what the kernel refuses even to root",
			evidence: "read /sys/kernel/security/lockdown",
			try:      lockdownLevel,
		},
		{
			name: "bpffs", purpose: "programs that outlive the daemon",
			evidence: "statfs of " + BPFFS,
			try:      plain(checkBPFFS),
		},
		{
			name: "kernel_modules", purpose: "the module sensor and module rules",
			evidence: "look for /proc/modules",
			try: plain(func() error {
				if _, err := os.Stat("/proc/modules"); err != nil {
					return &refusal{reason: "this kernel is built without modules, so there is nothing to watch or to forbid"}
				}
				return nil
			}),
		},
	}
}

// lockdownLevel is about knowing the level, not about the level being none.
func lockdownLevel(context.Context) (string, error) {
	text, err := os.ReadFile("/sys/kernel/security/lockdown")
	if err == nil {
		return "/sys/kernel/security/lockdown: " + strings.TrimSpace(string(text)), nil
	}
	return "", securityfsMissing("lockdown", "boot a kernel built with CONFIG_SECURITY_LOCKDOWN_LSM=y, if you want lockdown")
}

// securityfsMissing tells a file system that is not mounted from a kernel that has no such file.
func securityfsMissing(name, remedy string) error {
	var st unix.Statfs_t
	if err := unix.Statfs("/sys/kernel/security", &st); err != nil || st.Type != unix.SECURITYFS_MAGIC {
		return &refusal{reason: "securityfs is not mounted on /sys/kernel/security", remedy: "mount -t securityfs securityfs /sys/kernel/security", unknown: true}
	}
	return &refusal{reason: "the kernel has no /sys/kernel/security/" + name, remedy: remedy}
}

const (
	trampolineRemedy = "boot a distribution's own kernel: it needs CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS=y and CONFIG_BPF_LSM=y"
	lsmRemedy        = "boot with bpf in the LSM list: append lsm=LIST,bpf to the command line, where LIST is the list of /sys/kernel/security/lsm"
)

func hooks() []check {
	return []check{
		{
			name: "raw_tracepoint", purpose: "all sensors on the tracepoint rung", root: true,
			evidence: "load, and attach to sched_process_exit",
			remedy:   "boot a kernel built with CONFIG_BPF_EVENTS=y",
			try: plain(func() error {
				return attach(&ebpf.ProgramSpec{Type: ebpf.RawTracepoint, Instructions: returning(0)}, func(p *ebpf.Program) (link.Link, error) {
					return link.AttachRawTracepoint(link.RawTracepointOptions{Name: "sched_process_exit", Program: p})
				})
			}),
		},
		{
			name: "tp_btf", purpose: "process, signal and network state sensors on both rungs", root: true,
			evidence: "load, and attach to sched_process_exit",
			remedy:   "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y and CONFIG_BPF_EVENTS=y",
			try: plain(func() error {
				spec := &ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "sched_process_exit", Instructions: returning(0)}
				return attach(spec, func(p *ebpf.Program) (link.Link, error) {
					return link.AttachTracing(link.TracingOptions{Program: p})
				})
			}),
		},
		{
			name: "fexit", purpose: "results and durations on the LSM rung", root: true,
			evidence: "attach to bpf_fentry_test1 and have the kernel call it",
			remedy:   trampolineRemedy,
			try:      plain(tryFexit),
		},
		{
			name: "lsm_active", purpose: "knowing the active LSMs before trying", evidence: "read /sys/kernel/security/lsm",
			remedy: lsmRemedy,
			try:    lsmActive,
		},
		{
			name: "lsm", purpose: "file and system sensors on the kernel's own objects; preventing exec, file and system accesses", root: true,
			evidence: "attach to task_getpgid and call getpgid(2)",
			try:      plain(lsmWorks),
		},
		{
			name: "kprobe", purpose: "nothing that Stockade ships; the operator's own modules", root: true,
			evidence: "attach to commit_creds",
			remedy:   "boot without lockdown=confidentiality, which forbids them",
			try:      plain(kprobe),
		},
	}
}

// lsmActive says whether bpf is in the list of active LSMs.
func lsmActive(context.Context) (string, error) {
	text, err := os.ReadFile("/sys/kernel/security/lsm")
	if err != nil {
		return "", securityfsMissing("lsm", "boot a kernel built with CONFIG_SECURITY=y")
	}
	list := strings.TrimSpace(string(text))
	evidence := "/sys/kernel/security/lsm: " + list
	for name := range strings.SplitSeq(list, ",") {
		if name == "bpf" {
			return evidence, nil
		}
	}
	return evidence, &refusal{reason: "bpf is not in the list of active LSMs", remedy: "append lsm=" + list + ",bpf to the kernel's command line, and boot again"}
}

// lsmWorks tells a hook that is never called from programs that are refused.
func lsmWorks() error {
	err := tryLSM()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errSilent):
		return &refusal{reason: "LSM programs attach but are never called, because bpf is not in the list of active LSMs", remedy: lsmRemedy}
	case tryFexit() != nil:
		return &refusal{reason: "the kernel refuses LSM programs, as it does all trampolines (" + cause(err) + ")", remedy: trampolineRemedy}
	default:
		return &refusal{reason: "the kernel refuses LSM programs (" + cause(err) + ")", remedy: "boot a kernel built with CONFIG_BPF_LSM=y"}
	}
}

// kprobe looks for the perf event source first: without it the library would write to tracefs, where a probe can outlive us.
func kprobe() error {
	if _, err := os.Stat("/sys/bus/event_source/devices/kprobe/type"); err != nil {
		return &refusal{reason: "this kernel is built without kprobes", remedy: "boot a kernel built with CONFIG_KPROBE_EVENTS=y"}
	}
	return attach(&ebpf.ProgramSpec{Type: ebpf.Kprobe, Instructions: returning(0)}, func(p *ebpf.Program) (link.Link, error) {
		return link.Kprobe("commit_creds", p, nil)
	})
}

func features() []check {
	newer := "boot a newer kernel"
	return []check{
		{name: "ring_buffer", purpose: "every event's way to user space", root: true, evidence: "make one and load a program that writes to it", remedy: newer, try: plain(ring)},
		{name: "bpf_loop", purpose: "path walks and matching", root: true, evidence: "load a program with a callback", remedy: newer, try: plain(loop)},
		{name: "bpf_timer", purpose: "rollback of an unconfirmed policy", root: true, evidence: "load a program that initialises one", remedy: newer, try: plain(timer)},
		{name: "task_iterator", purpose: "labelling processes that run already", root: true, evidence: "read one to its end", remedy: newer, try: plain(taskIterator)},
		{
			name: "task_storage_tracing", purpose: "labels in tracing programs", root: true, evidence: "load a tp_btf program that makes storage", remedy: newer,
			try: plain(func() error {
				return taskStorage(ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "sched_process_exit"}, 0)
			}),
		},
		{
			name: "task_storage_lsm", purpose: "labels and scratch space in LSM programs", root: true, evidence: "load an LSM program that makes storage",
			remedy: "see lsm: what stands in its way stands in the way of this too",
			try: plain(func() error {
				return taskStorage(ebpf.ProgramSpec{Type: ebpf.LSM, AttachType: ebpf.AttachLSMMac, AttachTo: "task_getpgid"}, 0)
			}),
		},
		{
			name: "task_storage_cgroup", purpose: "labelling sockets where LSM programs are refused", root: true, evidence: "load a sock_create program that makes storage",
			remedy: "boot kernel 6.18 or later, or use the LSM rung",
			try: plain(func() error {
				return taskStorage(ebpf.ProgramSpec{Type: ebpf.CGroupSock, AttachType: ebpf.AttachCGroupInetSockCreate}, 1)
			}),
		},
		{name: "socket_storage", purpose: "labels of sockets in cgroup programs", root: true, evidence: "load a connect4 program that makes storage", remedy: newer, try: plain(socketStorage)},
	}
}

// landlockABI asks for the version (LANDLOCK_CREATE_RULESET_VERSION).
func landlockABI(context.Context) (string, error) {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1)
	switch errno {
	case 0:
		return fmt.Sprintf("ABI version %d", version), nil
	case unix.EOPNOTSUPP:
		return "", &refusal{reason: "Landlock is built in but not active", remedy: "put landlock in the lsm= list of the kernel's command line"}
	default:
		return "", &refusal{reason: "this kernel has no Landlock (" + errno.Error() + ")", remedy: "boot a kernel built with CONFIG_SECURITY_LANDLOCK=y, 5.13 or later"}
	}
}

// seccompKill asks whether a filter may kill the process (SECCOMP_GET_ACTION_AVAIL, SECCOMP_RET_KILL_PROCESS).
func seccompKill() error {
	action := uint32(0x80000000)
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, 2, 0, uintptr(unsafe.Pointer(&action))); errno != 0 {
		return errno
	}
	return nil
}
