package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

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
	return append(list, facilities()...)
}

// plain wraps a try that has no text of its own.
func plain(try func() error) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return "", try() }
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
