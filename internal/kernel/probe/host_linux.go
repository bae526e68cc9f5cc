package probe

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const vmlinuxBTF = "/sys/kernel/btf/vmlinux"

// host is what can be known without trying anything.
type host struct {
	release, machine string
	major, minor     int
	euid             int
	caps             uint64
	// userNamespace: this process is not in the first user namespace, so its capabilities do not count for bpf(2).
	userNamespace bool
}

func look() host {
	h := host{euid: os.Geteuid()}
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		h.release, h.machine = unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Machine[:])
	}
	// A release that does not parse leaves 0.0, which is too old: the version is the reason shown then.
	_, _ = fmt.Sscanf(h.release, "%d.%d", &h.major, &h.minor)
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err == nil {
		h.caps = uint64(data[0].Effective) | uint64(data[1].Effective)<<32
	}
	h.userNamespace = !firstNamespace("user", 0xEFFFFFFD)
	return h
}

// firstNamespace compares a namespace of this process with the fixed inode number that the kernel gives to the first of its
// type (include/linux/proc_ns.h). A namespace that cannot be read counts as the first.
func firstNamespace(kind string, first uint64) bool {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/"+kind, &st); err != nil {
		return true
	}
	return st.Ino == first
}

func (h host) tooOld() bool {
	return h.major < FloorMajor || h.major == FloorMajor && h.minor < FloorMinor
}

// missingCaps names the capabilities that the guard needs and this process has not.
func (h host) missingCaps() []string {
	needed := []struct {
		bit  int
		name string
	}{
		{unix.CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"},
		{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN"},
		{unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE"},
		{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
	}
	var missing []string
	for _, c := range needed {
		if h.caps&(1<<c.bit) == 0 {
			missing = append(missing, c.name)
		}
	}
	return missing
}

// privileges returns an *Error with NotRoot, or nil.
func (h host) privileges() error {
	if h.userNamespace {
		return &Error{
			Lack: NotRoot,
			text: "root inside a user namespace may not load kernel programs",
			hint: "run it as root on the host itself, not in a rootless container",
		}
	}
	missing := strings.Join(h.missingCaps(), ", ")
	switch {
	case missing == "":
		return nil
	case h.euid == 0:
		return &Error{
			Lack: NotRoot,
			text: "this root has no " + missing,
			hint: "run it on the host itself, or in a container that has these capabilities",
		}
	default:
		return &Error{Lack: NotRoot, text: "not root: there is no " + missing, hint: "run it with sudo"}
	}
}

// Ready checks in a few milliseconds whether the guard can start at all. It returns nil or an *Error, for the first lack found.
func Ready() error {
	h := look()
	if err := h.version(); err != nil {
		return err
	}
	if err := checkBTF(); err != nil {
		return err
	}
	if err := h.privileges(); err != nil {
		return err
	}
	if err := checkBPF(); err != nil {
		return err
	}
	if err := checkKernelReads(); err != nil {
		return err
	}
	return checkBPFFS()
}

func (h host) version() error {
	if !h.tooOld() {
		return nil
	}
	return &Error{
		Lack: KernelTooOld,
		text: fmt.Sprintf("kernel %s is too old: the guard needs %d.%d or later", h.release, FloorMajor, FloorMinor),
		hint: "boot a newer kernel, or use stockade exec, which works from 5.13",
	}
}

func checkBTF() error {
	f, err := os.Open(vmlinuxBTF)
	if err == nil {
		return f.Close()
	}
	e := &Error{Lack: NoBTF, text: "the kernel does not describe its own types", err: err}
	if errors.Is(err, fs.ErrNotExist) {
		e.hint = "mount sysfs on /sys, or boot a kernel built with CONFIG_DEBUG_INFO_BTF=y; distributions' kernels since 2021 are"
	} else {
		e.hint = "make " + vmlinuxBTF + " readable"
	}
	return e
}

func checkBPFFS() error {
	var st unix.Statfs_t
	e := &Error{Lack: NoBPFFS, hint: "mount -t bpf bpf " + BPFFS}
	if err := unix.Statfs(BPFFS, &st); err != nil {
		e.text, e.err = "no BPF file system on "+BPFFS, err
		return e
	}
	if st.Type != unix.BPF_FS_MAGIC {
		e.text = "no BPF file system is mounted on " + BPFFS
		return e
	}
	if err := unix.Faccessat(unix.AT_FDCWD, BPFFS, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		e.text, e.err = "the BPF file system on "+BPFFS+" is not writable", err
		e.hint = "run it with sudo"
		if errors.Is(err, unix.EROFS) {
			e.hint = "mount -o remount,rw " + BPFFS
		}
		return e
	}
	return nil
}

// CgroupRoot returns where the whole cgroup v2 tree is mounted; empty: nowhere. On a host whose controllers are on v1 it is
// usually /sys/fs/cgroup/unified. Mounts of a part of the tree, as containers have them, do not count.
func CgroupRoot() string {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	return cgroupMount(f)
}

// cgroupMount finds the mount in the text of a mountinfo file: id, parent, device, root, mount point, options, " - ", type.
func cgroupMount(mountinfo io.Reader) string {
	// proc_pid_mountinfo(5) escapes these four.
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	lines := bufio.NewScanner(mountinfo)
	for lines.Scan() {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		if f := strings.Fields(before); strings.HasPrefix(after, "cgroup2 ") && len(f) > 4 && f[3] == "/" {
			return unescape.Replace(f[4])
		}
	}
	return ""
}
