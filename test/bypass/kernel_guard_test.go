//go:build linux

package bypass

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// guardGroup is the techniques against the guard itself. Without one they are tried on what stands in for it.
func guardGroup() group {
	techniques := append(guardProcessTechniques(), guardObjectTechniques()...)
	for i := range techniques {
		techniques[i] = onGuard(techniques[i])
	}
	return group{
		control: "guard",
		policy: func(bin string, envs map[string]*Env) string {
			return fmt.Sprintf(`version: "1.0"
mode: enforce
processes:
  attacker:
    match: {exe: %q}
    inherit: true
    blocked_files: [%s]
`, bin+"/attacker", each(envs, func(e *Env) string { return e.Secret }))
		},
		programs:   []string{"bystander"},
		direct:     technique{name: "open", attempt: stealSecret},
		fair:       []technique{{name: "open beside", setup: leaveToken, attempt: func(e *Env) error { return steal(e, e.work("mine")) }}},
		techniques: techniques,
	}
}

const bpffs = "/sys/fs/bpf"

// onGuard tells a technique which process to attack, and where that one's cgroup is.
func onGuard(t technique) technique {
	setup, name := t.setup, t.name
	t.then = beVictim
	t.setup = func(e *Env) error {
		pid, err := guardProcess()
		if err != nil {
			return err
		}
		if pid == 0 {
			if err := errors.Join(inCgroup(e), startVictim("guard", "bystander", name, e)); err != nil {
				return err
			}
		} else if err := describe(e, pid); err != nil {
			return err
		}
		if setup != nil {
			return setup(e)
		}
		return nil
	}
	return t
}

// describe notes where a process has its memory and its cgroup.
func describe(e *Env, pid int) error {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return err
	}
	start, _, _ := strings.Cut(string(maps), "-")
	address, err := strconv.ParseUint(start, 16, 64)
	if err != nil {
		return err
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return err
	}
	_, place, _ := strings.Cut(string(groups), "0::")
	e.Facts["victim"], e.Facts["address"] = strconv.Itoa(pid), strconv.FormatUint(address, 10)
	e.Facts["cgroup"] = filepath.Join("/sys/fs/cgroup", strings.TrimSpace(place))
	return nil
}

func guardProcessTechniques() []technique {
	wake := func(t *technique) {
		t.after = func(e *Env) error { return unix.Kill(e.victim(), unix.SIGCONT) }
	}
	thaw := func(t *technique) {
		t.after = func(e *Env) error { return writeCgroup(e, "cgroup.freeze", "0") }
	}
	return []technique{
		technique{name: "stop its process", attempt: stopping(func(e *Env) error { return unix.Kill(e.victim(), unix.SIGSTOP) }, "T")}.with(wake),
		{name: "trace it", attempt: func(e *Env) error {
			return onThread(func() error {
				if err := raw(unix.SYS_PTRACE, ptraceSeize, e.victim(), 0, 0); err != nil {
					return err
				}
				return ignoreMissing(unix.PtraceDetach(e.victim())) // it runs, so it cannot be let go: the tracer's end does that
			})
		}},
		{name: "read its memory", attempt: func(e *Env) error { return memoryCall(unix.SYS_PROCESS_VM_READV, e, make([]byte, 8)) }},
		{name: "open its memory for writing", attempt: func(e *Env) error {
			f, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", e.victim()), os.O_RDWR, 0)
			if err != nil {
				return err
			}
			return f.Close()
		}},
		{name: "take its descriptor", attempt: func(e *Env) error {
			process, err := unix.PidfdOpen(e.victim(), 0)
			if err != nil {
				return err
			}
			fd, err := unix.PidfdGetfd(process, 1, 0)
			if err != nil {
				return fmt.Errorf("pidfd_getfd: %w", err)
			}
			return unix.Close(fd)
		}},
		{name: "make it the first to be ended for memory", attempt: func(e *Env) error {
			path := fmt.Sprintf("/proc/%d/oom_score_adj", e.victim())
			was, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, bytes.TrimSpace(was), 0)
		}},
		technique{name: "freeze its cgroup", attempt: freeze}.with(thaw),
		{name: "kill its cgroup", attempt: func(e *Env) error {
			// A value that the kernel does not take: that it gets to look at it is enough.
			if err := writeCgroup(e, "cgroup.kill", "0"); !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ERANGE) {
				return err
			}
			return nil
		}},
		{name: "move it to another cgroup", attempt: func(e *Env) error {
			return os.WriteFile(filepath.Join(e.Facts["cgroup"], "cgroup.procs"), []byte(e.Facts["victim"]), 0)
		}},
	}
}

func ignoreMissing(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// guardObjectTechniques are about programs, maps, links and pins. What would end the guard's work comes last.
func guardObjectTechniques() []technique {
	const mapNext, mapOpen, linkNext, linkOpen, linkDetach = 12, 14, 31, 30, 34
	return []technique{
		{name: "open its maps", setup: standInMap, attempt: func(*Env) error { return openAny(mapNext, mapOpen, nil) }},
		{name: "open its links", setup: standInLink, attempt: func(*Env) error { return openAny(linkNext, linkOpen, nil) }},
		{name: "open its pins", setup: standInPin, attempt: func(*Env) error {
			return anyPin(func(path string) error {
				fd, err := openPin(path)
				if err != nil {
					return err
				}
				return unix.Close(fd)
			})
		}},
		{name: "rename a pin", setup: standInPin, attempt: func(*Env) error {
			return anyPin(func(path string) error {
				if err := os.Rename(path, path+"_"); err != nil {
					return err
				}
				return os.Rename(path+"_", path)
			})
		}},
		technique{name: "mount over the pins", attempt: inGuest(func(*Env) error { return mount("tmpfs", bpffs, "tmpfs", 0, "") })}.with(restoreBPFFS),
		{name: "move the pins' mount", attempt: inGuest(func(e *Env) error {
			at := e.work("moved")
			if err := os.Mkdir(at, 0o755); err != nil {
				return err
			}
			if err := mount(bpffs, at, "", unix.MS_MOVE, ""); err != nil {
				return err
			}
			return mount(at, bpffs, "", unix.MS_MOVE, "")
		})},
		{name: "detach a link", setup: standInLink, attempt: inGuest(func(*Env) error {
			return openAny(linkNext, linkOpen, func(fd int) error {
				attributes := make([]byte, 16)
				attributes[0] = byte(fd)
				return bpf(linkDetach, attributes)
			})
		})},
		technique{name: "unmount the pins", attempt: inGuest(func(*Env) error { return unix.Unmount(bpffs, 0) })}.with(restoreBPFFS),
		technique{name: "unmount the pins, busy or not", attempt: inGuest(func(*Env) error { return unix.Unmount(bpffs, unix.MNT_DETACH) })}.with(restoreBPFFS),
	}
}

// restoreBPFFS sees to it that what is mounted there is a BPF file system, as before.
func restoreBPFFS(t *technique) {
	t.after = func(*Env) error {
		var s unix.Statfs_t
		if err := unix.Statfs(bpffs, &s); err != nil {
			return err
		}
		switch {
		case s.Type == unix.BPF_FS_MAGIC:
			return nil
		case s.Type == unix.TMPFS_MAGIC:
			return unix.Unmount(bpffs, 0)
		}
		return unix.Mount("bpf", bpffs, "bpf", 0, "mode=700")
	}
}

// openAny gets a descriptor of one of all the objects of a kind, and does something with it.
func openAny(next, open int, do func(fd int) error) error {
	var last error = lacks("there is none")
	for id := uint32(0); ; {
		attributes := make([]byte, 16)
		copy(attributes, numbers(id))
		if err := bpf(next, attributes); errors.Is(err, unix.ENOENT) {
			return last
		} else if err != nil {
			return err
		}
		id = number(attributes[4:])
		attributes = make([]byte, 16)
		copy(attributes, numbers(id))
		fd, _, e := unix.Syscall(unix.SYS_BPF, uintptr(open), address(attributes), 16)
		if e != 0 {
			last = fmt.Errorf("bpf: %w", e)
			continue
		}
		if do == nil {
			return unix.Close(int(fd))
		}
		err := do(int(fd))
		_ = unix.Close(int(fd))
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EOPNOTSUPP) { // links of some kinds cannot be detached by anybody
			last = err
		}
	}
}

// anyPin does something with the first pin that it can be done with.
func anyPin(do func(path string) error) error {
	var last error = lacks("nothing is pinned in " + bpffs)
	done := false
	err := filepath.WalkDir(bpffs, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".debug") {
			return err
		}
		if last = do(path); last == nil {
			done = true
			return fs.SkipAll
		}
		return nil
	})
	if err != nil || done {
		return err
	}
	return last
}

func openPin(path string) (int, error) {
	const get = 7
	name := append([]byte(path), 0)
	attributes := make([]byte, 16)
	copy(attributes, longs(uint64(address(name))))
	fd, _, e := unix.Syscall(unix.SYS_BPF, get, address(attributes), 16)
	if e != 0 {
		return -1, fmt.Errorf("bpf: %w", e)
	}
	return int(fd), nil
}

// standInMap makes a map that is there even without a guard.
func standInMap(e *Env) error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "bypass_standin", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return lacks(err.Error())
	}
	e.undo(m.Close)
	return nil
}

func standInPin(e *Env) error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "bypass_standin", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return lacks(err.Error())
	}
	if pid, _ := guardProcess(); pid != 0 {
		return m.Close() // the guard's own pins are the ones to reach for
	}
	if err := m.Pin(filepath.Join(bpffs, "stockade-bypass")); err != nil {
		return errors.Join(lacks(err.Error()), m.Close())
	}
	e.undo(func() error { return errors.Join(m.Unpin(), m.Close()) })
	return nil
}

// standInLink attaches a program that lets everything pass to a cgroup where nothing is.
func standInLink(e *Env) error {
	if pid, _ := guardProcess(); pid != 0 {
		return nil
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.CGroupSKB, AttachType: ebpf.AttachCGroupInetEgress, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()},
	})
	if err != nil {
		return lacks(err.Error())
	}
	e.undo(p.Close)
	l, err := link.AttachCgroup(link.CgroupOptions{Path: e.Facts["cgroup"] + "-other", Attach: ebpf.AttachCGroupInetEgress, Program: p})
	if err != nil {
		return lacks(err.Error())
	}
	e.undo(l.Close)
	return nil
}
