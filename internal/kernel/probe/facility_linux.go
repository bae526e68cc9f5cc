package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// facilities lists what is not BPF.
func facilities() []check {
	return []check{
		{
			name: "cgroup_controllers", purpose: "limits on memory, CPU and process count", evidence: "read cgroup.controllers of the root",
			try: controllers,
		},
		{
			name: "fanotify_permission", purpose: "preventing open and exec of listed files without LSM programs", root: true,
			evidence: "mark a memory file with FAN_OPEN_PERM",
			remedy:   "boot a kernel built with CONFIG_FANOTIFY_ACCESS_PERMISSIONS=y",
			try:      plain(fanotify),
		},
		{name: "landlock", purpose: "stockade exec: files and ports, without privileges", evidence: "ask for the ABI version", try: landlockABI},
		{
			name: "seccomp", purpose: "stockade exec and generated profiles: system calls", evidence: "ask for SECCOMP_RET_KILL_PROCESS",
			remedy: "boot a kernel built with CONFIG_SECCOMP_FILTER=y",
			try:    plain(seccompKill),
		},
		{
			name: "ima", purpose: "digests of executables made by the kernel", evidence: "look for /sys/kernel/security/integrity/ima",
			try: plain(func() error {
				for _, path := range []string{"/sys/kernel/security/integrity/ima", "/sys/kernel/security/ima"} {
					if _, err := os.Stat(path); err == nil {
						return nil
					} else if errors.Is(err, os.ErrPermission) {
						return err
					}
				}
				return securityfsMissing("ima", "boot a kernel built with CONFIG_IMA=y; until then digests are made in user space")
			}),
		},
	}
}

func controllers(context.Context) (string, error) {
	root := CgroupRoot()
	if root == "" {
		return "", &refusal{reason: "the cgroup v2 tree is not mounted", remedy: "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified"}
	}
	text, err := os.ReadFile(root + "/cgroup.controllers")
	if err != nil {
		return "", err
	}
	have := strings.Fields(string(text))
	evidence := fmt.Sprintf("%s/cgroup.controllers: %s", root, strings.Join(have, " "))
	var missing []string
	for _, want := range []string{"cpu", "memory", "pids"} {
		if !slices.Contains(have, want) {
			missing = append(missing, want)
		}
	}
	if len(missing) > 0 {
		return evidence, &refusal{
			reason: strings.Join(missing, ", ") + " not available in the cgroup v2 tree",
			remedy: "boot with systemd.unified_cgroup_hierarchy=1, or unmount the v1 controllers",
		}
	}
	return evidence, nil
}

// fanotify marks a file that nobody else can open.
func fanotify() error {
	group, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return fmt.Errorf("fanotify_init: %w", err)
	}
	defer unix.Close(group)
	file, err := unix.MemfdCreate("stockade_probe", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make a memory file: %w", err)
	}
	defer unix.Close(file)
	if err := unix.FanotifyMark(group, unix.FAN_MARK_ADD, unix.FAN_OPEN_PERM, file, ""); err != nil {
		return fmt.Errorf("fanotify_mark: %w", err)
	}
	return nil
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
