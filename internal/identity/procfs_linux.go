package identity

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/stockade-security/stockade/event"
	"golang.org/x/sys/unix"
)

const (
	procfsSupported = true
	// maxCmdlineBytes bounds the arguments taken from /proc.
	maxCmdlineBytes = 8 << 10
)

var errUnsteady = errors.New("process keeps changing")

// readProcess reads one process. A pid that is reused, or an exec, while it reads makes it start again, so that the
// parts belong together.
func readProcess(procfs string, pid int) (procInfo, error) {
	dir := filepath.Join(procfs, strconv.Itoa(pid))
	for range 3 {
		before, err := readStat(dir)
		if err != nil {
			return procInfo{}, err
		}
		info := procInfo{ppid: before.ppid, proc: event.Process{
			Ref:          event.Ref{PID: pid, StartNS: before.ticks * tickNS, Name: before.comm},
			KernelThread: before.flags&pfKthread != 0,
		}}
		info.read(dir)
		after, err := readStat(dir)
		if err != nil {
			return procInfo{}, err
		}
		after.ppid, after.flags = before.ppid, before.flags
		if before == after {
			return info, nil
		}
	}
	return procInfo{}, fmt.Errorf("read %s: %w", dir, errUnsteady)
}

func readStat(dir string) (procStat, error) {
	b, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return procStat{}, err
	}
	return parseStat(b)
}

// read fills in what can be read; what cannot stays empty, as for zombies and without privilege.
func (p *procInfo) read(dir string) {
	if b, err := os.ReadFile(filepath.Join(dir, "status")); err == nil {
		p.ids = parseStatus(b)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "cgroup")); err == nil {
		p.cgroup, p.cgroupV2 = parseCgroups(b)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "loginuid")); err == nil { // absent from kernels without audit
		p.proc.LoginUID = parseLoginUID(b)
	}
	p.proc.Namespaces = readNamespaces(filepath.Join(dir, "ns"))
	if p.proc.KernelThread {
		return
	}
	if exe, err := os.Readlink(filepath.Join(dir, "exe")); err == nil {
		p.proc.Exe = strings.TrimSuffix(exe, " (deleted)")
	}
	var st unix.Stat_t
	if unix.Stat(filepath.Join(dir, "exe"), &st) == nil {
		p.proc.ExeInode, p.proc.ExeDevice, p.changedNS = st.Ino, deviceText(st.Dev), st.Ctim.Nano()
	}
	if cwd, err := os.Readlink(filepath.Join(dir, "cwd")); err == nil {
		p.proc.CWD = cwd
	}
	p.readCmdline(filepath.Join(dir, "cmdline"))
}

func (p *procInfo) readCmdline(name string) {
	f, err := os.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCmdlineBytes+1))
	if err != nil {
		return
	}
	if p.proc.ArgvTruncated = len(b) > maxCmdlineBytes; p.proc.ArgvTruncated {
		b = b[:maxCmdlineBytes]
	}
	p.proc.Argv = parseCmdline(b)
}

func readNamespaces(dir string) *event.Namespaces {
	var ns event.Namespaces
	for _, n := range []struct {
		name string
		to   *uint32
	}{
		{"mnt", &ns.Mnt},
		{"pid", &ns.PID},
		{"net", &ns.Net},
		{"user", &ns.User},
		{"uts", &ns.UTS},
		{"ipc", &ns.IPC},
		{"cgroup", &ns.Cgroup},
	} {
		link, err := os.Readlink(filepath.Join(dir, n.name))
		if err != nil {
			continue
		}
		inode := strings.TrimSuffix(strings.TrimPrefix(link, n.name+":["), "]")
		if v, err := strconv.ParseUint(inode, 10, 32); err == nil {
			*n.to = uint32(v)
		}
	}
	if ns == (event.Namespaces{}) {
		return nil
	}
	return &ns
}

func deviceText(dev uint64) string {
	return strconv.FormatUint(uint64(unix.Major(dev)), 10) + ":" + strconv.FormatUint(uint64(unix.Minor(dev)), 10)
}
